//! `Handler`: what a server does with one connection, or one datagram.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a server does with each connection of type `S` that comes from an address of type `A`; or
/// with each [`Datagram`](super::Datagram).
///
/// Any closure `Fn(S, A)` is one; what it returns is dropped, so it may use `?`. Its arguments'
/// types have to be named: `|stream: TcpStream, _|`. A type that implements this trait has
/// `socketserver`'s three steps, which run one after the other on a green thread of the
/// connection's own.
///
/// An error ends the connection and nothing else; it is nobody's but the peer's, and is not logged.
/// So does a panic, of which a warning is logged. A kill (see [`stop`](super::ServerHandle::stop))
/// unwinds out of whichever step waits.
///
/// # Examples
///
/// ```
/// use greenloop::net::{Handler, SocketAddr, StreamServer, TcpStream};
/// use std::io::{self, Read, Write};
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
///
/// #[derive(Default)]
/// struct Greeter {
///     served: AtomicUsize,
/// }
///
/// impl Handler<TcpStream, SocketAddr> for Greeter {
///     type Session = (TcpStream, String);
///
///     fn setup(&self, mut stream: TcpStream, _: SocketAddr) -> io::Result<Self::Session> {
///         let mut name = [0; 3];
///         stream.read_exact(&mut name)?;
///         Ok((stream, String::from_utf8_lossy(&name).into_owned()))
///     }
///
///     fn handle(&self, (stream, name): &mut Self::Session) -> io::Result<()> {
///         write!(stream, "hello {name}, ")
///     }
///
///     fn finish(&self, (mut stream, _): Self::Session) {
///         let nth = self.served.fetch_add(1, Relaxed) + 1;
///         let _ = write!(stream, "you were number {nth}");
///     }
/// }
///
/// let server = StreamServer::bind("127.0.0.1:0", Greeter::default())?;
/// server.start()?;
///
/// let mut client = TcpStream::connect(server.local_addr())?;
/// client.write_all(b"Ann")?;
/// let mut text = String::new();
/// client.read_to_string(&mut text)?;
/// assert_eq!(text, "hello Ann, you were number 1");
/// # io::Result::Ok(())
/// ```
pub trait Handler<S, A>: Send + Sync + 'static {
    /// What one connection needs, from [`setup`](Self::setup) to [`finish`](Self::finish).
    type Session;

    /// Begins: makes a session of the connection.
    ///
    /// # Errors
    ///
    /// Whatever ends the connection at once; [`finish`](Self::finish) is not called then.
    fn setup(&self, stream: S, peer: A) -> io::Result<Self::Session>;

    /// Serves the connection until it is done with.
    ///
    /// # Errors
    ///
    /// Whatever ends the connection.
    fn handle(&self, session: &mut Self::Session) -> io::Result<()>;

    /// Ends: called whenever [`setup`](Self::setup) has succeeded, also if [`handle`](Self::handle)
    /// has failed, panicked, or been killed. Drops the session, and with it the connection, unless
    /// it is written otherwise.
    fn finish(&self, session: Self::Session) {
        drop(session);
    }
}

impl<F, S, A, R> Handler<S, A> for F
where
    F: Fn(S, A) -> R + Send + Sync + 'static,
{
    /// The arguments, until they are handed over.
    type Session = Option<(S, A)>;

    fn setup(&self, stream: S, peer: A) -> io::Result<Self::Session> {
        Ok(Some((stream, peer)))
    }

    fn handle(&self, session: &mut Self::Session) -> io::Result<()> {
        if let Some((stream, peer)) = session.take() {
            self(stream, peer);
        }
        Ok(())
    }
}

/// Takes a connection through the steps.
pub(super) fn serve<S, A>(handler: &impl Handler<S, A>, stream: S, peer: A) {
    let Ok(mut session) = handler.setup(stream, peer) else {
        return;
    };
    // No guard: `finish` may wait, and may panic, which a destructor must not while it unwinds.
    let outcome = catch_unwind(AssertUnwindSafe(|| handler.handle(&mut session)));
    handler.finish(session);
    if let Err(payload) = outcome {
        resume_unwind(payload);
    }
}
