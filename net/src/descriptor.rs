//! What each of our sockets has of std's type: its descriptor, the conversions, how it is shown.

use std::fmt;
use std::net;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net as std_unix;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::listening::Listening;
use crate::socket::Socket;
use crate::unix::{UnixDatagram, UnixListener, UnixStream};
use crate::{TcpListener, TcpStream, UdpSocket};

macro_rules! impl_std_traits {
    ($ours:ident, $std:ty, $inner:ident) => {
        impl $ours {
            pub(crate) fn as_std(&self) -> &$std {
                self.inner.as_std()
            }
        }

        /// Keeps what the user set: timeouts and the mode.
        impl From<$std> for $ours {
            fn from(socket: $std) -> $ours {
                let inner = $inner::adopt(socket);
                $ours { inner }
            }
        }

        /// Keeps what the user set: timeouts and the mode, which is blocking by default.
        impl From<$ours> for $std {
            fn from(socket: $ours) -> $std {
                socket.inner.into_std()
            }
        }

        impl AsFd for $ours {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.as_std().as_fd()
            }
        }

        impl AsRawFd for $ours {
            fn as_raw_fd(&self) -> RawFd {
                self.as_std().as_raw_fd()
            }
        }

        impl IntoRawFd for $ours {
            fn into_raw_fd(self) -> RawFd {
                <$std>::from(self).into_raw_fd()
            }
        }

        impl From<$ours> for OwnedFd {
            fn from(socket: $ours) -> OwnedFd {
                <$std>::from(socket).into()
            }
        }

        impl From<OwnedFd> for $ours {
            fn from(fd: OwnedFd) -> $ours {
                <$std>::from(fd).into()
            }
        }

        greenloop_runtime::impl_from_raw_fd!($ours);

        impl fmt::Debug for $ours {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(f)
            }
        }

        // As std's type: what a panic leaves behind is the kernel's, and never torn.
        impl UnwindSafe for $ours {}
        impl RefUnwindSafe for $ours {}
    };
}

impl_std_traits!(TcpStream, net::TcpStream, Socket);
impl_std_traits!(TcpListener, net::TcpListener, Listening);
impl_std_traits!(UdpSocket, net::UdpSocket, Socket);
impl_std_traits!(UnixStream, std_unix::UnixStream, Socket);
impl_std_traits!(UnixListener, std_unix::UnixListener, Listening);
impl_std_traits!(UnixDatagram, std_unix::UnixDatagram, Socket);
