//! `UdpSocket`: sends and receives datagrams while only the calling thread waits, green or not.

use std::io;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use rustix::net::{RecvFlags, SocketAddrAny};

use crate::resolve::{each_addr, first_addr};
use crate::socket::Socket;

/// A UDP socket, as [`std::net::UdpSocket`] is one.
///
/// [`recv_from`](Self::recv_from), [`recv`](Self::recv), [`peek`](Self::peek),
/// [`send_to`](Self::send_to) and [`send`](Self::send) park the green thread that calls them, or
/// block the OS thread. Several threads may send and receive through one socket at once; a datagram
/// goes to one of them, as a whole: what does not fit into the buffer is lost, and one of no bytes
/// is received as 0.
///
/// # Examples
///
/// ```
/// use greenloop::net::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let addr = server.local_addr()?;
/// let echo = greenloop::spawn(move || -> std::io::Result<usize> {
///     let mut buf = [0; 1500];
///     let (len, from) = server.recv_from(&mut buf)?;
///     server.send_to(&buf[..len], from)
/// });
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.send_to(b"hello", addr)?;
/// let mut buf = [0; 1500];
/// let (len, from) = client.recv_from(&mut buf)?;
/// assert_eq!((&buf[..len], from), (&b"hello"[..], addr));
/// echo.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # The mode of the descriptor
///
/// Like a [`TcpStream`](crate::TcpStream), a UDP socket never sets `O_NONBLOCK` of its own accord.
pub struct UdpSocket {
    pub(crate) inner: Socket<net::UdpSocket>,
}

impl UdpSocket {
    /// Returns a socket bound to the first address of `addr` that can be bound; with port 0 the
    /// system chooses the port.
    ///
    /// # Errors
    ///
    /// The error of the last address, if none can be bound; `InvalidInput` if `addr` is malformed
    /// or has no addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::UdpSocket;
    /// use std::io::ErrorKind;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// let error = UdpSocket::bind(socket.local_addr()?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::AddrInUse);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        let socket = each_addr(addr, |addr| net::UdpSocket::bind(addr))?;
        let inner = Socket::fresh(socket);
        Ok(UdpSocket { inner })
    }

    /// Waits for a datagram, and returns its length, or that of `buf` if it is longer, and where it
    /// came from.
    ///
    /// A kill or timeout there loses no datagram.
    ///
    /// # Errors
    ///
    /// std's. `WouldBlock` after the [read timeout](Self::set_read_timeout). On Linux, an earlier
    /// [`send`](Self::send) of a connected socket that met nobody: `ConnectionRefused`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// a.send_to(b"hello", b.local_addr()?)?;
    /// let mut buf = [0; 4];
    /// assert_eq!(b.recv_from(&mut buf)?, (4, a.local_addr()?));
    /// assert_eq!(&buf, b"hell"); // the rest is lost
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.inner.recv_from(buf, RecvFlags::empty())?;
        Ok((len, to_std(from)?))
    }

    /// [`recv_from`](Self::recv_from) without taking the datagram from the queue.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// a.send_to(b"hello", b.local_addr()?)?;
    /// assert_eq!(b.peek_from(&mut [0; 8])?, (5, a.local_addr()?));
    /// assert_eq!(b.recv_from(&mut [0; 8])?, (5, a.local_addr()?));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.inner.recv_from(buf, RecvFlags::PEEK)?;
        Ok((len, to_std(from)?))
    }

    /// Sends a datagram to the first address of `addr`, and returns its length.
    ///
    /// It waits only while the socket's own buffer is full: whether anybody receives it is another
    /// question. A host name is looked up as [`TcpStream::connect`](crate::TcpStream::connect)
    /// does; an address costs nothing.
    ///
    /// # Errors
    ///
    /// std's: `InvalidInput` if `addr` is malformed or has no addresses; an error without a kind
    /// for a datagram that is too long (more than 65,507 bytes over IPv4). `WouldBlock` after the
    /// [write timeout](Self::set_write_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// assert_eq!(a.send_to(b"hello", b.local_addr()?)?, 5);
    /// assert_eq!(a.send_to(&[], b.local_addr()?)?, 0); // a datagram all the same
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(addr) = first_addr(addr)? else {
            let what = "no addresses to send data to";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        };
        self.inner.send_to(buf, &addr)
    }

    /// Connects the socket to the first address of `addr` that can be: [`send`](Self::send) sends
    /// there, and only datagrams from there are received.
    ///
    /// Waits for nothing but the lookup of a name; nothing is sent.
    ///
    /// # Errors
    ///
    /// The error of the last address; `InvalidInput` if `addr` is malformed or has no addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let (a, b) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// a.connect(b.local_addr()?)?;
    /// assert_eq!(a.send(b"hello")?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        each_addr(addr, |addr| self.as_std().connect(addr))
    }

    /// Sends a datagram to the address that the socket is [connected](Self::connect) to, and
    /// returns its length.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to), one without a kind (`EDESTADDRREQ`) if the socket is
    /// not connected, and `ConnectionRefused` if an earlier datagram met nobody.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert!(socket.send(b"hello").is_err());
    /// socket.connect(socket.local_addr()?)?; // to itself
    /// assert_eq!(socket.send(b"hello")?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.send(buf)
    }

    /// [`recv_from`](Self::recv_from) for who knows where datagrams come from.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.connect(socket.local_addr()?)?;
    /// socket.send(b"hello")?;
    /// let mut buf = [0; 16];
    /// let len = socket.recv(&mut buf)?;
    /// assert_eq!(&buf[..len], b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.recv(buf)
    }

    /// [`recv`](Self::recv) without taking the datagram from the queue.
    ///
    /// # Errors
    ///
    /// Those of [`recv_from`](Self::recv_from).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.send_to(b"hello", socket.local_addr()?)?;
    /// assert_eq!(socket.peek(&mut [0; 16])?, 5);
    /// assert_eq!(socket.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.peek(buf)
    }

    /// Returns the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// use std::io::ErrorKind;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert_eq!(socket.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Returns another handle of the socket, which shares its queue and options, timeouts among
    /// them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// let clone = socket.try_clone()?;
    /// clone.send_to(b"x", socket.local_addr()?)?;
    /// assert_eq!(socket.recv(&mut [0; 1])?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        let inner = self.inner.try_clone()?;
        Ok(UdpSocket { inner })
    }

    /// Sets how long a call that receives or peeks may wait; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero `timeout`. A call that waits longer fails with `WouldBlock`, as
    /// with std's type on Linux.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_read_timeout(Some(Duration::from_millis(10)))?;
    /// assert_eq!(socket.recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_read_timeout(timeout)
    }

    /// Sets how long a call that sends may wait; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero `timeout`. A call that waits longer fails with `WouldBlock`, as
    /// with std's type on Linux.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// use std::time::Duration;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_write_timeout(Some(Duration::from_secs(1)))?;
    /// assert_eq!(socket.write_timeout()?, Some(Duration::from_secs(1)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_write_timeout(timeout)
    }

    /// Returns the read timeout, in the kernel's rounding.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// assert_eq!(UdpSocket::bind("127.0.0.1:0")?.read_timeout()?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.as_std().read_timeout()
    }

    /// Returns the write timeout, in the kernel's rounding.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// assert_eq!(UdpSocket::bind("127.0.0.1:0")?.write_timeout()?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.as_std().write_timeout()
    }

    /// Sets `SO_BROADCAST`, without which a send to a broadcast address fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.as_std().set_broadcast(broadcast)
    }

    /// Returns `SO_BROADCAST`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// assert!(!UdpSocket::bind("127.0.0.1:0")?.broadcast()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn broadcast(&self) -> io::Result<bool> {
        self.as_std().broadcast()
    }

    /// Sets `IP_MULTICAST_LOOP`: what is sent to an IPv4 group comes back to this host.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_multicast_loop_v4(false)?;
    /// assert!(!socket.multicast_loop_v4()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_multicast_loop_v4(&self, multicast_loop_v4: bool) -> io::Result<()> {
        self.as_std().set_multicast_loop_v4(multicast_loop_v4)
    }

    /// Returns `IP_MULTICAST_LOOP`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// assert!(UdpSocket::bind("127.0.0.1:0")?.multicast_loop_v4()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.as_std().multicast_loop_v4()
    }

    /// Sets `IP_MULTICAST_TTL`, the time to live of packets to an IPv4 group: 1 by default, which
    /// keeps them in the local network.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_multicast_ttl_v4(42)?;
    /// assert_eq!(socket.multicast_ttl_v4()?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_multicast_ttl_v4(&self, multicast_ttl_v4: u32) -> io::Result<()> {
        self.as_std().set_multicast_ttl_v4(multicast_ttl_v4)
    }

    /// Returns `IP_MULTICAST_TTL`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// assert_eq!(UdpSocket::bind("127.0.0.1:0")?.multicast_ttl_v4()?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.as_std().multicast_ttl_v4()
    }

    /// Sets `IPV6_MULTICAST_LOOP`: what is sent to an IPv6 group comes back to this host.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("[::1]:0")?;
    /// socket.set_multicast_loop_v6(false)?;
    /// assert!(!socket.multicast_loop_v6()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_multicast_loop_v6(&self, multicast_loop_v6: bool) -> io::Result<()> {
        self.as_std().set_multicast_loop_v6(multicast_loop_v6)
    }

    /// Returns `IPV6_MULTICAST_LOOP`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use greenloop::net::UdpSocket;
    /// assert!(UdpSocket::bind("[::1]:0")?.multicast_loop_v6()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.as_std().multicast_loop_v6()
    }

    /// Sets `IP_TTL`, the time to live of each packet sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_ttl(42)?;
    /// assert_eq!(socket.ttl()?, 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.as_std().set_ttl(ttl)
    }

    /// Returns `IP_TTL`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// assert!(UdpSocket::bind("127.0.0.1:0")?.ttl()? > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.as_std().ttl()
    }

    /// Joins the IPv4 group `multiaddr` on the interface with the address `interface`, or one that
    /// the system chooses if that is unspecified.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{Ipv4Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// let group = Ipv4Addr::new(224, 0, 0, 123);
    /// socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    /// socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.as_std().join_multicast_v4(multiaddr, interface)
    }

    /// Joins the IPv6 group `multiaddr` on the interface with the index `interface`, or one that
    /// the system chooses if that is 0.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use greenloop::net::{Ipv6Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("[::]:0")?;
    /// socket.join_multicast_v6(&"ff02::123".parse().unwrap(), 0)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.as_std().join_multicast_v6(multiaddr, interface)
    }

    /// Leaves the group that [`join_multicast_v4`](Self::join_multicast_v4) joined.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{Ipv4Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("0.0.0.0:0")?;
    /// let group = Ipv4Addr::new(224, 0, 0, 123);
    /// assert!(socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_err()); // never joined
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn leave_multicast_v4(&self, multiaddr: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.as_std().leave_multicast_v4(multiaddr, interface)
    }

    /// Leaves the group that [`join_multicast_v6`](Self::join_multicast_v6) joined.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use greenloop::net::{Ipv6Addr, UdpSocket};
    ///
    /// let socket = UdpSocket::bind("[::]:0")?;
    /// let group: Ipv6Addr = "ff02::123".parse().unwrap();
    /// socket.join_multicast_v6(&group, 0)?;
    /// socket.leave_multicast_v6(&group, 0)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.as_std().leave_multicast_v6(multiaddr, interface)
    }

    /// Takes the pending error of the socket (`SO_ERROR`), if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// assert!(UdpSocket::bind("127.0.0.1:0")?.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }

    /// Makes calls on any handle of the socket fail with `WouldBlock` instead of waiting, or wait
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::UdpSocket;
    /// use std::io::ErrorKind;
    ///
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// assert_eq!(socket.recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking)
    }
}

/// Returns the sender's address, which is another kind of one only if the descriptor is.
pub(crate) fn to_std(from: Option<SocketAddrAny>) -> io::Result<SocketAddr> {
    let addr = from.and_then(|from| SocketAddr::try_from(from).ok());
    addr.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "invalid argument"))
}
