//! `TlsVersion`: the versions of TLS that are spoken.

use rustls::{ProtocolVersion, SupportedProtocolVersion};

/// A version of TLS; older ones than 1.2 are broken, and never spoken.
///
/// # Examples
///
/// ```
/// use greenloop::net::tls::TlsVersion;
///
/// assert!(TlsVersion::Tls12 < TlsVersion::Tls13);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl TlsVersion {
    /// Returns this one and those after it, in rustls's words.
    pub(super) fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            TlsVersion::Tls12 => rustls::ALL_VERSIONS,
            TlsVersion::Tls13 => const { &[&rustls::version::TLS13] },
        }
    }

    /// The version of a connection whose handshake is done.
    pub(super) fn agreed(version: Option<ProtocolVersion>) -> TlsVersion {
        match version {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
            _ => TlsVersion::Tls12, // rustls speaks no other
        }
    }
}
