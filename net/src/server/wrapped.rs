//! `Wrapped`: a handler behind a step that makes another stream of the accepted one.

use std::fmt;
use std::io;
use std::time::Duration;

use greenloop_runtime::timeout;

use super::Handler;
use crate::deadline::Deadline;

/// A [`Handler`] behind a step that makes another stream of each accepted one: a TLS handshake, a
/// proxy's preamble, a codec.
///
/// The step runs on the connection's own green thread, so a slow peer holds up nobody else. Its
/// error, or the end of its time, closes the connection and nothing else.
///
/// # Examples
///
/// ```
/// use greenloop::net::{StreamServer, TcpStream, Wrapped};
/// use std::io::{self, BufReader, Read, Write};
/// use std::time::Duration;
///
/// // Every client begins with a byte that says which protocol it speaks.
/// let shake_hands = |mut stream: TcpStream| {
///     let mut version = [0];
///     stream.read_exact(&mut version)?;
///     match version {
///         [1] => Ok(BufReader::new(stream)),
///         _ => Err(io::ErrorKind::InvalidData.into()),
///     }
/// };
/// let handler = |stream: BufReader<TcpStream>, _| stream.get_ref().write_all(b"welcome");
/// let handler = Wrapped::new(shake_hands, handler).timeout(Duration::from_secs(10));
/// let server = StreamServer::bind("127.0.0.1:0", handler)?;
/// server.start()?;
///
/// let mut client = TcpStream::connect(server.local_addr())?;
/// client.write_all(&[1])?;
/// let mut text = String::new();
/// client.read_to_string(&mut text)?;
/// assert_eq!(text, "welcome");
/// # io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Wrapped<W, H> {
    wrap: W,
    handler: H,
    timeout: Option<Duration>,
}

impl<W, H> Wrapped<W, H> {
    /// Has `handler` serve what `wrap` makes of each stream, which may take any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream, Wrapped};
    /// use std::io::{self, BufRead, BufReader};
    ///
    /// let wrap = |stream: TcpStream| Ok(BufReader::new(stream));
    /// let handler = |stream: BufReader<TcpStream>, _: SocketAddr| stream.lines().count();
    /// let server = StreamServer::bind("127.0.0.1:0", Wrapped::new(wrap, handler))?;
    /// # io::Result::Ok(())
    /// ```
    pub fn new(wrap: W, handler: H) -> Wrapped<W, H> {
        Wrapped {
            wrap,
            handler,
            timeout: None,
        }
    }

    /// Bounds the time that the step may take for one connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, TcpStream, Wrapped};
    /// use std::time::Duration;
    ///
    /// let wrap = |stream: TcpStream| std::io::Result::Ok(stream);
    /// let handler = Wrapped::new(wrap, |_: TcpStream, _: SocketAddr| ());
    /// let handler = handler.timeout(Duration::from_secs(10));
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn wrap<S, T>(&self, stream: S) -> io::Result<T>
    where
        W: Fn(S) -> io::Result<T>,
    {
        let wrap = || (self.wrap)(stream);
        match self.timeout {
            None => wrap(),
            Some(limit) => timeout(limit, wrap).unwrap_or_else(|_| Err(Deadline::error())),
        }
    }
}

impl<W, H, S, A, T> Handler<S, A> for Wrapped<W, H>
where
    W: Fn(S) -> io::Result<T> + Send + Sync + 'static,
    H: Handler<T, A>,
{
    type Session = H::Session;

    fn setup(&self, stream: S, peer: A) -> io::Result<H::Session> {
        self.handler.setup(self.wrap(stream)?, peer)
    }

    fn handle(&self, session: &mut H::Session) -> io::Result<()> {
        self.handler.handle(session)
    }

    fn finish(&self, session: H::Session) {
        self.handler.finish(session);
    }
}

impl<W, H> fmt::Debug for Wrapped<W, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
