//! `TcpListener`: accepts connections while only the calling thread waits, green or not.

use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};

use crate::listening::Listening;
use crate::{Incoming, IntoIncoming, TcpListenerBuilder, TcpStream};

/// A TCP socket that listens for connections, as [`std::net::TcpListener`] is one.
///
/// [`accept`](Self::accept) parks the green thread that calls it, or blocks the OS thread. Several
/// threads may accept from one listener at once. The green thread that is spawned after an accept
/// goes to the worker with the least load, so that connections spread over the cores.
///
/// # Examples
///
/// ```
/// use greenloop::net::{TcpListener, TcpStream};
/// use std::io::{Read, Write};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?;
/// greenloop::spawn(move || {
///     for stream in listener.incoming() {
///         let mut stream = stream.unwrap();
///         greenloop::spawn(move || stream.write_all(b"hello"));
///     }
/// });
///
/// let mut greeting = String::new();
/// TcpStream::connect(addr)?.read_to_string(&mut greeting)?;
/// assert_eq!(greeting, "hello");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # The mode of the descriptor
///
/// No call accepts without waiting from a listener in blocking mode, so a listener sets
/// `O_NONBLOCK`, and everyone who shares the description sees it: a process that inherits the raw
/// descriptor must expect it. The conversions into std's type and [`OwnedFd`](std::os::fd::OwnedFd)
/// restore the mode that the user chose, for every handle; so do not go on to accept from a clone
/// that stayed behind.
pub struct TcpListener {
    pub(crate) inner: Listening<net::TcpListener>,
}

impl TcpListener {
    /// Returns a listener bound to the first address of `addr` that can be bound.
    ///
    /// As std does, it sets `SO_REUSEADDR`; [`builder`](Self::builder) has the other options. Port
    /// 0 lets the system choose; [`local_addr`](Self::local_addr) then tells the port.
    ///
    /// # Errors
    ///
    /// The error of the last address, if none can be bound; `InvalidInput` if `addr` is malformed
    /// or has no addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::TcpListener;
    /// use std::io::ErrorKind;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let error = TcpListener::bind(listener.local_addr()?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::AddrInUse);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        TcpListener::builder().bind(addr)
    }

    /// Returns a builder with the options that [`bind`](Self::bind) uses.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::TcpListener;
    ///
    /// let listener = TcpListener::builder().backlog(1024).bind("127.0.0.1:0")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder::new()
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Returns another handle of the listener, which shares its queue and options.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let clone = listener.try_clone()?;
    /// assert_eq!(clone.local_addr()?, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        let inner = self.inner.try_clone()?;
        Ok(TcpListener { inner })
    }

    /// Waits for a connection and returns it with the address of its remote end.
    ///
    /// # Errors
    ///
    /// std's. After an error that says that the process or the system is out of descriptors or
    /// memory (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`), the next call on any handle of this
    /// listener waits before it tries, 10 ms at first and up to 1 s if it goes on, so that a loop
    /// that merely logs errors does not spin.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let (server, addr) = listener.accept()?;
    /// assert_eq!(addr, client.local_addr()?);
    /// assert_eq!(server.peer_addr()?, addr);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, addr) = self.inner.accept()?;
        Ok((TcpStream::fresh(stream), addr))
    }

    /// Returns an iterator over connections; it never returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// for stream in listener.incoming().take(1) {
    ///     assert_eq!(stream?.peer_addr()?, client.local_addr()?);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Turns the listener into an iterator over connections; it never returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let client = TcpStream::connect(listener.local_addr()?)?;
    /// let mut streams = listener.into_incoming().map_while(Result::ok);
    /// let server = streams.next().expect("a connection waits");
    /// assert_eq!(server.peer_addr()?, client.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming { listener: self }
    }

    /// Sets `IP_TTL`, the time to live of each packet sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_ttl(100)?;
    /// assert_eq!(listener.ttl()?, 100);
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
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert!(listener.ttl()? > 0);
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
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// assert!(listener.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }

    /// Makes [`accept`](Self::accept) on any handle fail with `WouldBlock` instead of waiting, or
    /// wait again.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::TcpListener;
    /// use std::io::ErrorKind;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_nonblocking(true)?;
    /// assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.inner.set_nonblocking(nonblocking);
        Ok(())
    }
}
