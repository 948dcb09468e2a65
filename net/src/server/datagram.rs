//! `DatagramServer`: receives datagrams and has each handled on a green thread of its own.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::ops::Deref;
use std::sync::Arc;

use super::gate::{Gate, Work};
use super::life::{Crew, Life};
use super::receive::Datagrams;
use super::{Handler, Receive, ServerBuilder, ServerHandle};
use crate::UdpSocket;

/// A datagram that a [`DatagramServer`] received.
#[derive(Clone, Debug)]
pub struct Datagram<S = UdpSocket> {
    /// What was sent.
    pub data: Vec<u8>,
    /// The socket that received it, to answer from.
    pub socket: Arc<S>,
}

/// A server over UDP or Unix datagrams: each datagram is handled on a green thread of its own.
///
/// It derefs to [`ServerHandle`], which has its life, as a [`StreamServer`](super::StreamServer)
/// does; a datagram that is being handled counts as a connection. While a limit or pool is full, it
/// receives nothing: datagrams wait in the socket's buffer, and are lost when that is full.
/// Dropping the server closes it; the socket is closed when the last handler has let go of it.
///
/// # Examples
///
/// ```
/// use greenloop::net::{Datagram, DatagramServer, SocketAddr, UdpSocket};
///
/// let handler = |datagram: Datagram, peer: SocketAddr| {
///     datagram.socket.send_to(&datagram.data.to_ascii_uppercase(), peer)
/// };
/// let server = DatagramServer::bind("127.0.0.1:0", handler)?;
/// server.start()?;
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", server.local_addr())?;
/// let mut buffer = [0; 16];
/// let (len, from) = client.recv_from(&mut buffer)?;
/// assert_eq!((&buffer[..len], from), (&b"HELLO"[..], server.local_addr()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct DatagramServer<S: Receive = UdpSocket> {
    handle: ServerHandle,
    addresses: Vec<S::Addr>,
}

impl DatagramServer {
    /// Returns a UDP server at the first address of `addr` that can be bound. It receives when it
    /// is [started](ServerHandle::start).
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::bind`].
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{Datagram, DatagramServer, SocketAddr};
    ///
    /// let server = DatagramServer::bind("127.0.0.1:0", |_: Datagram, _: SocketAddr| ())?;
    /// assert_ne!(server.local_addr().port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn bind<A, H>(addr: A, handler: H) -> io::Result<DatagramServer>
    where
        A: ToSocketAddrs,
        H: Handler<Datagram, SocketAddr>,
    {
        DatagramServer::new(UdpSocket::bind(addr)?, handler)
    }
}

impl<S: Receive> DatagramServer<S> {
    /// Returns a server that receives from `socket`, which it has wait, whatever the user chose;
    /// [`ServerBuilder::receive`] has limits.
    ///
    /// # Errors
    ///
    /// `InvalidInput` or the like if the descriptor is not a socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::{SocketAddr, UnixDatagram};
    /// use greenloop::net::{Datagram, DatagramServer};
    ///
    /// let handler = |datagram: Datagram<UnixDatagram>, peer: SocketAddr| {
    ///     datagram.socket.send_to_addr(b"pong", &peer)
    /// };
    /// let server = DatagramServer::new(UnixDatagram::bind("")?, handler)?;
    /// server.start()?;
    ///
    /// let client = UnixDatagram::bind("")?;
    /// client.send_to_addr(b"ping", &server.local_addr())?;
    /// assert_eq!(client.recv(&mut [0; 16])?, 4);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn new<H>(socket: S, handler: H) -> io::Result<DatagramServer<S>>
    where
        H: Handler<Datagram<S>, S::Addr>,
    {
        ServerBuilder::new().receive([socket], handler)
    }

    #[track_caller]
    pub(super) fn build<H>(sockets: Vec<S>, handler: H, crew: Crew) -> io::Result<Self>
    where
        H: Handler<Datagram<S>, S::Addr>,
    {
        sockets.iter().try_for_each(S::make_blocking)?;
        let addresses: Vec<S::Addr> = sockets.iter().map(S::address).collect::<Result<_, _>>()?;
        let handler = Arc::new(handler);
        let gate = |(socket, addr): (S, &S::Addr)| -> Arc<dyn Work> {
            let intake = Datagrams::new(socket);
            Arc::new(Gate::new(intake, Arc::clone(&handler), addr))
        };
        let gates = sockets.into_iter().zip(&addresses).map(gate).collect();
        let handle = ServerHandle::new(Life::new(gates, crew));
        Ok(DatagramServer { handle, addresses })
    }

    /// Returns the address of the first socket, also once it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{Datagram, DatagramServer, SocketAddr};
    /// let server = DatagramServer::bind("127.0.0.1:0", |_: Datagram, _: SocketAddr| ())?;
    /// assert!(server.local_addr().ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> S::Addr {
        self.addresses[0].clone()
    }

    /// Returns the addresses of all sockets.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{Datagram, DatagramServer, SocketAddr};
    /// let server = DatagramServer::bind("127.0.0.1:0", |_: Datagram, _: SocketAddr| ())?;
    /// assert_eq!(server.local_addrs(), [server.local_addr()]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addrs(&self) -> &[S::Addr] {
        &self.addresses
    }
}

impl<S: Receive> Deref for DatagramServer<S> {
    type Target = ServerHandle;

    fn deref(&self) -> &ServerHandle {
        &self.handle
    }
}

impl<S: Receive> Drop for DatagramServer<S> {
    fn drop(&mut self) {
        self.handle.close_nowait();
    }
}
