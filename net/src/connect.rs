//! `connect`: opens a TCP connection to one address while only the calling thread waits.

use std::io;
use std::net::{self, SocketAddr};
use std::time::Duration;

use greenloop_runtime::Source;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::socket::is_expiry;

/// Connects to `addr`, however long that takes.
pub(crate) fn connect(addr: &SocketAddr) -> io::Result<Source<net::TcpStream>> {
    connect_with(|_| Ok(()), None, addr)
}

/// Connects to `addr`; fails with `TimedOut` if `timeout` ends first.
pub(crate) fn connect_timeout(
    addr: &SocketAddr,
    timeout: Duration,
) -> io::Result<Source<net::TcpStream>> {
    refuse_zero(timeout)?;
    connect_with(|_| Ok(()), Some(timeout), addr)
}

/// Connects a socket that `prepare` has seen before to `addr`; fails with `TimedOut` if `timeout`
/// ends first.
pub(crate) fn connect_with(
    prepare: impl FnOnce(&Socket) -> io::Result<()>,
    timeout: Option<Duration>,
    addr: &SocketAddr,
) -> io::Result<Source<net::TcpStream>> {
    let socket = Socket::new(Domain::for_address(*addr), Type::STREAM.nonblocking(), None)?;
    prepare(&socket)?;
    let source = Source::new(net::TcpStream::from(socket));
    source
        .write(timeout, |stream| attempt(stream, addr))
        .map_err(name_expiry)??;
    source.get_ref().set_nonblocking(false)?; // std's mode
    Ok(source)
}

pub(crate) fn refuse_zero(timeout: Duration) -> io::Result<()> {
    if timeout.is_zero() {
        let what = "cannot set a 0 duration timeout";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    Ok(())
}

/// Begins to connect, or asks how far it is: Linux answers a repeated `connect` with `EALREADY`
/// until the handshake ends, and then once with its outcome.
///
/// So no wake-up is taken for a success. The outcome is a value, not an error, to keep a peer's
/// `ETIMEDOUT` apart from the caller's timeout.
fn attempt(stream: &net::TcpStream, addr: &SocketAddr) -> io::Result<Result<(), Errno>> {
    match rustix::net::connect(stream, addr) {
        Err(Errno::INPROGRESS | Errno::ALREADY | Errno::INTR) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(Errno::ISCONN) => Ok(Ok(())),
        outcome => Ok(outcome),
    }
}

fn name_expiry(error: io::Error) -> io::Error {
    if is_expiry(&error) {
        return io::Error::new(io::ErrorKind::TimedOut, "connection timed out");
    }
    error
}
