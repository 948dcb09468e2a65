//! `Inherited`: listeners and sockets that were handed over by who started the process.

use std::env;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use listenfd::ListenFd;
use socket2::SockRef;

use crate::unix::{UnixDatagram, UnixListener};
use crate::{TcpListener, UdpSocket};

/// More than any process has descriptors.
const MOST: u32 = 1 << 20;

/// The sockets that systemd, or whoever speaks its protocol, handed over to this process, by the
/// variables `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`.
///
/// They are numbered from 0, in the order of the unit's `Listen…=` lines, and may have names
/// (`FileDescriptorName=`). Each can be taken once, as what it is; what is taken waits, whatever
/// its mode was, and is closed in child processes that are started later.
///
/// # Examples
///
/// A server that may be started by hand or by a socket unit (or by
/// `systemd-socket-activate -l 8000 ./server`):
///
/// ```
/// use greenloop::net::{Inherited, SocketAddr, StreamServer, TcpListener, TcpStream};
///
/// let mut inherited = Inherited::take()?;
/// let listener = match inherited.len() {
///     0 => TcpListener::bind("127.0.0.1:0")?,
///     _ => inherited.tcp_listener(0)?,
/// };
/// let server = StreamServer::new(listener, |_: TcpStream, _: SocketAddr| ())?;
/// # std::io::Result::Ok(())
/// ```
pub struct Inherited {
    sockets: ListenFd,
    names: Vec<String>,
}

impl Inherited {
    /// Takes what was handed over to this process; nothing, if nothing was, or if it was taken
    /// before.
    ///
    /// `LISTEN_FDS` and `LISTEN_PID` are removed from the environment, so that no child takes the
    /// descriptors for its own. Call it early in `main`: another thread that reads the environment
    /// by C's `getenv` at the same moment would be in danger. `LISTEN_FDNAMES` stays, which says
    /// nothing without them: who hands sockets over to a child sets or removes it for that child.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if `LISTEN_FDS` or `LISTEN_PID` is not a number. Variables that are meant for
    /// another process are no error.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::Inherited;
    ///
    /// assert!(Inherited::take()?.is_empty()); // started by hand
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take() -> io::Result<Inherited> {
        number("LISTEN_PID")?;
        let count = number("LISTEN_FDS")?.unwrap_or(0);
        if count > MOST {
            return Err(invalid(&format!(
                "LISTEN_FDS is {count}, more than there can be"
            )));
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let sockets = ListenFd::from_env();
        let names = names.split(':').map(str::to_owned);
        Ok(Inherited {
            names: names.take(sockets.len()).collect(),
            sockets,
        })
    }

    /// Returns how many were handed over; taking them does not change it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::Inherited;
    /// assert_eq!(Inherited::take()?.len(), 0); // started by hand
    /// # std::io::Result::Ok(())
    /// ```
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Returns whether none were handed over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::Inherited;
    /// assert!(Inherited::take()?.is_empty()); // started by hand
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the name of the one at `index`, if it has one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::Inherited;
    /// let inherited = Inherited::take()?;
    /// for index in 0..inherited.len() {
    ///     println!("{:?}", inherited.name(index));
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn name(&self, index: usize) -> Option<&str> {
        let name = self.names.get(index).filter(|name| !name.is_empty());
        name.map(String::as_str)
    }

    /// Returns the number of the first one that is called `name`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::Inherited;
    /// let mut inherited = Inherited::take()?;
    /// if let Some(index) = inherited.position("web") {
    ///     let listener = inherited.tcp_listener(index)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|other| other == name)
    }

    /// Takes the one at `index`, a TCP socket that listens.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none at `index`, or it has been taken; `InvalidInput` if it is
    /// something else, and says what was expected.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::Inherited;
    /// use std::io::ErrorKind;
    ///
    /// let error = Inherited::take()?.tcp_listener(0).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn tcp_listener(&mut self, index: usize) -> io::Result<TcpListener> {
        let what = "a TCP socket that listens";
        let listener = self.one(index, what, |sockets| sockets.take_tcp_listener(index))?;
        let listener = TcpListener::from(listening(index, what, listener)?);
        // Whoever had it before may have set the mode for its own loop.
        listener.set_nonblocking(false)?;
        Ok(listener)
    }

    /// Takes the one at `index`, a Unix stream socket that listens.
    ///
    /// # Errors
    ///
    /// Those of [`tcp_listener`](Self::tcp_listener).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::Inherited;
    /// let mut inherited = Inherited::take()?;
    /// if !inherited.is_empty() {
    ///     let listener = inherited.unix_listener(0)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unix_listener(&mut self, index: usize) -> io::Result<UnixListener> {
        let what = "a Unix stream socket that listens";
        let listener = self.one(index, what, |sockets| sockets.take_unix_listener(index))?;
        let listener = UnixListener::from(listening(index, what, listener)?);
        listener.set_nonblocking(false)?;
        Ok(listener)
    }

    /// Takes the one at `index`, a UDP socket.
    ///
    /// # Errors
    ///
    /// Those of [`tcp_listener`](Self::tcp_listener).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::Inherited;
    /// let mut inherited = Inherited::take()?;
    /// if !inherited.is_empty() {
    ///     let socket = inherited.udp_socket(0)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn udp_socket(&mut self, index: usize) -> io::Result<UdpSocket> {
        let what = "a UDP socket";
        let socket = self.one(index, what, |sockets| sockets.take_udp_socket(index))?;
        let socket = UdpSocket::from(socket);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    /// Takes the one at `index`, a Unix datagram socket.
    ///
    /// # Errors
    ///
    /// Those of [`tcp_listener`](Self::tcp_listener).
    ///
    /// # Examples
    ///
    /// ```
    /// # use greenloop::net::Inherited;
    /// let mut inherited = Inherited::take()?;
    /// if !inherited.is_empty() {
    ///     let socket = inherited.unix_datagram(0)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unix_datagram(&mut self, index: usize) -> io::Result<UnixDatagram> {
        let what = "a Unix datagram socket";
        let socket = self.one(index, what, |sockets| sockets.take_unix_datagram(index))?;
        let socket = UnixDatagram::from(socket);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    fn one<T>(
        &mut self,
        index: usize,
        what: &str,
        take: impl FnOnce(&mut ListenFd) -> io::Result<Option<T>>,
    ) -> io::Result<T> {
        let taken = take(&mut self.sockets).map_err(|error| wrong_kind(index, what, &error))?;
        taken.ok_or_else(|| {
            let count = self.len();
            let why = format!("no socket {index} is left of the {count} that were handed over");
            io::Error::new(ErrorKind::NotFound, why)
        })
    }
}

impl fmt::Debug for Inherited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inherited")
            .field("len", &self.len())
            .field("names", &self.names)
            .finish()
    }
}

/// Refuses a socket that is connected, as inetd hands over.
fn listening<T: AsFd>(index: usize, what: &str, socket: T) -> io::Result<T> {
    match SockRef::from(&socket).is_listener()? {
        true => Ok(socket),
        false => Err(wrong_kind(index, what, &"it does not listen")),
    }
}

fn wrong_kind(index: usize, what: &str, why: &dyn fmt::Display) -> io::Error {
    invalid(&format!(
        "socket {index} of those handed over is not {what}: {why}"
    ))
}

/// The number in a variable; none if there is none.
fn number(variable: &str) -> io::Result<Option<u32>> {
    let Some(text) = env::var_os(variable) else {
        return Ok(None);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    let why = || invalid(&format!("{variable} is {text:?}, not a number"));
    number.map(Some).ok_or_else(why)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}
