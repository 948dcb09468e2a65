//! `connect`: opens a connection to a Unix listener while only the calling thread waits.
//!
//! Linux tells nobody when a full queue of connections has room again, other than a thread that
//! blocks in `connect`. Rejected: to block a thread of the pool, which could be neither killed nor
//! timed out, and of which there are not many. So a thread that finds the queue full asks again.

use std::io;
use std::os::unix::net;
use std::time::Duration;

use greenloop_runtime::sleep;
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use socket2::{Domain, Socket, Type};

use super::address::from_std;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(32);

/// Connects to `addr`, however long that takes.
pub(super) fn connect(addr: &net::SocketAddr) -> io::Result<net::UnixStream> {
    let addr = from_std(addr)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    let mut pause = FIRST_PAUSE;
    while !attempt(&socket, &addr)? {
        sleep(pause);
        pause = LAST_PAUSE.min(pause * 2);
    }
    socket.set_nonblocking(false)?; // std's mode
    Ok(socket.into())
}

/// Says whether the socket is connected; if not, the queue is full.
fn attempt(socket: &Socket, addr: &SocketAddrUnix) -> io::Result<bool> {
    loop {
        match rustix::net::connect(socket, addr) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            outcome => return outcome.map(|()| true).map_err(io::Error::from),
        }
    }
}
