//! `ServerHandle`: what starts a server, stops it, and waits for it, from any thread.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use greenloop_runtime::{Waitable, wait_any};

use super::life::Life;

/// gevent's: how long killed connections may take to end.
const GRACE: Duration = Duration::from_secs(1);

/// The life of a [`StreamServer`](super::StreamServer) or of a
/// [`DatagramServer`](super::DatagramServer), which derefs to it; a clone may be sent anywhere, and
/// does not keep the server open.
///
/// What is said here of connections holds for datagrams that are being handled. Accepting is
/// stopped by a kill, which unwinds: in a program that is built with `panic = "abort"` a server can
/// only serve for ever.
///
/// # Examples
///
/// Stopped from elsewhere:
///
/// ```
/// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
/// use std::time::Duration;
///
/// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
/// let handle = server.handle();
/// greenloop::spawn(move || handle.stop(Duration::from_secs(5)));
/// server.serve_forever()?;
/// assert!(server.is_closed());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerHandle {
    life: Arc<Life>,
}

impl ServerHandle {
    pub(super) fn new(life: Arc<Life>) -> ServerHandle {
        ServerHandle { life }
    }

    /// Returns another handle of the same server.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// let handle = server.handle();
    /// drop(server);
    /// assert!(handle.is_closed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> ServerHandle {
        self.clone()
    }

    /// Starts to accept, on green threads of its own, and returns at once. Until then clients wait
    /// in the backlog. Does nothing if it accepts already.
    ///
    /// Inside of a [`run`](https://docs.rs/greenloop/latest/greenloop/fn.run.html) everything stays
    /// on that hub, and ends with it: the server is closed then.
    ///
    /// # Errors
    ///
    /// `NotConnected` once it is closed; what `Builder::spawn` says if no green thread can be
    /// spawned, and then it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// let handler = |mut stream: TcpStream, _: SocketAddr| stream.write_all(b"hello");
    /// let server = StreamServer::bind("127.0.0.1:0", handler)?;
    /// server.start()?;
    /// let mut text = String::new();
    /// TcpStream::connect(server.local_addr())?.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start(&self) -> io::Result<()> {
        self.start_accepting()
    }

    /// Accepts again after [`stop_accepting`](Self::stop_accepting); the same as
    /// [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use std::io::ErrorKind;
    ///
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// server.start()?;
    /// server.stop_accepting();
    /// server.start_accepting()?;
    /// server.close();
    /// assert_eq!(server.start_accepting().unwrap_err().kind(), ErrorKind::NotConnected);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start_accepting(&self) -> io::Result<()> {
        match self.life.start()? {
            true => Ok(()),
            false => Err(io::Error::new(
                ErrorKind::NotConnected,
                "the server is closed, and cannot be started again",
            )),
        }
    }

    /// Stops accepting, and returns when nobody does any more. The listeners stay open: clients
    /// wait in the backlog. Connections that are open go on.
    ///
    /// A kill or timeout while it waits leaves that to go on by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// server.start()?;
    /// server.stop_accepting();
    /// assert!(!server.is_accepting());
    /// TcpStream::connect(server.local_addr())?; // waits in the backlog
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stop_accepting(&self) {
        self.life.stop_accepting();
    }

    /// Stops accepting for good, and returns when the listeners are closed. Connections that are
    /// open go on; those in the backlog are refused by the system.
    ///
    /// A kill or timeout while it waits leaves that to go on by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use std::io::ErrorKind;
    ///
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// server.start()?;
    /// server.close();
    /// let error = TcpStream::connect(server.local_addr()).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        self.life.close();
    }

    /// [Closes](Self::close), waits for the open connections until `timeout` is over, then kills
    /// those that are left, and waits a second for them. Returns whether all ended by themselves.
    ///
    /// A killed handler unwinds from where it waits, and its [`finish`](super::Handler::finish)
    /// runs. One that computes, or waits in a `shield`, goes on until it waits elsewhere;
    /// [`connections`](Self::connections) counts those. A handler that stops its own server waits
    /// for itself, in vain, and is killed: let it set an event that
    /// [`serve_until`](Self::serve_until) waits for.
    ///
    /// Of a [pool](super::ServerBuilder::pool) that was given to the server, all members are waited
    /// for and killed. A stop before the start is not lost: the server can't be started any more. A
    /// kill or timeout while it waits leaves the server closed, and the connections open.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use std::io::Read;
    /// use std::time::Duration;
    ///
    /// // It reads until its client says goodbye.
    /// let handler = |mut stream: TcpStream, _: SocketAddr| stream.read_to_end(&mut Vec::new());
    /// let server = StreamServer::bind("127.0.0.1:0", handler)?;
    /// server.start()?;
    /// let _silent = TcpStream::connect(server.local_addr())?;
    /// # while server.connections() == 0 {
    /// #     greenloop::yield_now();
    /// # }
    /// assert!(!server.stop(Duration::from_millis(10)), "one had to be killed");
    /// assert_eq!(server.connections(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stop(&self, timeout: Duration) -> bool {
        self.life.close();
        self.life.drain(timeout, GRACE)
    }

    /// Starts, and returns when the server has been [closed](Self::close) or
    /// [stopped](Self::stop), by whomever, and its last connection has ended, or the stop has given
    /// it up.
    ///
    /// A kill or timeout of the caller closes the server; its connections go on, and a
    /// [`stop`](Self::stop) waits for them.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start), but for a server that was closed before: then it returns at
    /// once. What `accept` says if it can never succeed again (the descriptor is no listener), and
    /// `UnexpectedEof` if a socket for datagrams has been shut down; the server is closed then.
    /// `Other` if the green thread that accepts was ended from outside.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use std::io::Write;
    ///
    /// let handler = |mut stream: TcpStream, _: SocketAddr| stream.write_all(b"hello");
    /// StreamServer::bind("127.0.0.1:8000", handler)?.serve_forever()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn serve_forever(&self) -> io::Result<()> {
        self.life.start()?;
        let closing = Closing(&self.life);
        self.life.closed().wait();
        drop(closing);
        self.life.wait_for_end();
        self.life.take_failure()
    }

    /// Starts, waits for `until` (an event that a signal sets, a handle, a timer), and
    /// [stops](Self::stop) with `timeout`; returns what that returns. Returns, too, when the server
    /// is closed by somebody else.
    ///
    /// A kill or timeout of the caller closes the server, as with
    /// [`serve_forever`](Self::serve_forever).
    ///
    /// # Errors
    ///
    /// Those of [`serve_forever`](Self::serve_forever).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use greenloop::sync::Event;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let enough = Arc::new(Event::new());
    /// let signal = enough.clone();
    /// let handler = move |_: TcpStream, _: SocketAddr| signal.set();
    /// let server = StreamServer::bind("127.0.0.1:0", handler)?;
    /// let client = TcpStream::connect(server.local_addr())?;
    /// assert!(server.serve_until(&*enough, Duration::from_secs(5))?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn serve_until(&self, until: &impl Waitable, timeout: Duration) -> io::Result<bool> {
        self.life.start()?;
        let closing = Closing(&self.life);
        wait_any(&[&until, self.life.closed()]);
        // First, as it waits for whoever is just accepting; the other one waits for nobody.
        let drained = self.stop(timeout);
        drop(closing);
        self.life.take_failure()?;
        Ok(drained)
    }

    /// Returns how many connections are open: green threads that have not ended. Of a pool that was
    /// given to the server, all members.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// assert_eq!(server.connections(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn connections(&self) -> usize {
        self.life.crew().len()
    }

    /// Returns whether connections are accepted: from [`start`](Self::start) to
    /// [`stop_accepting`](Self::stop_accepting) or the end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// assert!(!server.is_accepting());
    /// server.start()?;
    /// assert!(server.is_accepting());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_accepting(&self) -> bool {
        self.life.is_accepting()
    }

    /// Returns whether the server has been closed: for good.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// assert!(!server.is_closed());
    /// server.close();
    /// assert!(server.is_closed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.life.closed().is_set()
    }

    pub(super) fn close_nowait(&self) {
        self.life.close_nowait();
    }
}

/// Closes the server when its end is reached, or unwound to; waits for nobody.
struct Closing<'a>(&'a Life);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close_nowait();
    }
}
