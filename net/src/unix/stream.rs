//! `UnixStream`: a local connection that makes only the calling thread wait, green or not.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::connect::connect;
use crate::socket::Socket;
use crate::transfer::impl_stream_io;

/// A connection over a Unix socket, as [`std::os::unix::net::UnixStream`] is one.
///
/// [`read`](std::io::Read::read), [`write`](std::io::Write::write) and [`connect`](Self::connect)
/// park the green thread that calls them, or block the OS thread. Several threads may read and
/// write one stream at once, through `&UnixStream` or through clones; [`shutdown`](Self::shutdown)
/// wakes all of them. The connection is closed when its last handle is dropped.
///
/// # Examples
///
/// ```
/// use greenloop::net::unix::UnixStream;
/// use std::io::{Read, Write};
///
/// let (mut ours, mut theirs) = UnixStream::pair()?;
/// let upper = greenloop::spawn(move || -> std::io::Result<()> {
///     let mut byte = [0];
///     while theirs.read(&mut byte)? > 0 {
///         theirs.write_all(&[byte[0].to_ascii_uppercase()])?;
///     }
///     Ok(())
/// });
///
/// ours.write_all(b"hello")?;
/// let mut answer = [0; 5];
/// ours.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"HELLO");
/// drop(ours);
/// upper.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # The mode of the descriptor
///
/// Like a [`TcpStream`](crate::TcpStream), it never sets `O_NONBLOCK` of its own accord.
pub struct UnixStream {
    pub(crate) inner: Socket<net::UnixStream>,
}

impl UnixStream {
    /// Opens a connection to the listener at `path`.
    ///
    /// If the listener's queue of connections is full it waits, as std does; it asks again after
    /// 1 ms at first, and every 32 ms later on, since Linux tells nobody when there is room.
    ///
    /// # Errors
    ///
    /// `NotFound` if the path does not exist, `ConnectionRefused` if nobody listens there,
    /// `InvalidInput` if it is longer than 107 bytes or contains a zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixStream;
    /// use std::io::ErrorKind;
    ///
    /// let error = UnixStream::connect("/nobody/listens/here").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// ```
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Opens a connection to the listener at an address, which may be an abstract name.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::{UnixListener, UnixStream};
    /// let listener = UnixListener::bind("")?; // a name of the system's choice
    /// let stream = UnixStream::connect_addr(&listener.local_addr()?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_addr(socket_addr: &SocketAddr) -> io::Result<UnixStream> {
        connect(socket_addr).map(UnixStream::fresh)
    }

    /// Returns the two ends of a new connection, neither of which has an address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixStream;
    /// let (a, b) = UnixStream::pair()?;
    /// assert!(a.local_addr()?.is_unnamed() && b.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = net::UnixStream::pair()?;
        Ok((UnixStream::fresh(a), UnixStream::fresh(b)))
    }

    /// Returns another handle of the connection, which shares its options, timeouts among them.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixStream;
    /// use std::time::Duration;
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let clone = stream.try_clone()?;
    /// stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    /// assert_eq!(clone.read_timeout()?, Some(Duration::from_secs(1)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<UnixStream> {
        let inner = self.inner.try_clone()?;
        Ok(UnixStream { inner })
    }

    /// Returns the address of the local end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixStream;
    /// assert!(UnixStream::pair()?.0.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Returns the address of the remote end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::{SocketAddrExt, UnixListener, UnixStream};
    /// let listener = UnixListener::bind("")?;
    /// let stream = UnixStream::connect_addr(&listener.local_addr()?)?;
    /// let name = listener.local_addr()?;
    /// assert_eq!(stream.peer_addr()?.as_abstract_name(), name.as_abstract_name());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// Sets how long a read may wait; `None` is for ever.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a zero `timeout`. A read that waits longer fails with `WouldBlock`, as
    /// with std's type.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixStream;
    /// use std::io::{ErrorKind, Read};
    /// use std::time::Duration;
    ///
    /// let (mut stream, _peer) = UnixStream::pair()?;
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
    /// with std's type.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixStream;
    /// use std::io::{ErrorKind, Write};
    /// use std::time::Duration;
    ///
    /// let (mut stream, _peer) = UnixStream::pair()?;
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
    /// # use greenloop::net::unix::UnixStream;
    /// assert_eq!(UnixStream::pair()?.0.read_timeout()?, None);
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
    /// # use greenloop::net::unix::UnixStream;
    /// assert_eq!(UnixStream::pair()?.0.write_timeout()?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.as_std().write_timeout()
    }

    /// Makes calls on any handle of the connection fail with `WouldBlock` instead of waiting, or
    /// wait again.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixStream;
    /// use std::io::{ErrorKind, Read};
    ///
    /// let (mut stream, _peer) = UnixStream::pair()?;
    /// stream.set_nonblocking(true)?;
    /// let error = stream.read(&mut [0; 16]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock);
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
    /// # use greenloop::net::unix::UnixStream;
    /// assert!(UnixStream::pair()?.0.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }

    /// Shuts down reading, writing or both, for every handle of the connection.
    ///
    /// Whoever waits in such a call on any handle wakes: a reader with an end of stream, a writer
    /// with `BrokenPipe`.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::Shutdown;
    /// use greenloop::net::unix::UnixStream;
    /// use std::io::Read;
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let mut reader = stream.try_clone()?;
    /// let reader = greenloop::spawn(move || reader.read(&mut [0; 16]));
    /// stream.shutdown(Shutdown::Both)?;
    /// assert_eq!(reader.join().unwrap()?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    /// Wraps a stream just made, whose options are the defaults.
    pub(crate) fn fresh(stream: net::UnixStream) -> UnixStream {
        let inner = Socket::fresh(stream);
        UnixStream { inner }
    }

    /// A short read says nothing about the queue: each message that carries descriptors or
    /// credentials is read alone.
    fn read_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.recv(buf)
    }
}

impl_stream_io!(UnixStream);
