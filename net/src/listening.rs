//! `Listening`: what listeners have in common: a descriptor in non-blocking mode, and what its
//! handles share.

use std::fmt;
use std::io;
use std::net;
use std::os::fd::AsFd;
use std::os::unix::net as unix;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use greenloop_runtime::{Source, spread_next_spawn};
use socket2::SockRef;

use crate::backoff::Backoff;

/// One of std's listeners, in non-blocking mode whatever the user chose.
pub(crate) struct Listening<T: StdListener> {
    source: Source<T>,
    shared: Arc<Shared>,
}

/// What the handles of one listener share.
#[derive(Debug, Default)]
struct Shared {
    /// Whether the user asked for `WouldBlock`; written by `set_nonblocking` of any handle,
    /// `Relaxed` because it stands alone.
    nonblocking: AtomicBool,
    backoff: Backoff,
}

impl<T: StdListener> Listening<T> {
    /// Wraps a listener that is in non-blocking mode, whether or not the user wants it so.
    pub(crate) fn wrap(listener: T, nonblocking: bool) -> Self {
        let shared = Shared {
            nonblocking: AtomicBool::new(nonblocking),
            ..Shared::default()
        };
        Listening {
            source: Source::new(listener),
            shared: Arc::new(shared),
        }
    }

    /// Wraps a listener from elsewhere, and keeps its mode, as the user sees it.
    pub(crate) fn adopt(listener: T) -> Self {
        let nonblocking = SockRef::from(&listener).nonblocking().unwrap_or(false);
        // It fails for descriptors alone that are no sockets, from which `accept` fails at once.
        let _ = listener.set_nonblocking(true);
        Listening::wrap(listener, nonblocking)
    }

    pub(crate) fn as_std(&self) -> &T {
        self.source.get_ref()
    }

    /// Unwraps the listener in the mode that the user chose.
    pub(crate) fn into_std(self) -> T {
        let nonblocking = self.is_nonblocking();
        let listener = self.source.into_inner();
        let _ = listener.set_nonblocking(nonblocking);
        listener
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        let listener = self.as_std().try_clone()?;
        Ok(Listening {
            source: Source::new(listener),
            shared: Arc::clone(&self.shared),
        })
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.shared.nonblocking.store(nonblocking, Relaxed);
    }

    pub(crate) fn accept(&self) -> io::Result<T::Accepted> {
        self.take(self.accept_std())
    }

    /// Accepts, or fails with `WouldBlock`: at once, in any mode.
    pub(crate) fn try_accept(&self) -> io::Result<T::Accepted> {
        self.take(self.as_std().accept())
    }

    /// Waits until an `accept` is worth trying, in any mode.
    pub(crate) fn wait(&self) -> io::Result<()> {
        self.shared.backoff.wait();
        self.source.wait_readable(None)
    }

    fn take(&self, outcome: io::Result<T::Accepted>) -> io::Result<T::Accepted> {
        self.shared.backoff.learn(&outcome);
        let accepted = outcome?;
        spread_next_spawn();
        Ok(accepted)
    }

    fn accept_std(&self) -> io::Result<T::Accepted> {
        if self.is_nonblocking() {
            return self.as_std().accept();
        }
        self.shared.backoff.wait();
        self.source.read(None, |listener| listener.accept())
    }

    fn is_nonblocking(&self) -> bool {
        self.shared.nonblocking.load(Relaxed)
    }
}

impl<T: StdListener> fmt::Debug for Listening<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_std().fmt(f)
    }
}

/// The methods that std's listeners have in common, but no trait for.
pub(crate) trait StdListener: AsFd + fmt::Debug + Sized {
    /// A stream and the address of its remote end.
    type Accepted;

    fn try_clone(&self) -> io::Result<Self>;
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()>;
    fn accept(&self) -> io::Result<Self::Accepted>;
}

// `self.method()` finds std's own method, which is inherent, before the trait's.
macro_rules! impl_std_listener {
    ($listener:ty, $accepted:ty) => {
        impl StdListener for $listener {
            type Accepted = $accepted;

            fn try_clone(&self) -> io::Result<Self> {
                self.try_clone()
            }

            fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
                self.set_nonblocking(nonblocking)
            }

            fn accept(&self) -> io::Result<$accepted> {
                self.accept()
            }
        }
    };
}

impl_std_listener!(net::TcpListener, (net::TcpStream, net::SocketAddr));
impl_std_listener!(unix::UnixListener, (unix::UnixStream, unix::SocketAddr));
