//! `TcpListenerBuilder`: the socket options that must be set before a listener is bound.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use socket2::{Domain, Socket, Type};

use crate::TcpListener;
use crate::listening::Listening;
use crate::resolve::each_addr;

/// Options for a [`TcpListener`], from [`TcpListener::builder`].
///
/// # Examples
///
/// Two listeners that share a port, as one does with one for each process:
///
/// ```
/// use greenloop::net::TcpListener;
///
/// let builder = TcpListener::builder().backlog(1024).reuse_port(true);
/// let first = builder.bind("127.0.0.1:0")?;
/// let second = builder.bind(first.local_addr()?)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind`"]
pub struct TcpListenerBuilder {
    backlog: u32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
}

impl TcpListenerBuilder {
    pub(crate) fn new() -> Self {
        // std's backlog and std's SO_REUSEADDR.
        TcpListenerBuilder {
            backlog: 128,
            reuse_address: true,
            reuse_port: false,
            only_v6: None,
        }
    }

    /// Sets how many connections may wait to be accepted: 128 by default, as in std.
    ///
    /// The system caps it: on Linux at `net.core.somaxconn`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::builder().backlog(4096).bind("127.0.0.1:0")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Sets `SO_REUSEADDR`, by which a restarted server gets its port back at once: true by
    /// default, as in std.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::builder().reuse_address(false).bind("127.0.0.1:0")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reuse_address(mut self, reuse_address: bool) -> Self {
        self.reuse_address = reuse_address;
        self
    }

    /// Sets `SO_REUSEPORT`, by which several listeners share an address and the kernel deals out
    /// the connections: false by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::TcpListener;
    /// let first = TcpListener::builder().reuse_port(true).bind("127.0.0.1:0")?;
    /// let second = TcpListener::builder().reuse_port(true).bind(first.local_addr()?)?;
    /// assert_eq!(first.local_addr()?, second.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Sets `IPV6_V6ONLY`, whether a listener at an IPv6 address refuses IPv4: the system's default
    /// unless it is called. It means nothing for an IPv4 address.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use greenloop::net::TcpListener;
    ///
    /// let both = TcpListener::builder().only_v6(false).bind("[::]:8080")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.only_v6 = Some(only_v6);
        self
    }

    /// Returns a listener bound to the first address of `addr` that can be bound.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::TcpListener;
    /// let listener = TcpListener::builder().bind(("127.0.0.1", 0))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(&self, addr: A) -> io::Result<TcpListener> {
        each_addr(addr, |addr| self.listen(addr))
    }

    fn listen(&self, addr: &SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(*addr), Type::STREAM.nonblocking(), None)?;
        self.set_options(&socket, addr)?;
        socket.bind(&(*addr).into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        let inner = Listening::wrap(socket.into(), false);
        Ok(TcpListener { inner })
    }

    fn set_options(&self, socket: &Socket, addr: &SocketAddr) -> io::Result<()> {
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        match self.only_v6 {
            Some(only_v6) if addr.is_ipv6() => socket.set_only_v6(only_v6),
            _ => Ok(()),
        }
    }
}
