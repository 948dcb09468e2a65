//! `TcpStream`: a connection that makes only the calling thread wait, green or not.

use std::io;
use std::net::{self, Shutdown, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use greenloop_runtime::Source;
use rustix::net::sockopt;

use crate::TcpStreamBuilder;
use crate::connect::{connect, connect_timeout};
use crate::resolve::each_addr;
use crate::socket::Socket;
use crate::transfer::impl_stream_io;

/// A TCP connection, as [`std::net::TcpStream`] is one.
///
/// [`read`](std::io::Read::read), [`write`](std::io::Write::write), [`peek`](Self::peek) and
/// [`connect`](Self::connect) park the green thread that calls them, or block the OS thread.
/// Several threads may read and write one stream at once, through `&TcpStream` or through clones;
/// [`shutdown`](Self::shutdown) wakes all of them. The connection is closed when its last handle
/// is dropped.
///
/// # Examples
///
/// ```
/// use greenloop::net::{Shutdown, TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?;
/// let server = greenloop::spawn(move || -> std::io::Result<()> {
///     let (mut stream, _) = listener.accept()?;
///     std::io::copy(&mut stream.try_clone()?, &mut stream)?; // an echo
///     Ok(())
/// });
///
/// let mut stream = TcpStream::connect(addr)?;
/// stream.write_all(b"hello")?;
/// stream.shutdown(Shutdown::Write)?;
/// let mut echoed = String::new();
/// stream.read_to_string(&mut echoed)?;
/// assert_eq!(echoed, "hello");
/// server.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # The mode of the descriptor
///
/// A stream never sets `O_NONBLOCK` of its own accord, since everyone who shares the description
/// would see it: clones, child processes, whoever gets the descriptor. Each call asks for
/// `MSG_DONTWAIT` instead. So conversions from and to std's type and [`OwnedFd`] change nothing and
/// cannot fail, and clones on both sides may be used at once. Reading or writing the raw descriptor
/// by other means blocks the OS thread, as it does with std's type.
///
/// [`OwnedFd`]: std::os::fd::OwnedFd
pub struct TcpStream {
    pub(crate) inner: Socket<net::TcpStream>,
}

impl TcpStream {
    /// Opens a connection to the first address of `addr` that accepts one.
    ///
    /// A host name is looked up on the blocking pool when a green thread calls; that is, if `addr`
    /// is a string or a string and a port. Any other implementor of [`ToSocketAddrs`] is asked in
    /// place and should not block.
    ///
    /// # Errors
    ///
    /// The error of the last address, if none accepts; `InvalidInput` if `addr` is malformed or has
    /// no addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(("127.0.0.1", listener.local_addr()?.port()))?;
    ///
    /// let addrs = [SocketAddr::from(([127, 0, 0, 1], 1)), listener.local_addr()?];
    /// let other = TcpStream::connect(&addrs[..])?; // nobody listens at the first
    /// assert_eq!(stream.peer_addr()?, other.peer_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        each_addr(addr, connect).map(TcpStream::from_source)
    }

    /// Opens a connection to `addr`, waiting no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// `TimedOut` when `timeout` ends first, `InvalidInput` if it is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect_timeout(&listener.local_addr()?, Duration::from_secs(1))?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        connect_timeout(addr, timeout).map(TcpStream::from_source)
    }

    /// Returns a builder with options that are set before the connection is made, a deadline for
    /// all of it, and the choice to try several addresses at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let builder = TcpStream::builder().nodelay(true).timeout(Duration::from_secs(5));
    /// let stream = builder.connect(listener.local_addr()?)?;
    /// assert!(stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> TcpStreamBuilder {
        TcpStreamBuilder::new()
    }

    /// Returns the address of the remote end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// Returns the address of the local end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(stream.local_addr()?.ip().is_loopback());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Shuts down reading, writing or both, for every handle of the connection.
    ///
    /// Whoever waits in such a call on any handle wakes: a reader with an end of stream, a writer
    /// with `BrokenPipe`.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{Shutdown, TcpListener, TcpStream};
    /// use std::io::Read;
    /// use std::sync::Arc;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = Arc::new(TcpStream::connect(listener.local_addr()?)?);
    /// let reader = Arc::clone(&stream);
    /// let reader = greenloop::spawn(move || (&*reader).read(&mut [0; 16]));
    /// stream.shutdown(Shutdown::Both)?;
    /// assert_eq!(reader.join().unwrap()?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    /// Returns another handle of the connection, which shares its options, timeouts among them.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// let clone = stream.try_clone()?;
    /// stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    /// assert_eq!(clone.read_timeout()?, Some(Duration::from_secs(1)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        let inner = self.inner.try_clone()?;
        Ok(TcpStream { inner })
    }

    /// Sets how long a read or [`peek`](Self::peek) may wait; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero `timeout`. A read that waits longer fails with `WouldBlock`, as
    /// with std's type on Linux.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{TcpListener, TcpStream};
    /// use std::io::{ErrorKind, Read};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_read_timeout(Some(Duration::from_millis(10)))?;
    /// let error = stream.read(&mut [0; 16]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.set_read_timeout(timeout)
    }

    /// Sets how long a write may wait; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero `timeout`. A write that waits longer fails with `WouldBlock`, as
    /// with std's type on Linux.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{TcpListener, TcpStream};
    /// use std::io::{ErrorKind, Write};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_write_timeout(Some(Duration::from_millis(10)))?;
    /// let error = stream.write_all(&vec![0; 64 << 20]).unwrap_err(); // nobody reads
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock);
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
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.read_timeout()?, None);
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
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert_eq!(stream.write_timeout()?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.as_std().write_timeout()
    }

    /// Reads without taking what it reads from the queue, so that the next read gets it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{TcpListener, TcpStream};
    /// use std::io::{Read, Write};
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// let (mut server, _) = listener.accept()?;
    /// client.write_all(b"x")?;
    /// let mut byte = [0; 1];
    /// assert_eq!(server.peek(&mut byte)?, 1);
    /// assert_eq!(server.read(&mut byte)?, 1);
    /// assert_eq!(&byte, b"x");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.peek(buf)
    }

    /// Sets `TCP_NODELAY`: small segments are then sent at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.as_std().set_nodelay(nodelay)
    }

    /// Returns `TCP_NODELAY`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(!stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.as_std().nodelay()
    }

    /// Sets `IP_TTL`, the time to live of each packet sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_ttl(100)?;
    /// assert_eq!(stream.ttl()?, 100);
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
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(stream.ttl()? > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.as_std().ttl()
    }

    /// Takes the pending error of the socket (`SO_ERROR`), if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// assert!(stream.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }

    /// Makes calls on any handle of the connection fail with `WouldBlock` instead of waiting, or
    /// wait again.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{TcpListener, TcpStream};
    /// use std::io::{ErrorKind, Read};
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_nonblocking(true)?;
    /// let error = stream.read(&mut [0; 16]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking)
    }

    /// Sets `TCP_QUICKACK`, which makes Linux acknowledge at once for a while; std has it in
    /// `std::os::linux::net::TcpStreamExt`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_quickack(true)?;
    /// assert!(stream.quickack()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_quickack(self, quickack)?)
    }

    /// Returns `TCP_QUICKACK`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_quickack(false)?;
    /// assert!(!stream.quickack()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn quickack(&self) -> io::Result<bool> {
        Ok(sockopt::tcp_quickack(self)?)
    }

    /// Wraps a stream just made, whose options are the defaults.
    pub(crate) fn fresh(stream: net::TcpStream) -> TcpStream {
        let inner = Socket::fresh(stream);
        TcpStream { inner }
    }

    fn from_source(source: Source<net::TcpStream>) -> TcpStream {
        let inner = Socket::from_source(source);
        TcpStream { inner }
    }

    /// A short read has emptied the queue.
    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        let room = buf.len();
        let count = self.inner.recv(buf)?;
        if 0 < count && count < room {
            self.inner.mark_drained();
        }
        Ok(count)
    }
}

impl_stream_io!(TcpStream);
