//! `Socket`: what streams and datagram sockets have in common: a descriptor to wait for, and the
//! timeouts and the mode that its handles share.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net;
use std::os::fd::AsFd;
use std::os::unix::net as unix;
use std::time::Duration;

use greenloop_runtime::Source;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use socket2::SockRef;

use crate::options::Options;

/// One of std's sockets, and what its handles share.
pub(crate) struct Socket<T: StdSocket> {
    /// In either mode: all calls that are retried through it carry `MSG_DONTWAIT`.
    source: Source<T>,
    options: Options,
}

impl<T: StdSocket> Socket<T> {
    /// Wraps a socket just made, whose options are the defaults.
    pub(crate) fn fresh(socket: T) -> Self {
        Socket::from_source(Source::new(socket))
    }

    pub(crate) fn from_source(source: Source<T>) -> Self {
        Socket {
            source,
            options: Options::default(),
        }
    }

    /// Wraps a socket from elsewhere, and keeps its timeouts and mode.
    pub(crate) fn adopt(socket: T) -> Self {
        let ours = Socket::fresh(socket);
        let (std, options) = (ours.as_std(), &ours.options);
        // A question that fails is answered by the default: the descriptor is then no socket, and
        // the first call says so.
        options.set_read_timeout(std.read_timeout().unwrap_or(None));
        options.set_write_timeout(std.write_timeout().unwrap_or(None));
        options.set_nonblocking(SockRef::from(std).nonblocking().unwrap_or(false));
        ours
    }

    pub(crate) fn as_std(&self) -> &T {
        self.source.get_ref()
    }

    pub(crate) fn into_std(self) -> T {
        self.source.into_inner()
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let socket = self.as_std().try_clone()?;
        Ok(Socket {
            source: Source::new(socket),
            options: self.options.share(),
        })
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.as_std().set_read_timeout(timeout)?;
        self.options.set_read_timeout(timeout);
        Ok(())
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.as_std().set_write_timeout(timeout)?;
        self.options.set_write_timeout(timeout);
        Ok(())
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.as_std().set_nonblocking(nonblocking)?;
        self.options.set_nonblocking(nonblocking);
        Ok(())
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.options
            .get()
            .is_some_and(|options| options.nonblocking())
    }

    /// Returns how long a write may wait.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.options.get()?.write_timeout()
    }

    /// Calls `op`, again whenever the socket is readable if it would block.
    pub(crate) fn receive<R: Default>(
        &self,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        match self.options.get() {
            None => self.source.read(None, or_end(op)),
            Some(options) if options.nonblocking() => op(self.as_std()),
            Some(options) => self
                .source
                .read(options.read_timeout(), or_end(op))
                .map_err(io_expiry),
        }
    }

    /// Calls `op` as [`receive`](Socket::receive) does, but waits whatever the user chose.
    pub(crate) fn receive_patiently<R: Default>(
        &self,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.read(None, or_end(op))
    }

    /// Calls `op` as [`receive`](Socket::receive) does, but never waits, whatever the user chose.
    pub(crate) fn try_receive<R: Default>(
        &self,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        or_end(op)(self.as_std())
    }

    /// Calls `op`, again whenever the socket is writable if it would block.
    pub(crate) fn transmit<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        match self.options.get() {
            None => self.source.write(None, op),
            Some(options) if options.nonblocking() => op(self.as_std()),
            Some(options) => self
                .source
                .write(options.write_timeout(), op)
                .map_err(io_expiry),
        }
    }

    /// Waits until the socket is readable, in any mode.
    pub(crate) fn wait_readable(&self) -> io::Result<()> {
        self.source.wait_readable(None)
    }

    /// Waits until the socket is writable.
    pub(crate) fn wait_writable(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.source.wait_writable(timeout)
    }

    /// Says that the last read emptied a stream's queue.
    pub(crate) fn mark_drained(&self) {
        self.source.mark_drained();
    }
}

impl<T: StdSocket> fmt::Debug for Socket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_std().fmt(f)
    }
}

/// Has `op` return nothing, as a call that blocks does, from a datagram socket that has been shut
/// down: with `MSG_DONTWAIT`, Linux goes on to say that it would block, and no event ever follows.
/// What came before the end is received first.
fn or_end<T: StdSocket, R: Default>(
    mut op: impl FnMut(&T) -> io::Result<R>,
) -> impl FnMut(&T) -> io::Result<R> {
    move |socket| match op(socket) {
        Err(error) if T::HAS_DATAGRAMS && would_block(&error) => {
            if !is_shut_down(socket)? {
                return Err(error);
            }
            match op(socket) {
                Err(error) if would_block(&error) => Ok(R::default()),
                outcome => outcome,
            }
        }
        outcome => outcome,
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

fn is_shut_down(socket: &impl AsFd) -> io::Result<bool> {
    let mut entry = [PollFd::new(socket, PollFlags::RDHUP)];
    rustix::event::poll(&mut entry, Some(&Timespec::default()))?;
    Ok(entry[0].revents().contains(PollFlags::RDHUP))
}

/// The methods that std's sockets have in common, but no trait for.
pub(crate) trait StdSocket: AsFd + fmt::Debug + Sized {
    const HAS_DATAGRAMS: bool;

    fn try_clone(&self) -> io::Result<Self>;
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;
    fn read_timeout(&self) -> io::Result<Option<Duration>>;
    fn write_timeout(&self) -> io::Result<Option<Duration>>;
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()>;
}

// `self.method()` finds std's own method, which is inherent, before the trait's.
macro_rules! impl_std_socket {
    ($socket:ty, HAS_DATAGRAMS: $has_datagrams:expr) => {
        impl StdSocket for $socket {
            const HAS_DATAGRAMS: bool = $has_datagrams;

            fn try_clone(&self) -> io::Result<Self> {
                self.try_clone()
            }

            fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(timeout)
            }

            fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                self.set_write_timeout(timeout)
            }

            fn read_timeout(&self) -> io::Result<Option<Duration>> {
                self.read_timeout()
            }

            fn write_timeout(&self) -> io::Result<Option<Duration>> {
                self.write_timeout()
            }

            fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.set_nonblocking(nonblocking)
            }
        }
    };
}

impl_std_socket!(net::TcpStream, HAS_DATAGRAMS: false);
impl_std_socket!(net::UdpSocket, HAS_DATAGRAMS: true);
impl_std_socket!(unix::UnixStream, HAS_DATAGRAMS: false);
impl_std_socket!(unix::UnixDatagram, HAS_DATAGRAMS: true);

/// Turns the end of a read or write timeout into what std gives on Linux.
pub(crate) fn io_expiry(error: io::Error) -> io::Error {
    if is_expiry(&error) {
        Errno::AGAIN.into()
    } else {
        error
    }
}

/// Tells our own timeout from the connection's `ETIMEDOUT`.
pub(crate) fn is_expiry(error: &io::Error) -> bool {
    error.kind() == ErrorKind::TimedOut && error.raw_os_error().is_none()
}
