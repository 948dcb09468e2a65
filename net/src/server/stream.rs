//! `StreamServer`: accepts connections and has each handled on a green thread of its own.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::Deref;
use std::sync::Arc;

use super::gate::{Gate, Work};
use super::life::{Crew, Life};
use super::listen::Connections;
use super::{Handler, Listen, ServerBuilder, ServerHandle};
use crate::TcpListener;

/// A server over TCP or Unix sockets: each connection is handled on a green thread of its own.
///
/// It derefs to [`ServerHandle`], which has its life: [`start`](ServerHandle::start),
/// [`serve_forever`](ServerHandle::serve_forever), [`stop`](ServerHandle::stop) and the like. A
/// connection is closed when its handler has ended, however it did: a panic ends its own connection
/// and nothing else. Dropping the server closes it; connections that are open go on.
///
/// While `accept` finds no descriptors or memory, the server tries again after 10 ms, then after
/// twice as long, and so on up to 1 s; a warning is logged.
///
/// # Examples
///
/// ```
/// use greenloop::net::{StreamServer, TcpStream};
/// use std::io::{Read, Write};
///
/// let server = StreamServer::bind("127.0.0.1:0", |mut stream: TcpStream, _| {
///     std::io::copy(&mut stream.try_clone()?, &mut stream) // an echo
/// })?;
/// server.start()?;
///
/// let mut client = TcpStream::connect(server.local_addr())?;
/// client.write_all(b"hello")?;
/// client.shutdown(std::net::Shutdown::Write)?;
/// let mut echo = String::new();
/// client.read_to_string(&mut echo)?;
/// assert_eq!(echo, "hello");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct StreamServer<L: Listen = TcpListener> {
    handle: ServerHandle,
    addresses: Vec<L::Addr>,
}

impl StreamServer {
    /// Returns a TCP server at the first address of `addr` that can be bound. It listens, and
    /// accepts when it is [started](ServerHandle::start).
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`].
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    ///
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// assert_ne!(server.local_addr().port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<A, H>(addr: A, handler: H) -> io::Result<StreamServer>
    where
        A: ToSocketAddrs,
        H: Handler<crate::TcpStream, SocketAddr>,
    {
        StreamServer::new(TcpListener::bind(addr)?, handler)
    }

    /// Returns a builder: limits, several listeners.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    ///
    /// let builder = StreamServer::builder().limit(1_000);
    /// let server = builder.bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }
}

impl<L: Listen> StreamServer<L> {
    /// Returns a server that accepts from `listener`, which may be one that was
    /// [handed over](crate::Inherited).
    ///
    /// # Errors
    ///
    /// `InvalidInput` or the like if the descriptor is not a socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::StreamServer;
    /// use greenloop::net::unix::{SocketAddr, UnixListener, UnixStream};
    /// use std::io::{Read, Write};
    ///
    /// let handler = |mut stream: UnixStream, _: SocketAddr| stream.write_all(b"hello");
    /// let server = StreamServer::new(UnixListener::bind("")?, handler)?;
    /// server.start()?;
    /// let mut text = String::new();
    /// UnixStream::connect_addr(&server.local_addr())?.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn new<H>(listener: L, handler: H) -> io::Result<StreamServer<L>>
    where
        H: Handler<L::Stream, L::Addr>,
    {
        ServerBuilder::new().listen([listener], handler)
    }

    #[track_caller]
    pub(super) fn build<H>(listeners: Vec<L>, handler: H, crew: Crew) -> io::Result<Self>
    where
        H: Handler<L::Stream, L::Addr>,
    {
        let addresses: Vec<L::Addr> = listeners.iter().map(L::address).collect::<Result<_, _>>()?;
        let handler = Arc::new(handler);
        let gate = |(listener, addr): (L, &L::Addr)| -> Arc<dyn Work> {
            let intake = Connections(listener);
            Arc::new(Gate::new(intake, Arc::clone(&handler), addr))
        };
        let gates = listeners.into_iter().zip(&addresses).map(gate).collect();
        let handle = ServerHandle::new(Life::new(gates, crew));
        Ok(StreamServer { handle, addresses })
    }

    /// Returns the address of the first listener, also once it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let server = StreamServer::bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// assert!(server.local_addr().ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> L::Addr {
        self.addresses[0].clone()
    }

    /// Returns the addresses of all listeners.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpListener, TcpStream};
    /// let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("[::1]:0")?];
    /// let builder = StreamServer::builder();
    /// let server = builder.listen(listeners, |_: TcpStream, _: SocketAddr| ())?;
    /// assert_eq!(server.local_addrs().len(), 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addrs(&self) -> &[L::Addr] {
        &self.addresses
    }
}

impl<L: Listen> Deref for StreamServer<L> {
    type Target = ServerHandle;

    fn deref(&self) -> &ServerHandle {
        &self.handle
    }
}

impl<L: Listen> Drop for StreamServer<L> {
    fn drop(&mut self) {
        self.handle.close_nowait();
    }
}
