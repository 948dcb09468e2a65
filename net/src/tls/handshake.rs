//! The handshake: within its time, and with errors that tell what was expected.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use greenloop_runtime::timeout;
use rustls::{AlertDescription, Connection, Error, PeerIncompatible};

use super::TlsStream;
use super::failure::{self, invalid};

/// Longer than any honest handshake, and short enough to be rid of a silent peer.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Between whom it is, what is offered, and how long it may take.
pub(super) struct Terms<'a> {
    pub(super) peer: &'a str,
    pub(super) alpn: &'a [Vec<u8>],
    pub(super) limit: Duration,
}

/// Does the handshake, and wraps the stream.
pub(super) fn handshake<S: Read + Write>(
    mut connection: Connection,
    mut stream: S,
    terms: &Terms<'_>,
) -> io::Result<TlsStream<S>> {
    let mut watched = Watched::new(&mut stream);
    let shake = || {
        loop {
            match connection.complete_io(&mut watched) {
                // The client may be gone before it has its tickets. What it wrote is to be read.
                _ if !connection.is_handshaking() => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    };
    match timeout(terms.limit, shake) {
        Ok(Ok(())) => Ok(TlsStream::new(connection, stream)),
        Ok(Err(error)) => Err(terms.explain(error, &watched.first)),
        Err(_elapsed) => Err(terms.too_late()),
    }
}

/// Makes owned names of ALPN protocols.
pub(super) fn alpn_names<P: AsRef<[u8]>>(names: impl IntoIterator<Item = P>) -> Vec<Vec<u8>> {
    names
        .into_iter()
        .map(|name| name.as_ref().to_vec())
        .collect()
}

/// Refuses names that the protocol has no room for.
pub(super) fn check_alpn(names: &[Vec<u8>]) -> io::Result<()> {
    match names.iter().find(|name| !(1..=255).contains(&name.len())) {
        None => Ok(()),
        Some(name) => Err(invalid(format!(
            "'{}' cannot be an ALPN protocol: a name has 1 to 255 bytes",
            name.escape_ascii()
        ))),
    }
}

impl Terms<'_> {
    fn too_late(&self) -> io::Error {
        let what = format!(
            "the TLS handshake with {} took over {:?}",
            self.peer, self.limit
        );
        io::Error::new(ErrorKind::TimedOut, what)
    }

    /// Says with whom, and what was expected instead.
    fn explain(&self, error: io::Error, first: &[u8]) -> io::Error {
        let what = format!("the TLS handshake with {} failed", self.peer);
        let kind = error.kind();
        match error.downcast::<Error>() {
            Ok(Error::InvalidMessage(_)) if !begins_like_tls(first) => io::Error::new(
                ErrorKind::InvalidData,
                format!(
                    "{what}: expected TLS, received \"{}\"",
                    first.escape_ascii()
                ),
            ),
            Ok(cause) => failure::of_peer(what + &self.hint(&cause), cause),
            Err(_) if kind == ErrorKind::UnexpectedEof => io::Error::new(
                kind,
                format!("{what}: the connection ended before it was done"),
            ),
            Err(error) => io::Error::new(kind, format!("{what}: {error}")),
        }
    }

    fn hint(&self, cause: &Error) -> String {
        use AlertDescription::{NoApplicationProtocol, ProtocolVersion};
        match cause {
            Error::NoApplicationProtocol | Error::AlertReceived(NoApplicationProtocol) => {
                format!(" (expected ALPN {})", self.alpn_list())
            }
            Error::AlertReceived(ProtocolVersion) => " (the peer wants another version)".into(),
            Error::PeerIncompatible(fault) if is_version(fault) => {
                " (expected a later version of TLS)".into()
            }
            _ => String::new(),
        }
    }

    fn alpn_list(&self) -> String {
        let names = self
            .alpn
            .iter()
            .map(|name| format!("'{}'", name.escape_ascii()));
        names.collect::<Vec<_>>().join(" or ")
    }
}

fn is_version(fault: &PeerIncompatible) -> bool {
    use PeerIncompatible::*;
    matches!(
        fault,
        ServerDoesNotSupportTls12Or13
            | ServerTlsVersionIsDisabledByOurConfig
            | SignatureAlgorithmsExtensionRequired // of a client that knows no TLS 1.2
            | SupportedVersionsExtensionRequired
            | Tls12NotOffered
            | Tls12NotOfferedOrEnabled
            | Tls13RequiredForQuic
    )
}

/// A record begins with its type.
fn begins_like_tls(first: &[u8]) -> bool {
    first.first().is_none_or(|kind| (20..=24).contains(kind))
}

/// A stream that remembers how the peer began.
struct Watched<'a, S> {
    stream: &'a mut S,
    first: Vec<u8>,
}

impl<'a, S> Watched<'a, S> {
    /// How much is remembered: enough to know a protocol by.
    const ENOUGH: usize = 16;

    fn new(stream: &'a mut S) -> Self {
        let first = Vec::with_capacity(Self::ENOUGH);
        Watched { stream, first }
    }
}

impl<S: Read> Read for Watched<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buf)?;
        let missing = Self::ENOUGH - self.first.len();
        self.first.extend_from_slice(&buf[..count.min(missing)]);
        Ok(count)
    }
}

impl<S: Write> Write for Watched<'_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
