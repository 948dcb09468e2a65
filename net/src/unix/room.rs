//! `Room`: waits until the queue of a datagram socket has room for a sender that is not connected
//! to it.
//!
//! A poll of such a sender says that it is writable, always, as it knows of no receiver. But a poll
//! of a socket that is connected tells the truth; so `Room` is one, made when it is needed.

use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use greenloop_runtime::Source;

/// A socket that sends nothing: it is writable when the receiver's queue has room.
pub(super) struct Room(Option<Source<UnixDatagram>>);

impl Room {
    pub(super) fn at(addr: &SocketAddr) -> io::Result<Room> {
        let probe = UnixDatagram::unbound()?;
        // Who is gone, or talks to another one only, has no queue to wait for: the send itself says
        // so.
        let connected = probe.connect_addr(addr).is_ok();
        Ok(Room(connected.then(|| Source::new(probe))))
    }

    /// Waits until there is room, or until the receiver is gone.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0
            .as_ref()
            .map_or(Ok(()), |probe| probe.wait_writable(timeout))
    }
}
