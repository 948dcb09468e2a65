//! Locks of files: `flock`, and `fcntl`'s of ranges, by that name or as `lockf`.
//!
//! Who has one may be a green thread of the same worker, which could never give it back if the
//! worker blocked. There is no event for it: it is tried in intervals that grow to 16 milliseconds.

use crate::descriptor::{WOULD_BLOCK, pause};
use crate::kernel::{self, errno, to_c};
use crate::patch::{Group, waits};
use crate::real::hook;
use greenloop_runtime::foreign::NEVER;
use libc::{c_int, c_long, off_t};

const DENIED: isize = -(libc::EACCES as isize);

/// Calls `attempt`, which does not block, until the lock is free; the result is the kernel's.
fn until_free(fd: c_int, attempt: impl Fn() -> isize) -> isize {
    let mut round = 0;
    loop {
        match attempt() {
            WOULD_BLOCK | DENIED => {}
            done => return done,
        }
        if let Err(code) = pause(fd, round, NEVER) {
            return code;
        }
        round += 1;
    }
}

hook! {
    /// Locks a file as a whole, or unlocks it.
    flock(real; fd: c_int, operation: c_int) -> c_int {
        if !waits(Group::Sync) || operation & libc::LOCK_NB != 0 {
            // SAFETY: no memory is passed.
            return unsafe { real()(fd, operation) };
        }
        let words = [fd as usize, (operation | libc::LOCK_NB) as usize];
        // SAFETY: no memory is passed.
        to_c(until_free(fd, || unsafe { kernel::call(libc::SYS_flock, words) })) as c_int
    }
}

/// Defines `lockf`, which calls `fcntl` within the C library.
macro_rules! lockf_hook {
    ($name:ident) => {
        hook! {
            /// Locks a part of a file from its position on, or unlocks it.
            $name(real; fd: c_int, command: c_int, length: off_t) -> c_int {
                if !waits(Group::Sync) || command != libc::F_LOCK {
                    // SAFETY: no memory is passed.
                    return unsafe { real()(fd, command, length) };
                }
                // SAFETY: no memory is passed.
                let attempt = || match unsafe { real()(fd, libc::F_TLOCK, length) } {
                    0 => 0,
                    _ => -(errno() as isize),
                };
                to_c(until_free(fd, attempt)) as c_int
            }
        }
    };
}
lockf_hook!(lockf);
lockf_hook!(lockf64);

/// `fcntl`'s lock of a range that waits; none if it is another command, or the plain call is right.
///
/// # Safety
///
/// The contract of fcntl(2).
pub(super) unsafe fn lock_range(fd: c_int, command: c_int, argument: c_long) -> Option<c_int> {
    let at_once = match command {
        libc::F_SETLKW => libc::F_SETLK,
        libc::F_OFD_SETLKW => libc::F_OFD_SETLK,
        _ => return None,
    };
    if !waits(Group::Sync) {
        return None;
    }
    let words = [fd as usize, at_once as usize, argument as usize];
    // SAFETY: the caller's contract.
    let attempt = || unsafe { kernel::call(libc::SYS_fcntl, words) };
    Some(to_c(until_free(fd, attempt)) as c_int)
}
