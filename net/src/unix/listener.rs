//! `UnixListener`: accepts local connections while only the calling thread waits, green or not.

use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;

use super::{Incoming, UnixStream};
use crate::listening::Listening;

/// A Unix socket that listens for connections, as [`std::os::unix::net::UnixListener`] is one.
///
/// [`accept`](Self::accept) parks the green thread that calls it, or blocks the OS thread. Several
/// threads may accept from one listener at once. The green thread that is spawned after an accept
/// goes to the worker with the least load.
///
/// The file at its path stays when it is dropped; until it is removed, `bind` fails with
/// `AddrInUse`.
///
/// # Examples
///
/// ```
/// use greenloop::net::unix::{UnixListener, UnixStream};
/// use std::io::{Read, Write};
///
/// # let folder = std::env::temp_dir();
/// let path = folder.join(format!("greenloop-listener-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// greenloop::spawn(move || {
///     for stream in listener.incoming() {
///         let mut stream = stream.unwrap();
///         greenloop::spawn(move || stream.write_all(b"hello"));
///     }
/// });
///
/// let mut greeting = String::new();
/// UnixStream::connect(&path)?.read_to_string(&mut greeting)?;
/// assert_eq!(greeting, "hello");
/// std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # The mode of the descriptor
///
/// That of [`TcpListener`](crate::TcpListener): it is in non-blocking mode, and a conversion into
/// std's type or [`OwnedFd`](std::os::fd::OwnedFd) restores the mode that the user chose.
pub struct UnixListener {
    pub(crate) inner: Listening<net::UnixListener>,
}

impl UnixListener {
    /// Returns a listener bound to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the path exists; `InvalidInput` if it is longer than 107 bytes or contains a
    /// zero; those of a file that is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixListener;
    /// use std::io::ErrorKind;
    ///
    /// # let folder = std::env::temp_dir();
    /// let path = folder.join(format!("greenloop-bind-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// assert_eq!(UnixListener::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        UnixListener::listen(net::UnixListener::bind(path)?)
    }

    /// Returns a listener bound to an address, which may be an abstract name.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::{SocketAddr, SocketAddrExt, UnixListener};
    ///
    /// let name = format!("greenloop bind_addr {}", std::process::id());
    /// let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    /// assert_eq!(listener.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_addr(socket_addr: &SocketAddr) -> io::Result<UnixListener> {
        UnixListener::listen(net::UnixListener::bind_addr(socket_addr)?)
    }

    /// Waits for a connection and returns it with the address of its remote end.
    ///
    /// # Errors
    ///
    /// std's. After an error that says that the process or the system is out of descriptors or
    /// memory, the next call waits first, as with
    /// [`TcpListener::accept`](crate::TcpListener::accept).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::{UnixListener, UnixStream};
    /// let listener = UnixListener::bind("")?; // a name of the system's choice
    /// let client = UnixStream::connect_addr(&listener.local_addr()?)?;
    /// let (server, addr) = listener.accept()?;
    /// assert!(addr.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, addr) = self.inner.accept()?;
        Ok((UnixStream::fresh(stream), addr))
    }

    /// Returns another handle of the listener, which shares its queue and mode.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::{UnixListener, UnixStream};
    /// let listener = UnixListener::bind("")?;
    /// let clone = listener.try_clone()?;
    /// let client = UnixStream::connect_addr(&listener.local_addr()?)?;
    /// clone.accept()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<UnixListener> {
        let inner = self.inner.try_clone()?;
        Ok(UnixListener { inner })
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixListener;
    /// assert!(!UnixListener::bind("")?.local_addr()?.is_unnamed());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Makes [`accept`](Self::accept) on any handle fail with `WouldBlock` instead of waiting, or
    /// wait again.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::unix::UnixListener;
    /// use std::io::ErrorKind;
    ///
    /// let listener = UnixListener::bind("")?;
    /// listener.set_nonblocking(true)?;
    /// assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Takes the pending error of the socket (`SO_ERROR`), if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::UnixListener;
    /// assert!(UnixListener::bind("")?.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }

    /// Returns an iterator over connections; it never returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::unix::{UnixListener, UnixStream};
    /// let listener = UnixListener::bind("")?;
    /// let client = UnixStream::connect_addr(&listener.local_addr()?)?;
    /// for stream in listener.incoming().take(1) {
    ///     assert!(stream?.peer_addr()?.is_unnamed());
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    fn listen(listener: net::UnixListener) -> io::Result<UnixListener> {
        listener.set_nonblocking(true)?;
        let inner = Listening::wrap(listener, false);
        Ok(UnixListener { inner })
    }
}
