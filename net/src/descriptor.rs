//! The descriptor traits of std's socket types, for ours.

use std::net;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};

use crate::{TcpListener, TcpStream};

macro_rules! impl_descriptor_traits {
    ($socket:ident) => {
        impl AsFd for $socket {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.as_std().as_fd()
            }
        }

        impl AsRawFd for $socket {
            fn as_raw_fd(&self) -> RawFd {
                self.as_std().as_raw_fd()
            }
        }

        impl IntoRawFd for $socket {
            fn into_raw_fd(self) -> RawFd {
                net::$socket::from(self).into_raw_fd()
            }
        }

        impl From<$socket> for OwnedFd {
            fn from(socket: $socket) -> OwnedFd {
                net::$socket::from(socket).into()
            }
        }

        impl From<OwnedFd> for $socket {
            fn from(fd: OwnedFd) -> $socket {
                net::$socket::from(fd).into()
            }
        }

        greenloop_runtime::impl_from_raw_fd!($socket);
    };
}

impl_descriptor_traits!(TcpStream);
impl_descriptor_traits!(TcpListener);
