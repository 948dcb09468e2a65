//! `Listen`: the listeners that a `StreamServer` accepts from.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net as std_unix;

use super::gate::Intake;
use super::sealed::Sealed;
use crate::unix::{UnixListener, UnixStream};
use crate::{TcpListener, TcpStream};

/// A listener that a [`StreamServer`](super::StreamServer) can accept from. Sealed: it may grow.
pub trait Listen: Sealed + Debug + Send + Sync + 'static {
    /// What a handler gets.
    type Stream: Send + 'static;
    /// Where it comes from, and where the listener is.
    type Addr: Clone + Debug + Send + Sync + 'static;

    #[doc(hidden)]
    fn address(&self) -> io::Result<Self::Addr>;
    /// Waits, unless the user chose otherwise.
    #[doc(hidden)]
    fn accept_one(&self) -> io::Result<(Self::Stream, Self::Addr)>;
    #[doc(hidden)]
    fn try_accept(&self) -> io::Result<(Self::Stream, Self::Addr)>;
    /// Waits until there may be one to accept.
    #[doc(hidden)]
    fn wait(&self) -> io::Result<()>;
}

macro_rules! impl_listen {
    ($listener:ident, $stream:ident, $addr:ty) => {
        impl Listen for $listener {
            type Stream = $stream;
            type Addr = $addr;

            fn address(&self) -> io::Result<$addr> {
                self.local_addr()
            }

            fn accept_one(&self) -> io::Result<($stream, $addr)> {
                self.accept()
            }

            fn try_accept(&self) -> io::Result<($stream, $addr)> {
                let (stream, addr) = self.inner.try_accept()?;
                Ok(($stream::fresh(stream), addr))
            }

            fn wait(&self) -> io::Result<()> {
                self.inner.wait()
            }
        }
    };
}

impl_listen!(TcpListener, TcpStream, SocketAddr);
impl_listen!(UnixListener, UnixStream, std_unix::SocketAddr);

/// A listener as what work comes from.
pub(super) struct Connections<L>(pub(super) L);

impl<L: Listen> Intake for Connections<L> {
    type Item = L::Stream;
    type Addr = L::Addr;
    type Scratch = ();

    fn next(&self, (): &mut ()) -> io::Result<(L::Stream, L::Addr)> {
        self.0.accept_one()
    }

    fn try_next(&self, (): &mut ()) -> io::Result<(L::Stream, L::Addr)> {
        self.0.try_accept()
    }

    fn wait(&self) -> io::Result<()> {
        self.0.wait()
    }
}
