//! `Selector`: descriptors that are waited for again and again, each with something of its owner's.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Duration;

use greenloop_runtime::Source;

use super::events::Events;
use super::wait;

/// Waits for any of many descriptors, each registered with `data` of type `T`: what to call, whose
/// it is.
///
/// Python's `selectors.DefaultSelector`. It keeps the objects (`F`: a socket, an `Arc` of one, a
/// [`BorrowedFd`](std::os::fd::BorrowedFd)) and knows them by the numbers of their descriptors.
/// Their calls must not wait, if the one who selects is to serve all: set them to non-blocking
/// mode. Readiness is a level, as with [`poll`](super::poll), which says more on it.
///
/// A descriptor stays known to the worker's reactor until it is unregistered, so that selecting
/// among a thousand costs little more than the one poll(2).
///
/// # Examples
///
/// An echo server on one green thread, with a callback for each descriptor:
///
/// ```
/// use greenloop::net::{Events, Selector, TcpListener, TcpStream};
/// use std::io::{self, Read, Write};
/// use std::os::fd::RawFd;
///
/// enum Socket {
///     Listener(TcpListener),
///     Client(TcpStream),
/// }
/// # impl std::os::fd::AsFd for Socket {
/// #     fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
/// #         match self {
/// #             Socket::Listener(socket) => socket.as_fd(),
/// #             Socket::Client(socket) => socket.as_fd(),
/// #         }
/// #     }
/// # }
/// struct Callback(fn(&mut Selector<Socket, Callback>, RawFd) -> io::Result<()>);
///
/// fn accept(selector: &mut Selector<Socket, Callback>, fd: RawFd) -> io::Result<()> {
///     let Some(Socket::Listener(listener)) = selector.get(fd).map(|key| key.io()) else {
///         return Ok(());
///     };
///     let (client, _) = listener.accept()?;
///     client.set_nonblocking(true)?;
///     selector.register(Socket::Client(client), Events::READABLE, Callback(echo))?;
///     Ok(())
/// }
///
/// fn echo(selector: &mut Selector<Socket, Callback>, fd: RawFd) -> io::Result<()> {
///     let Some(Socket::Client(client)) = selector.get(fd).map(|key| key.io()) else {
///         return Ok(());
///     };
///     let mut client: &TcpStream = client;
///     let mut buffer = [0; 1024];
///     match client.read(&mut buffer)? {
///         0 => selector.unregister(fd).map(drop),
///         count => client.write_all(&buffer[..count]),
///     }
/// }
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// listener.set_nonblocking(true)?;
/// let address = listener.local_addr()?;
/// let server = greenloop::spawn(move || -> io::Result<()> {
///     let mut selector = Selector::new();
///     selector.register(Socket::Listener(listener), Events::READABLE, Callback(accept))?;
///     loop {
///         for (fd, _) in selector.select(None)? {
///             let Some(key) = selector.get(fd) else { continue };
///             (key.data().0)(&mut selector, fd)?;
///         }
///     }
/// });
///
/// let mut client = TcpStream::connect(address)?;
/// client.write_all(b"hello")?;
/// let mut echoed = [0; 5];
/// client.read_exact(&mut echoed)?;
/// assert_eq!(&echoed, b"hello");
/// server.kill();
/// # io::Result::Ok(())
/// ```
pub struct Selector<F: AsFd, T = ()> {
    keys: BTreeMap<RawFd, SelectorKey<F, T>>,
}

/// A registered object, what it is waited for, and its data.
pub struct SelectorKey<F: AsFd, T = ()> {
    source: Source<F>,
    events: Events,
    data: T,
}

impl<F: AsFd, T> SelectorKey<F, T> {
    /// Returns the object.
    pub fn io(&self) -> &F {
        self.source.get_ref()
    }

    /// Returns what it is waited for.
    pub fn events(&self) -> Events {
        self.events
    }

    /// Returns the data that it was registered with.
    pub fn data(&self) -> &T {
        &self.data
    }

    /// Returns the data that it was registered with.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.data
    }

    /// Returns the object and its data at once.
    pub fn parts_mut(&mut self) -> (&F, &mut T) {
        (self.source.get_ref(), &mut self.data)
    }
}

impl<F: AsFd, T> Selector<F, T> {
    /// Makes a selector of nothing.
    pub const fn new() -> Selector<F, T> {
        Selector {
            keys: BTreeMap::new(),
        }
    }

    /// Takes `io`, to wait for `events` of it; returns the number of its descriptor, by which the
    /// other methods know it.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) without any events, or if the descriptor is not
    /// open; [`AlreadyExists`](ErrorKind::AlreadyExists) if it is registered. `io` and `data` are
    /// dropped then.
    pub fn register(&mut self, io: F, events: Events, data: T) -> io::Result<RawFd> {
        let fd = io.as_fd().as_raw_fd();
        check(fd, events)?;
        if self.keys.contains_key(&fd) {
            return Err(error(ErrorKind::AlreadyExists, fd, "is already registered"));
        }
        let now = wait::wait(&[(io.as_fd(), events)], Some(Duration::ZERO))?;
        if now[0].contains(Events::INVALID) {
            return Err(wait::not_open(io.as_fd()));
        }
        let source = Source::new(io);
        let key = SelectorKey {
            source,
            events,
            data,
        };
        self.keys.insert(fd, key);
        Ok(fd)
    }

    /// Changes what a registered descriptor is waited for. Its data can be changed by
    /// [`get_mut`](Selector::get_mut).
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if it is not registered;
    /// [`InvalidInput`](ErrorKind::InvalidInput) without any events.
    pub fn modify(&mut self, fd: RawFd, events: Events) -> io::Result<()> {
        check(fd, events)?;
        let key = self.keys.get_mut(&fd).ok_or_else(|| not_registered(fd))?;
        key.events = events;
        Ok(())
    }

    /// Gives a registered object and its data back.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if it is not registered.
    pub fn unregister(&mut self, fd: RawFd) -> io::Result<(F, T)> {
        let key = self.keys.remove(&fd).ok_or_else(|| not_registered(fd))?;
        Ok((key.source.into_inner(), key.data))
    }

    /// Waits until one of the descriptors is ready, for `timeout` at most (`None`: for ever), and
    /// returns all that are, in the order of their numbers; nothing when the time is over.
    ///
    /// [`HUNG_UP`](Events::HUNG_UP), [`ERROR`](Events::ERROR) and [`INVALID`](Events::INVALID) are
    /// told without being asked for: [`is_readable`](Events::is_readable) and
    /// [`is_writable`](Events::is_writable) take them into account. A zero timeout only looks.
    ///
    /// On a green thread it parks, on an OS thread it blocks; a green thread for which there is
    /// always one ready yields now and then. A kill or timeout unwinds from the wait.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) if more are registered than a process may open;
    /// whatever the system says if it can't wait for one.
    pub fn select(&self, timeout: Option<Duration>) -> io::Result<Vec<(RawFd, Events)>> {
        let sources = self.keys.values().map(|key| (&key.source, key.events));
        let found = wait::wait_known(sources, timeout)?;
        let ready = self.keys.keys().copied().zip(found);
        Ok(ready.filter(|(_, found)| !found.is_empty()).collect())
    }

    /// Returns what is registered by this number.
    pub fn get(&self, fd: RawFd) -> Option<&SelectorKey<F, T>> {
        self.keys.get(&fd)
    }

    /// Returns what is registered by this number.
    pub fn get_mut(&mut self, fd: RawFd) -> Option<&mut SelectorKey<F, T>> {
        self.keys.get_mut(&fd)
    }

    /// Returns all that is registered, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (RawFd, &SelectorKey<F, T>)> {
        self.keys.iter().map(|(fd, key)| (*fd, key))
    }

    /// Returns how many descriptors are registered.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Tells whether none is registered: [`select`](Selector::select) is then a sleep.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl<F: AsFd, T> Default for Selector<F, T> {
    fn default() -> Self {
        Selector::new()
    }
}

impl<F: AsFd + fmt::Debug, T: fmt::Debug> fmt::Debug for Selector<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.keys).finish()
    }
}

impl<F: AsFd + fmt::Debug, T: fmt::Debug> fmt::Debug for SelectorKey<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectorKey")
            .field("io", self.io())
            .field("events", &self.events)
            .field("data", &self.data)
            .finish()
    }
}

fn check(fd: RawFd, events: Events) -> io::Result<()> {
    let told_anyway = Events::HUNG_UP | Events::ERROR | Events::INVALID;
    if !(events - told_anyway).is_empty() {
        return Ok(());
    }
    let reason = "is to be waited for without READABLE, WRITABLE, URGENT or READ_CLOSED";
    Err(error(ErrorKind::InvalidInput, fd, reason))
}

fn not_registered(fd: RawFd) -> io::Error {
    error(ErrorKind::NotFound, fd, "is not registered")
}

fn error(kind: ErrorKind, fd: RawFd, what: &str) -> io::Error {
    io::Error::new(kind, format!("descriptor {fd} {what}"))
}
