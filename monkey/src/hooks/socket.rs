//! Sockets: `recv`, `send` and their families.

use crate::descriptor::{Direction, retry};
use crate::kernel::{self, to_c};
use crate::patch::{Group, waits};
use crate::real::hook;
use libc::{c_int, c_void, size_t, ssize_t};

hook! {
    /// Receives from a socket.
    recv(real; fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
        if !waits(Group::Socket) || flags & (libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE) != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, buffer, length, flags) };
        }
        let flags = (flags | libc::MSG_DONTWAIT) as usize;
        let words = [fd as usize, buffer.expose_provenance(), length, flags];
        // SAFETY: the caller's contract.
        let attempt = || unsafe { kernel::call(libc::SYS_recvfrom, words) };
        match retry(fd, Direction::Read, attempt) {
            Some(result) => to_c(result),
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, buffer, length, flags as c_int) },
        }
    }
}
