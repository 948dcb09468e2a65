//! Reading and writing a `TcpStream`: each call is one system call that never blocks the OS thread,
//! repeated when the socket is ready.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net;

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags};

use crate::TcpStream;

impl Read for &TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let room = buf.len();
        let count = self.receive(|stream| recv(stream, buf, RecvFlags::empty()))?;
        if 0 < count && count < room {
            self.source.mark_drained();
        }
        Ok(count)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0); // as `readv` does; `recvmsg` would wait
        }
        let count = bufs.len().min(MAX_SLICES);
        self.receive(|stream| recv_vectored(stream, &mut bufs[..count]))
    }
}

impl Write for &TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.transmit(|stream| Ok(rustix::net::send(stream, buf, SEND_FLAGS)?))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
        self.transmit(|stream| send_vectored(stream, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for TcpStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TcpStream {
    pub(crate) fn peek_some(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|stream| recv(stream, buf, RecvFlags::PEEK))
    }

    fn receive<R>(&self, mut op: impl FnMut(&net::TcpStream) -> io::Result<R>) -> io::Result<R> {
        match self.options.get() {
            None => self.source.read(None, op),
            Some(options) if options.nonblocking() => op(self.as_std()),
            Some(options) => self
                .source
                .read(options.read_timeout(), op)
                .map_err(io_expiry),
        }
    }

    fn transmit<R>(&self, mut op: impl FnMut(&net::TcpStream) -> io::Result<R>) -> io::Result<R> {
        match self.options.get() {
            None => self.source.write(None, op),
            Some(options) if options.nonblocking() => op(self.as_std()),
            Some(options) => self
                .source
                .write(options.write_timeout(), op)
                .map_err(io_expiry),
        }
    }
}

const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// `UIO_MAXIOV`: with more slices the kernel fails; a partial read or write is always allowed.
const MAX_SLICES: usize = 1024;

fn recv(stream: &net::TcpStream, buf: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    Ok(rustix::net::recv(stream, buf, flags | RecvFlags::DONTWAIT)?.0)
}

fn recv_vectored(stream: &net::TcpStream, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let mut control = RecvAncillaryBuffer::default();
    Ok(rustix::net::recvmsg(stream, bufs, &mut control, RecvFlags::DONTWAIT)?.bytes)
}

fn send_vectored(stream: &net::TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut control = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(
        stream,
        bufs,
        &mut control,
        SEND_FLAGS,
    )?)
}

/// Turns the end of a read or write timeout into what std gives on Linux.
fn io_expiry(error: io::Error) -> io::Error {
    if is_expiry(&error) {
        Errno::AGAIN.into()
    } else {
        error
    }
}

/// Tells our own timeout from the connection's `ETIMEDOUT`.
pub(crate) fn is_expiry(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}
