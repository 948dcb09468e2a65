//! `ServerBuilder`: how many connections a server takes, and on how many listeners.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use greenloop_runtime::pool::{Group, Pool};

use super::life::Crew;
use super::{Datagram, DatagramServer, Handler, Listen, Receive, StreamServer};
use crate::{TcpListener, TcpStream};

/// Options for a [`StreamServer`] or [`DatagramServer`], from [`StreamServer::builder`].
///
/// # Examples
///
/// ```
/// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
/// use std::io::Write;
///
/// let handler = |mut stream: TcpStream, _: SocketAddr| stream.write_all(b"hello");
/// let builder = StreamServer::builder().limit(1_000).backlog(1_024);
/// let server = builder.bind("127.0.0.1:0", handler)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until a server is made"]
pub struct ServerBuilder {
    limit: Option<usize>,
    pool: Option<Arc<Pool>>,
    listeners: usize,
    backlog: u32,
}

impl ServerBuilder {
    pub(super) fn new() -> ServerBuilder {
        ServerBuilder {
            limit: None,
            pool: None,
            listeners: 1,
            backlog: 128, // std's
        }
    }

    /// Sets how many connections may be open at once: any number by default. While they are, the
    /// server does not accept, and clients wait in the backlog.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use std::io::ErrorKind;
    ///
    /// let handler = |_: TcpStream, _: SocketAddr| ();
    /// let server = StreamServer::builder().limit(1_000).bind("127.0.0.1:0", handler)?;
    ///
    /// let error = StreamServer::builder().limit(0).bind("127.0.0.1:0", handler).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn limit(mut self, connections: usize) -> Self {
        self.limit = Some(connections);
        self.pool = None;
        self
    }

    /// Has connections be handled by members of `pool`; while it is full, the server does not
    /// accept. Servers that stop together may share one: [`stop`](super::ServerHandle::stop) waits
    /// for all members, and kills them.
    ///
    /// If somebody else takes the last place just as a connection is accepted, that one waits for
    /// the next; and is closed if accepting is stopped meanwhile.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// use greenloop::pool::Pool;
    /// use std::sync::Arc;
    ///
    /// let builder = StreamServer::builder().pool(Arc::new(Pool::new(100)));
    /// let one = builder.bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// let other = builder.bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pool(mut self, pool: Arc<Pool>) -> Self {
        self.pool = Some(pool);
        self.limit = None;
        self
    }

    /// Has [`bind`](Self::bind) open that many listeners at the address, by `SO_REUSEPORT`, each
    /// with a backlog and an accepting green thread of its own: 1 by default. More than there are
    /// workers are of no use, and more than one only where accepting is what costs: the kernel
    /// deals connections out blindly.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    ///
    /// let builder = StreamServer::builder().reuse_port(2);
    /// let server = builder.bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// assert_eq!(server.local_addrs(), [server.local_addr(); 2]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reuse_port(mut self, listeners: usize) -> Self {
        self.listeners = listeners;
        self
    }

    /// Sets how many connections may wait to be accepted, at each listener that
    /// [`bind`](Self::bind) opens: 128 by default.
    ///
    /// The system caps it: on Linux at `net.core.somaxconn`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let builder = StreamServer::builder().backlog(4096);
    /// let server = builder.bind("127.0.0.1:0", |_: TcpStream, _: SocketAddr| ())?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Returns a TCP server at the first address of `addr` that can be bound.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`]; `InvalidInput` for a limit of no connections, or no
    /// listeners.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{SocketAddr, StreamServer, TcpStream};
    /// let builder = StreamServer::builder();
    /// let server = builder.bind(("127.0.0.1", 0), |_: TcpStream, _: SocketAddr| ())?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<A, H>(&self, addr: A, handler: H) -> io::Result<StreamServer>
    where
        A: ToSocketAddrs,
        H: Handler<TcpStream, SocketAddr>,
    {
        let builder = TcpListener::builder().backlog(self.backlog);
        let builder = builder.reuse_port(self.listeners > 1);
        let mut listeners = Vec::new();
        if self.listeners > 0 {
            listeners.push(builder.bind(addr)?);
        }
        for _ in 1..self.listeners {
            listeners.push(builder.bind(listeners[0].local_addr()?)?);
        }
        self.listen(listeners, handler)
    }

    /// Returns a server that accepts from all of `listeners`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a limit of no connections, or no listeners, or if a descriptor is not a
    /// socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, StreamServer, TcpListener, TcpStream};
    ///
    /// let listeners = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    /// let builder = StreamServer::builder();
    /// let server = builder.listen(listeners, |_: TcpStream, _: SocketAddr| ())?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn listen<L, H>(
        &self,
        listeners: impl IntoIterator<Item = L>,
        handler: H,
    ) -> io::Result<StreamServer<L>>
    where
        L: Listen,
        H: Handler<L::Stream, L::Addr>,
    {
        let listeners = some(
            listeners,
            "a server without listeners would never serve anything",
        )?;
        StreamServer::build(listeners, handler, self.crew()?)
    }

    /// Returns a server that receives datagrams from all of `sockets`.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a limit of no datagrams, or no sockets, or if a descriptor is not a
    /// socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{Datagram, SocketAddr, StreamServer, UdpSocket};
    ///
    /// let builder = StreamServer::builder().limit(100);
    /// let sockets = [UdpSocket::bind("127.0.0.1:0")?];
    /// let server = builder.receive(sockets, |_: Datagram, _: SocketAddr| ())?;
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn receive<S, H>(
        &self,
        sockets: impl IntoIterator<Item = S>,
        handler: H,
    ) -> io::Result<DatagramServer<S>>
    where
        S: Receive,
        H: Handler<Datagram<S>, S::Addr>,
    {
        let sockets = some(
            sockets,
            "a server without sockets would never serve anything",
        )?;
        DatagramServer::build(sockets, handler, self.crew()?)
    }

    fn crew(&self) -> io::Result<Crew> {
        if let Some(pool) = &self.pool {
            return Ok(Crew::Pool(Arc::clone(pool)));
        }
        match self.limit {
            None => Ok(Crew::Group(Group::new())),
            Some(0) => Err(invalid(
                "a limit of 0 connections would never serve anything",
            )),
            Some(limit) => Ok(Crew::Pool(Arc::new(Pool::new(limit)))),
        }
    }
}

fn some<T>(items: impl IntoIterator<Item = T>, otherwise: &str) -> io::Result<Vec<T>> {
    let items: Vec<T> = items.into_iter().collect();
    if items.is_empty() {
        return Err(invalid(otherwise));
    }
    Ok(items)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}
