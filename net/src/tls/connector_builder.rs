//! `TlsConnectorBuilder`: whom a client trusts and what it offers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::sign::SingleCertAndKey;

use super::handshake::{DEFAULT_TIMEOUT, alpn_names};
use super::{Identity, Roots, TlsConnector, TlsVersion, failure, provider};
use crate::connect::refuse_zero;

/// Options for a [`TlsConnector`], from [`TlsConnector::builder`].
///
/// # Examples
///
/// ```
/// use greenloop::net::tls::{Roots, TlsConnector, TlsVersion};
/// use std::time::Duration;
///
/// # let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
/// let connector = TlsConnector::builder()
///     .roots(Roots::from_pem(ca)?) // instead of the system's
///     .alpn(["h2", "http/1.1"])
///     .min_version(TlsVersion::Tls13)
///     .handshake_timeout(Duration::from_secs(5))
///     .build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct TlsConnectorBuilder {
    roots: Option<Roots>,
    identity: Option<Identity>,
    alpn: Vec<Vec<u8>>,
    sni: bool,
    min_version: TlsVersion,
    limit: Duration,
}

impl TlsConnectorBuilder {
    pub(super) fn new() -> Self {
        TlsConnectorBuilder {
            roots: None,
            identity: None,
            alpn: Vec::new(),
            sni: true,
            min_version: TlsVersion::Tls12,
            limit: DEFAULT_TIMEOUT,
        }
    }

    /// Sets whom to trust; [`Roots::native`] by default.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.roots = Some(roots);
        self
    }

    /// Sets the certificate to show to a server that asks for one; none by default.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the protocols to offer (ALPN), the best first; none by default.
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = alpn_names(protocols);
        self
    }

    /// Chooses whether the server is told which of its names is meant (SNI); true by default.
    pub fn sni(mut self, sni: bool) -> Self {
        self.sni = sni;
        self
    }

    /// Sets the oldest version to speak; TLS 1.2 by default.
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.min_version = version;
        self
    }

    /// Sets how long a handshake may take in all; 30 seconds by default.
    ///
    /// It bounds waits of this crate: a stream whose reads block the OS thread is not cut.
    pub fn handshake_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Makes the connector. Waits if the system's roots are to be read.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a protocol's name that is empty or longer than 255 bytes and for a zero
    /// timeout; `NotFound` if the system has no roots.
    pub fn build(self) -> io::Result<TlsConnector> {
        refuse_zero(self.limit)?;
        super::handshake::check_alpn(&self.alpn)?;
        let roots = self.roots.map_or_else(Roots::native, Ok)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.min_version.and_later())
            .map_err(|cause| failure::of_input("a TLS client", cause))?
            .with_root_certificates(roots.0);
        let mut config = match self.identity {
            None => config.with_no_client_auth(),
            Some(Identity(key)) => {
                let key = SingleCertAndKey::from(Arc::unwrap_or_clone(key));
                config.with_client_cert_resolver(Arc::new(key))
            }
        };
        config.alpn_protocols = self.alpn;
        config.enable_sni = self.sni;
        Ok(TlsConnector::with(config, self.limit))
    }
}
