//! `TlsConnector`: makes TLS clients of streams.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::failure::{self, invalid};
use super::handshake::{DEFAULT_TIMEOUT, Terms, handshake};
use super::{TlsConnectorBuilder, TlsStream};

/// What all connections of a client share.
///
/// Make one and keep it: clones share the certificates, and the sessions that servers let a client
/// resume.
///
/// # Examples
///
/// ```no_run
/// use greenloop::net::TcpStream;
/// use greenloop::net::tls::TlsConnector;
/// use std::io::{Read, Write};
///
/// let connector = TlsConnector::new()?;
/// let stream = TcpStream::connect("www.rust-lang.org:443")?;
/// let mut stream = connector.connect("www.rust-lang.org", stream)?;
/// stream.write_all(b"GET / HTTP/1.0\r\nHost: www.rust-lang.org\r\n\r\n")?;
/// let mut answer = Vec::new();
/// stream.read_to_end(&mut answer)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    limit: Duration,
}

impl TlsConnector {
    /// Makes a connector that trusts the system's root certificates and has no certificate itself.
    /// Waits while they are read.
    ///
    /// # Errors
    ///
    /// Those of [`Roots::native`](super::Roots::native).
    pub fn new() -> io::Result<TlsConnector> {
        TlsConnector::builder().build()
    }

    /// Returns a builder, to choose whom to trust and what to offer.
    pub fn builder() -> TlsConnectorBuilder {
        TlsConnectorBuilder::new()
    }

    pub(super) fn with(config: ClientConfig, limit: Duration) -> TlsConnector {
        let config = Arc::new(config);
        TlsConnector { config, limit }
    }

    /// Does the handshake over `stream`, which is connected to the server `name`: a DNS name or an
    /// IP address, for which the server's certificate must be valid.
    ///
    /// Waits. A kill or timeout there drops the stream.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `name` is malformed; `InvalidData` if the server is refused, refuses, or
    /// does not speak TLS; `TimedOut` if the handshake is not done in its time; `UnexpectedEof` if
    /// the connection ends before; the stream's own, its read timeout's `WouldBlock` among them.
    pub fn connect<S: Read + Write>(&self, name: &str, stream: S) -> io::Result<TlsStream<S>> {
        let server = ServerName::try_from(name.to_owned()).map_err(|_| {
            invalid(format!(
                "'{name}' is no name of a server: expected a DNS name or an address"
            ))
        })?;
        let connection = ClientConnection::new(self.config.clone(), server)
            .map_err(|cause| failure::of_input(format!("a TLS client of '{name}'"), cause))?;
        let terms = Terms {
            peer: &format!("'{name}'"),
            alpn: &self.config.alpn_protocols,
            limit: self.limit,
        };
        handshake(connection.into(), stream, &terms)
    }
}

/// Takes a configuration with all that rustls offers beyond the builder; handshakes may take 30
/// seconds.
impl From<Arc<ClientConfig>> for TlsConnector {
    fn from(config: Arc<ClientConfig>) -> TlsConnector {
        let limit = DEFAULT_TIMEOUT;
        TlsConnector { config, limit }
    }
}
