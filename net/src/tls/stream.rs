//! `TlsStream`: a stream whose bytes are encrypted on their way.

use std::fmt;
use std::io::{self, Read, Write};

use rustls::Connection;
use rustls::pki_types::CertificateDer;

use super::session::Session;
use super::{Duplex, TlsVersion};

/// A TLS connection over a stream, from [`TlsConnector::connect`] or [`TlsAcceptor::accept`].
///
/// Reads and writes wait as the stream's do, and end by its timeouts: set them through
/// [`get_ref`](Self::get_ref). A read that was cut by a timeout or a kill has lost nothing.
///
/// [`TlsConnector::connect`]: super::TlsConnector::connect
/// [`TlsAcceptor::accept`]: super::TlsAcceptor::accept
///
/// # The end
///
/// A read returns zero only if the peer has announced its end by `close_notify`, as
/// [`shutdown`](Self::shutdown) does. A connection that just ends may have been cut by anybody:
/// that is `UnexpectedEof`. So whoever has written everything says so by `shutdown`. Dropping the
/// stream does not: a handler that is killed in the middle must not look as if it was done.
///
/// # Reading and writing at once
///
/// As with a [`TcpStream`](crate::TcpStream), one thread may read while another one writes, through
/// references, if the stream underneath is [`Duplex`], as ours are:
///
/// ```
/// use greenloop::net::tls::{Identity, Roots, TlsAcceptor, TlsConnector};
/// use greenloop::net::unix::UnixStream;
/// use std::io::{Read, Write};
///
/// # let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
/// # let (chain, key) = (ca.cert.pem(), ca.signing_key.serialize_pem());
/// # let acceptor = TlsAcceptor::new(Identity::from_pem(&chain, &key)?)?;
/// # let connector = TlsConnector::builder().roots(Roots::from_pem(&chain)?).build()?;
/// let (ours, theirs) = UnixStream::pair()?;
/// let echo = greenloop::spawn(move || -> std::io::Result<u64> {
///     let stream = acceptor.accept(theirs)?;
///     let count = std::io::copy(&mut &stream, &mut &stream)?;
///     stream.shutdown()?;
///     Ok(count)
/// });
///
/// let stream = connector.connect("localhost", ours)?;
/// greenloop::scope(|s| {
///     s.spawn(|| -> std::io::Result<()> {
///         (&stream).write_all(&[7; 1_000_000])?;
///         stream.shutdown()
///     });
///     let mut echoed = Vec::new();
///     (&stream).read_to_end(&mut echoed)?;
///     assert_eq!(echoed.len(), 1_000_000);
///     std::io::Result::Ok(())
/// })?;
/// assert_eq!(echo.join().unwrap()?, 1_000_000);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TlsStream<S> {
    stream: S,
    session: Box<Session>, // over a kilobyte, and streams are moved about
}

impl<S> TlsStream<S> {
    pub(super) fn new(connection: Connection, stream: S) -> TlsStream<S> {
        let session = Box::new(Session::new(connection));
        TlsStream { stream, session }
    }

    /// Returns the stream underneath, for its addresses and timeouts.
    ///
    /// What is read from or written to it directly is missing from the connection, which then
    /// fails.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns the stream underneath, as [`get_ref`](Self::get_ref) does.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Returns the stream underneath, and ends TLS without a word to the peer.
    ///
    /// What has come already and was not read is lost.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// Returns the certificates that the peer has shown, its own first; empty if it has none.
    pub fn peer_certificates(&self) -> Vec<CertificateDer<'static>> {
        let copy = |connection: &Connection| connection.peer_certificates().map(<[_]>::to_vec);
        self.session.ask(copy).unwrap_or_default()
    }

    /// Returns the protocol that was agreed on (ALPN), if any.
    pub fn alpn_protocol(&self) -> Option<Vec<u8>> {
        let copy = |connection: &Connection| connection.alpn_protocol().map(<[u8]>::to_vec);
        self.session.ask(copy)
    }

    /// Returns the name that the client has asked for (SNI), on the server's side.
    pub fn server_name(&self) -> Option<String> {
        self.session.ask(|connection| match connection {
            Connection::Client(_) => None,
            Connection::Server(server) => server.server_name().map(str::to_owned),
        })
    }

    /// Returns the version that is spoken.
    pub fn protocol_version(&self) -> TlsVersion {
        TlsVersion::agreed(self.session.ask(|connection| connection.protocol_version()))
    }
}

impl<S: Duplex> TlsStream<S> {
    /// Announces the end of what is written (`close_notify`): the peer's reads then return zero.
    ///
    /// Reading goes on. Writes fail with `BrokenPipe` from now on. The stream underneath is not
    /// shut down. Waits until it has gone out; a second call sends what a first one could not.
    ///
    /// # Errors
    ///
    /// Those of the stream's `write`.
    pub fn shutdown(&self) -> io::Result<()> {
        self.session.shutdown(&mut self.stream.handle())
    }
}

impl<S: Write> TlsStream<S> {
    /// [`shutdown`](Self::shutdown), for a stream that is not written through references.
    ///
    /// # Errors
    ///
    /// Those of the stream's `write`.
    pub fn shutdown_mut(&mut self) -> io::Result<()> {
        self.session.shutdown(&mut self.stream)
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.session.read(&mut self.stream, buf)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.session.write(&mut self.stream, buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.session.flush(&mut self.stream)
    }
}

impl<S: Duplex> Read for &TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.session.read(&mut self.stream.handle(), buf)
    }
}

impl<S: Duplex> Write for &TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.session.write(&mut self.stream.handle(), buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.session.flush(&mut self.stream.handle())
    }
}

impl<S: fmt::Debug> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("stream", &self.stream)
            .field("version", &self.protocol_version())
            .finish_non_exhaustive()
    }
}
