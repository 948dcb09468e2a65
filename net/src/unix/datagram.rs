//! `UnixDatagram`: sends and receives local datagrams while only the calling thread waits, green or
//! not.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketAddrUnix};

use super::address::{from_std, to_std};
use super::room::Room;
use crate::deadline::Deadline;
use crate::socket::{Socket, io_expiry, is_expiry};
use crate::transfer::SEND_FLAGS;

/// A Unix datagram socket, as [`std::os::unix::net::UnixDatagram`] is one.
///
/// [`recv_from`](Self::recv_from), [`recv`](Self::recv), [`send_to`](Self::send_to) and
/// [`send`](Self::send) park the green thread that calls them, or block the OS thread. Several
/// threads may send and receive through one socket at once. No datagram is lost, as a sender waits
/// while the receiver's queue is full; but what does not fit into the receiver's buffer is.
///
/// # Examples
///
/// ```
/// use greenloop::net::unix::UnixDatagram;
///
/// let (ours, theirs) = UnixDatagram::pair()?;
/// let sender = greenloop::spawn(move || (0..100).try_for_each(|n| theirs.send(&[n]).map(drop)));
/// for n in 0..100 {
///     let mut byte = [0];
///     assert_eq!((ours.recv(&mut byte)?, byte), (1, [n]));
/// }
/// sender.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # The mode of the descriptor
///
/// Like a [`TcpStream`](crate::TcpStream), it never sets `O_NONBLOCK` of its own accord.
pub struct UnixDatagram {
    pub(crate) inner: Socket<net::UnixDatagram>,
}

impl UnixDatagram {
    /// Returns a socket bound to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the path exists; `InvalidInput` if it is longer than 107 bytes or contains a
    /// zero; those of a file that is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixDatagram;
    /// use std::io::ErrorKind;
    ///
    /// # let folder = std::env::temp_dir();
    /// let path = folder.join(format!("greenloop-datagram-{}", std::process::id()));
    /// let socket = UnixDatagram::bind(&path)?;
    /// assert_eq!(UnixDatagram::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind(path).map(UnixDatagram::fresh)
    }

    /// Returns a socket bound to an address, which may be an abstract name.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::{SocketAddr, SocketAddrExt, UnixDatagram};
    ///
    /// let name = format!("greenloop datagram {}", std::process::id());
    /// let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    /// assert_eq!(socket.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixDatagram> {
        net::UnixDatagram::bind_addr(socket_addr).map(UnixDatagram::fresh)
    }

    /// Returns a socket without an address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// assert!(UnixDatagram::unbound()?.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unbound() -> io::Result<UnixDatagram> {
        net::UnixDatagram::unbound().map(UnixDatagram::fresh)
    }

    /// Returns two sockets that are connected to each other, neither of which has an address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// let (a, b) = UnixDatagram::pair()?;
    /// a.send(b"hello")?;
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = net::UnixDatagram::pair()?;
        Ok((UnixDatagram::fresh(a), UnixDatagram::fresh(b)))
    }

    /// Connects the socket to the one at `path`: [`send`](Self::send) sends there, and only
    /// datagrams from there are received. Waits for nothing.
    ///
    /// # Errors
    ///
    /// `NotFound` if the path does not exist, `ConnectionRefused` if there is no socket any more,
    /// `PermissionDenied` if that one is connected to another, `InvalidInput` if the path is longer
    /// than 107 bytes or contains a zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixDatagram;
    /// use std::io::ErrorKind;
    ///
    /// let error = UnixDatagram::unbound()?.connect("/nobody/is/here").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.as_std().connect(path)
    }

    /// Connects the socket to an address, which may be an abstract name.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// let receiver = UnixDatagram::bind("")?; // a name of the system's choice
    /// let sender = UnixDatagram::unbound()?;
    /// sender.connect_addr(&receiver.local_addr()?)?;
    /// assert_eq!(sender.send(b"hello")?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_addr(&self, socket_addr: &SocketAddr) -> io::Result<()> {
        self.as_std().connect_addr(socket_addr)
    }

    /// Returns another handle of the socket, which shares its queue and options, timeouts among
    /// them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// let (a, b) = UnixDatagram::pair()?;
    /// a.try_clone()?.send(b"hello")?;
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<UnixDatagram> {
        let inner = self.inner.try_clone()?;
        Ok(UnixDatagram { inner })
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// assert!(!UnixDatagram::bind("")?.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Returns the address of the socket that this one is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` if it is not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// use std::io::ErrorKind;
    ///
    /// let error = UnixDatagram::unbound()?.peer_addr().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotConnected);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// Waits for a datagram, and returns its length, or that of `buf` if it is longer, and where it
    /// came from.
    ///
    /// A kill or timeout there loses no datagram.
    ///
    /// # Errors
    ///
    /// std's; `WouldBlock` after the [read timeout](Self::set_read_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::{SocketAddrExt, UnixDatagram};
    /// let (sender, receiver) = (UnixDatagram::bind("")?, UnixDatagram::bind("")?);
    /// sender.send_to_addr(b"hello", &receiver.local_addr()?)?;
    /// let (len, from) = receiver.recv_from(&mut [0; 16])?;
    /// assert_eq!(len, 5);
    /// assert_eq!(from.as_abstract_name(), sender.local_addr()?.as_abstract_name());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.inner.recv_from(buf, RecvFlags::empty())?;
        Ok((len, to_std(from)?))
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
    /// # use greenloop::net::unix::UnixDatagram;
    /// let (a, b) = UnixDatagram::pair()?;
    /// a.send(b"hello")?;
    /// let mut buf = [0; 4];
    /// assert_eq!(b.recv(&mut buf)?, 4);
    /// assert_eq!(&buf, b"hell"); // the rest is lost
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.recv(buf)
    }

    /// Sends a datagram to the socket at `path`, and returns its length. Waits while the queue of
    /// that socket, or the buffer of this one, is full.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect); an error without a kind for a datagram that is too long
    /// for the socket's buffer; `WouldBlock` after the [write timeout](Self::set_write_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixDatagram;
    ///
    /// # let folder = std::env::temp_dir();
    /// let path = folder.join(format!("greenloop-send-to-{}", std::process::id()));
    /// let receiver = UnixDatagram::bind(&path)?;
    /// assert_eq!(UnixDatagram::unbound()?.send_to(b"hello", &path)?, 5);
    /// assert_eq!(receiver.recv(&mut [0; 16])?, 5);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.send_to_addr(buf, &SocketAddr::from_pathname(path)?)
    }

    /// Sends a datagram to the socket at an address, which may be an abstract name, and returns its
    /// length.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// let receiver = UnixDatagram::bind("")?; // a name of the system's choice
    /// let sender = UnixDatagram::unbound()?;
    /// assert_eq!(sender.send_to_addr(b"hello", &receiver.local_addr()?)?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_to_addr(&self, buf: &[u8], socket_addr: &SocketAddr) -> io::Result<usize> {
        let to = from_std(socket_addr)?;
        let send = || self.send_if_possible(buf, &to);
        match send()? {
            Some(len) => Ok(len),
            None if self.inner.is_nonblocking() => Err(Errno::AGAIN.into()),
            None => self
                .send_when_possible(socket_addr, send)
                .map_err(io_expiry),
        }
    }

    /// Sends a datagram to the socket that this one is [connected](Self::connect) to, and returns
    /// its length.
    ///
    /// # Errors
    ///
    /// Those of [`send_to`](Self::send_to), and `NotConnected` if the socket is not connected.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// let (a, b) = UnixDatagram::pair()?;
    /// assert_eq!(a.send(b"hello")?, 5);
    /// assert_eq!(b.recv(&mut [0; 16])?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.inner.send(buf)
    }

    /// Sets how long a call that receives may wait; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero `timeout`. A call that waits longer fails with `WouldBlock`, as
    /// with std's type.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixDatagram;
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    ///
    /// let socket = UnixDatagram::unbound()?;
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
    /// with std's type.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixDatagram;
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    ///
    /// let (socket, _peer) = UnixDatagram::pair()?;
    /// socket.set_write_timeout(Some(Duration::from_millis(10)))?;
    /// let error = std::iter::repeat_with(|| socket.send(b"x")).find_map(Result::err);
    /// assert_eq!(error.unwrap().kind(), ErrorKind::WouldBlock); // nobody receives
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
    /// # use greenloop::net::unix::UnixDatagram;
    /// assert_eq!(UnixDatagram::unbound()?.read_timeout()?, None);
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
    /// # use greenloop::net::unix::UnixDatagram;
    /// assert_eq!(UnixDatagram::unbound()?.write_timeout()?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.as_std().write_timeout()
    }

    /// Makes calls on any handle of the socket fail with `WouldBlock` instead of waiting, or wait
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixDatagram;
    /// use std::io::ErrorKind;
    ///
    /// let socket = UnixDatagram::unbound()?;
    /// socket.set_nonblocking(true)?;
    /// assert_eq!(socket.recv(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking)
    }

    /// Takes the pending error of the socket (`SO_ERROR`), if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixDatagram;
    /// assert!(UnixDatagram::unbound()?.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }

    /// Shuts down receiving, sending or both, for every handle of the socket; whoever waits in such
    /// a call wakes.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::Shutdown;
    /// use greenloop::net::unix::UnixDatagram;
    ///
    /// let (socket, _peer) = UnixDatagram::pair()?;
    /// let clone = socket.try_clone()?;
    /// let receiver = greenloop::spawn(move || clone.recv(&mut [0; 16]));
    /// socket.shutdown(Shutdown::Both)?;
    /// assert_eq!(receiver.join().unwrap()?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    fn fresh(socket: net::UnixDatagram) -> UnixDatagram {
        let inner = Socket::fresh(socket);
        UnixDatagram { inner }
    }

    /// Sends, unless that would block.
    fn send_if_possible(&self, buf: &[u8], to: &SocketAddrUnix) -> io::Result<Option<usize>> {
        self.inner.transmit(
            |socket| match rustix::net::sendto(socket, buf, SEND_FLAGS, to) {
                Err(Errno::AGAIN) => Ok(None),
                sent => Ok(Some(sent?)),
            },
        )
    }

    /// Waits for room at the receiver and in this socket's own buffer until `send` sends.
    fn send_when_possible(
        &self,
        to: &SocketAddr,
        send: impl Fn() -> io::Result<Option<usize>>,
    ) -> io::Result<usize> {
        let deadline = Deadline::after(self.inner.patience());
        let room = Room::at(to)?;
        loop {
            room.wait(deadline.left()?)?;
            if let Some(len) = send()? {
                return Ok(len);
            }
            let nap = deadline.left()?.unwrap_or(NAP).min(NAP);
            match self.inner.wait_writable(Some(nap)) {
                Err(error) if is_expiry(&error) => {}
                waited => waited?,
            }
        }
    }
}

/// Bounds a wait for this socket's own buffer: a poll of a socket that is connected to another than
/// the one that it sends to would speak of that one.
const NAP: Duration = Duration::from_millis(50);
