//! `TlsAcceptor`: makes TLS servers of streams.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection};

use super::handshake::{DEFAULT_TIMEOUT, Terms, handshake};
use super::{Identity, TlsAcceptorBuilder, TlsStream, failure};

/// What all connections of a server share.
///
/// Make one and keep it: clones share the certificates, and the keys of the tickets by which
/// clients resume a session.
///
/// # Examples
///
/// Over TLS a [`StreamServer`](crate::StreamServer)'s handler has one line more:
///
/// ```
/// use greenloop::net::tls::{Identity, TlsAcceptor};
/// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
/// use std::io::Write;
///
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let acceptor = TlsAcceptor::new(Identity::from_pem(chain, key)?)?;
/// let server = StreamServer::bind("127.0.0.1:0", move |stream: TcpStream, _: SocketAddr| {
///     let mut stream = acceptor.accept(stream)?;
///     stream.write_all(b"hello")?;
///     stream.shutdown()
/// })?;
/// # server.start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    limit: Duration,
}

impl TlsAcceptor {
    /// Makes an acceptor that shows `identity` to every client and asks for no certificate.
    ///
    /// # Errors
    ///
    /// Those of [`TlsAcceptorBuilder::build`].
    pub fn new(identity: Identity) -> io::Result<TlsAcceptor> {
        TlsAcceptor::builder(identity).build()
    }

    /// Returns a builder, to choose what else to show, to ask for and to speak.
    pub fn builder(identity: Identity) -> TlsAcceptorBuilder {
        TlsAcceptorBuilder::new(identity)
    }

    pub(super) fn with(config: ServerConfig, limit: Duration) -> TlsAcceptor {
        let config = Arc::new(config);
        TlsAcceptor { config, limit }
    }

    /// Does the handshake over `stream`, which a client has connected.
    ///
    /// Waits: call it on the connection's own green thread, where a slow client holds up nobody
    /// else. A kill or timeout there drops the stream.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the client is refused, refuses, or does not speak TLS; `TimedOut` if the
    /// handshake is not done in its time; `UnexpectedEof` if the connection ends before; the
    /// stream's own, its read timeout's `WouldBlock` among them.
    pub fn accept<S: Read + Write>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let connection = ServerConnection::new(self.config.clone())
            .map_err(|cause| failure::of_input("a TLS server", cause))?;
        let terms = Terms {
            peer: "a client",
            alpn: &self.config.alpn_protocols,
            limit: self.limit,
        };
        handshake(connection.into(), stream, &terms)
    }
}

/// Takes a configuration with all that rustls offers beyond the builder; handshakes may take 30
/// seconds.
impl From<Arc<ServerConfig>> for TlsAcceptor {
    fn from(config: Arc<ServerConfig>) -> TlsAcceptor {
        let limit = DEFAULT_TIMEOUT;
        TlsAcceptor { config, limit }
    }
}
