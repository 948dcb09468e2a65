//! `TcpStreamBuilder`: what must be known before a connection is made.

use std::io;
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use socket2::{SockRef, Socket, TcpKeepalive};

use crate::TcpStream;
use crate::connect::{connect_with, refuse_zero};
use crate::deadline::Deadline;
use crate::failures::Failures;
use crate::race::race;
use crate::resolve::{lookup_until, no_addresses};

/// Options for a [`TcpStream`], from [`TcpStream::builder`].
///
/// # Examples
///
/// A connection that is made within five seconds, by whichever address answers first, and whose
/// silent peer is noticed after a minute:
///
/// ```
/// use greenloop::net::{TcpListener, TcpStream};
/// use std::time::Duration;
///
/// # let listener = TcpListener::bind("localhost:0")?;
/// # let port = listener.local_addr()?.port();
/// let stream = TcpStream::builder()
///     .timeout(Duration::from_secs(5))
///     .happy_eyeballs(true)
///     .keepalive(Duration::from_secs(60))
///     .connect(("localhost", port))?;
/// assert_eq!(stream.peer_addr()?.port(), port);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct TcpStreamBuilder {
    source_address: Option<SocketAddr>,
    device: Option<String>,
    keepalive: Option<TcpKeepalive>,
    nodelay: bool,
    timeout: Option<Duration>,
    happy_eyeballs: bool,
}

impl TcpStreamBuilder {
    pub(crate) fn new() -> Self {
        TcpStreamBuilder {
            source_address: None,
            device: None,
            keepalive: None,
            nodelay: false,
            timeout: None,
            happy_eyeballs: false,
        }
    }

    /// Sets the address that the connection comes from; with port 0 the system chooses the port.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let builder = TcpStream::builder().source_address(([127, 0, 0, 2], 0).into());
    /// let stream = builder.connect(listener.local_addr()?)?;
    /// assert_eq!(stream.local_addr()?.ip().to_string(), "127.0.0.2");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn source_address(mut self, addr: SocketAddr) -> Self {
        self.source_address = Some(addr);
        self
    }

    /// Sets the network device that the connection goes through (`SO_BINDTODEVICE`), such as
    /// `eth0`; the kernel chooses unless it is called.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// use std::io::ErrorKind;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let builder = TcpStream::builder().bind_device("not a device's name");
    /// let error = builder.connect(listener.local_addr()?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_device(mut self, device: impl Into<String>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// Has the peer probed when the connection has been idle for `idle` (`SO_KEEPALIVE`), so that
    /// one that is gone is noticed. Whole seconds count.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let builder = TcpStream::builder().keepalive(Duration::from_secs(60));
    /// let stream = builder.connect(listener.local_addr()?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keepalive(self, idle: Duration) -> Self {
        self.map_keepalive(|keepalive| keepalive.with_time(idle))
    }

    /// Sets the time between two probes, in whole seconds; turns [`keepalive`](Self::keepalive) on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let builder = TcpStream::builder().keepalive_interval(Duration::from_secs(10));
    /// let stream = builder.connect(listener.local_addr()?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keepalive_interval(self, interval: Duration) -> Self {
        self.map_keepalive(|keepalive| keepalive.with_interval(interval))
    }

    /// Sets how many probes have to stay unanswered until the connection fails with `TimedOut`;
    /// turns [`keepalive`](Self::keepalive) on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::builder().keepalive_retries(3).connect(listener.local_addr()?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keepalive_retries(self, retries: u32) -> Self {
        self.map_keepalive(|keepalive| keepalive.with_retries(retries))
    }

    /// Sets `TCP_NODELAY`: small segments are then sent at once; false by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::builder().nodelay(true).connect(listener.local_addr()?)?;
    /// assert!(stream.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.nodelay = nodelay;
        self
    }

    /// Sets how long [`connect`](Self::connect) may take in all, from the lookup to the last
    /// address; for ever by default.
    ///
    /// The lookup of a name by an OS thread, and only that, is not cut short.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    ///
    /// # let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let builder = TcpStream::builder().timeout(Duration::from_secs(1));
    /// let stream = builder.connect(listener.local_addr()?)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Chooses whether several addresses are tried at once (RFC 8305, "happy eyeballs") instead of
    /// one after another; false by default.
    ///
    /// IPv6 and IPv4 take turns. The next address is tried as soon as one has failed, and at the
    /// latest 250 ms after the one before, which goes on meanwhile. The first to connect wins, and
    /// the others are closed. The attempts run on green threads, whoever calls.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let addrs = [SocketAddr::from(([127, 0, 0, 1], 1)), listener.local_addr()?];
    /// let stream = TcpStream::builder().happy_eyeballs(true).connect(&addrs[..])?;
    /// assert_eq!(stream.peer_addr()?, addrs[1]); // nobody listens at the first
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn happy_eyeballs(mut self, happy_eyeballs: bool) -> Self {
        self.happy_eyeballs = happy_eyeballs;
        self
    }

    /// Opens a connection to an address of `addr`: the first that accepts one, or with
    /// [`happy_eyeballs`](Self::happy_eyeballs) the fastest.
    ///
    /// Waits; a kill or timeout there closes whatever was begun.
    ///
    /// # Errors
    ///
    /// If none accepts, an error whose text names each address that was tried and what happened to
    /// it, and whose kind is that of the last failure. `TimedOut` when the time is over.
    /// `InvalidInput` if `addr` is malformed or has no addresses, if the time is zero, if the name
    /// of the device cannot be one, and for a source address of the other family.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::{SocketAddr, TcpStream};
    /// use std::io::ErrorKind;
    ///
    /// let addrs = [([127, 0, 0, 1], 1), ([127, 0, 0, 2], 1)].map(SocketAddr::from);
    /// let error = TcpStream::builder().connect(&addrs[..]).unwrap_err(); // nobody listens there
    /// assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    /// let text = error.to_string();
    /// assert!(text.contains("127.0.0.1:1") && text.contains("127.0.0.2:1"));
    /// ```
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<TcpStream> {
        self.timeout.map_or(Ok(()), refuse_zero)?;
        let deadline = Deadline::after(self.timeout);
        let addrs = lookup_until(&addr, deadline)?;
        if addrs.as_slice().is_empty() {
            return Err(no_addresses());
        }
        let stream = if self.happy_eyeballs && addrs.len() > 1 {
            race(self, addrs, deadline)?
        } else {
            self.one_after_another(addrs, deadline)?
        };
        Ok(TcpStream::fresh(stream))
    }

    fn one_after_another(
        &self,
        addrs: impl Iterator<Item = SocketAddr>,
        deadline: Deadline,
    ) -> io::Result<net::TcpStream> {
        let mut failures = Failures::default();
        for addr in addrs {
            match self.connect_to(&addr, deadline) {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push(addr, error),
            }
        }
        Err(failures.into_error())
    }

    /// Connects to one address. No reactor knows the socket that it returns.
    pub(crate) fn connect_to(
        &self,
        addr: &SocketAddr,
        deadline: Deadline,
    ) -> io::Result<net::TcpStream> {
        let left = deadline.left()?;
        connect_with(|socket| self.prepare(socket, addr), left, addr)
            .map(|source| source.into_inner())
    }

    fn prepare(&self, socket: &Socket, addr: &SocketAddr) -> io::Result<()> {
        if let Some(device) = &self.device {
            bind_device(socket, device)?;
        }
        if let Some(source) = &self.source_address {
            bind(socket, source, addr)?;
        }
        if let Some(keepalive) = &self.keepalive {
            SockRef::from(socket).set_tcp_keepalive(keepalive)?;
        }
        if self.nodelay {
            socket.set_tcp_nodelay(true)?;
        }
        Ok(())
    }

    fn map_keepalive(mut self, set: impl FnOnce(TcpKeepalive) -> TcpKeepalive) -> Self {
        self.keepalive = Some(set(self.keepalive.unwrap_or_else(TcpKeepalive::new)));
        self
    }
}

/// The kernel cuts a longer name off, and might find another device by what is left.
const LONGEST_DEVICE: usize = 15;

fn bind_device(socket: &Socket, device: &str) -> io::Result<()> {
    if device.is_empty() || device.len() > LONGEST_DEVICE || device.contains('\0') {
        let what = format!("'{device}' cannot be a device: a name has 1 to {LONGEST_DEVICE} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let bound = socket.bind_device(Some(device.as_bytes()));
    bound.map_err(|error| name_step(error, format_args!("cannot use device '{device}'")))
}

fn bind(socket: &Socket, source: &SocketAddr, addr: &SocketAddr) -> io::Result<()> {
    if source.is_ipv4() != addr.is_ipv4() {
        let what = format!("the source address {source} is of another family");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let bound = socket.bind(&(*source).into());
    bound.map_err(|error| name_step(error, format_args!("cannot come from {source}")))
}

fn name_step(error: io::Error, step: std::fmt::Arguments<'_>) -> io::Error {
    io::Error::new(error.kind(), format!("{step}: {error}"))
}
