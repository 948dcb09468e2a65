//! Moving bytes through a `Socket`: each call is one system call that never blocks the OS thread,
//! repeated when the socket is ready.

use std::io::{self, IoSlice, IoSliceMut};

use rustix::net::addr::SocketAddrArg;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrAny};

use crate::socket::{Socket, StdSocket};

/// The length of a datagram, and where it came from.
pub(crate) type Received = (usize, Option<SocketAddrAny>);

impl<T: StdSocket> Socket<T> {
    pub(crate) fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|socket| recv(socket, buf, RecvFlags::empty()))
    }

    pub(crate) fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|socket| recv(socket, buf, RecvFlags::PEEK))
    }

    pub(crate) fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0); // as `readv` does; `recvmsg` would wait
        }
        let count = bufs.len().min(MAX_SLICES);
        self.receive(|socket| recv_vectored(socket, &mut bufs[..count]))
    }

    /// Receives a datagram, or with `PEEK` looks at one, and says where it came from.
    pub(crate) fn recv_from(&self, buf: &mut [u8], flags: RecvFlags) -> io::Result<Received> {
        self.receive(|socket| recv_from(socket, buf, flags))
    }

    /// Receives the next datagram, and waits for it in any mode; none is left if the socket has
    /// been shut down.
    pub(crate) fn next_datagram(&self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        self.receive_patiently(|socket| recv_from(socket, buf, RecvFlags::empty()).map(Some))
    }

    /// [`next_datagram`](Socket::next_datagram) without waiting: fails with `WouldBlock`.
    pub(crate) fn try_next_datagram(&self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        self.try_receive(|socket| recv_from(socket, buf, RecvFlags::empty()).map(Some))
    }

    pub(crate) fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.transmit(|socket| Ok(rustix::net::send(socket, buf, SEND_FLAGS)?))
    }

    pub(crate) fn send_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
        self.transmit(|socket| send_vectored(socket, bufs))
    }

    pub(crate) fn send_to(&self, buf: &[u8], to: &impl SocketAddrArg) -> io::Result<usize> {
        self.transmit(|socket| Ok(rustix::net::sendto(socket, buf, SEND_FLAGS, to)?))
    }
}

/// Implements `Read` and `Write` for a stream and for references to it.
macro_rules! impl_stream_io {
    ($stream:ident) => {
        impl std::io::Read for &$stream {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.read_some(buf)
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                self.inner.recv_vectored(bufs)
            }
        }

        impl std::io::Write for &$stream {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                self.inner.send(buf)
            }

            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                self.inner.send_vectored(bufs)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        impl std::io::Read for $stream {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                (&*self).read(buf)
            }

            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                (&*self).read_vectored(bufs)
            }
        }

        impl std::io::Write for $stream {
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}
pub(crate) use impl_stream_io;

pub(crate) const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// `UIO_MAXIOV`: with more slices the kernel fails; a partial read or write is always allowed.
const MAX_SLICES: usize = 1024;

fn recv<T: StdSocket>(socket: &T, buf: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, buf, flags | RecvFlags::DONTWAIT)?.0)
}

fn recv_from<T: StdSocket>(socket: &T, buf: &mut [u8], flags: RecvFlags) -> io::Result<Received> {
    let flags = flags | RecvFlags::DONTWAIT;
    let (len, _, from) = rustix::net::recvfrom(socket, buf, flags)?;
    Ok((len, from))
}

fn recv_vectored<T: StdSocket>(socket: &T, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let mut control = RecvAncillaryBuffer::default();
    Ok(rustix::net::recvmsg(socket, bufs, &mut control, RecvFlags::DONTWAIT)?.bytes)
}

fn send_vectored<T: StdSocket>(socket: &T, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut control = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(
        socket,
        bufs,
        &mut control,
        SEND_FLAGS,
    )?)
}
