//! The calls that look at a descriptor's mode, or change it: `fcntl` and `ioctl`.
//!
//! They are variadic in C. Their third argument travels like that of any other function, on x86_64
//! as on aarch64.

use super::file_lock::lock_range;
use crate::mode::{settled, was_changed};
use crate::real::hook;
use libc::{c_int, c_long, c_ulong};

/// `fcntl`, by the definition behind it.
fn control(command: c_int, call: impl Fn() -> c_int) -> c_int {
    match command {
        libc::F_SETFL => settled(call),
        libc::F_GETFL => {
            let flags = call();
            let may_be_ours = flags != -1 && flags & libc::O_NONBLOCK != 0 && was_changed();
            if may_be_ours { settled(call) } else { flags }
        }
        _ => call(),
    }
}

hook! {
    /// Asks or changes what concerns a descriptor.
    fcntl(real; fd: c_int, command: c_int, argument: c_long) -> c_int {
        // SAFETY: the caller's contract.
        if let Some(result) = unsafe { lock_range(fd, command, argument) } {
            return result;
        }
        // SAFETY: the caller's contract.
        control(command, || unsafe { real()(fd, command, argument) })
    }
}

hook! {
    /// `fcntl` by its other name.
    fcntl64(real; fd: c_int, command: c_int, argument: c_long) -> c_int {
        // SAFETY: the caller's contract.
        if let Some(result) = unsafe { lock_range(fd, command, argument) } {
            return result;
        }
        // SAFETY: the caller's contract.
        control(command, || unsafe { real()(fd, command, argument) })
    }
}

hook! {
    /// Asks or changes what concerns a device.
    ioctl(real; fd: c_int, request: c_ulong, argument: c_long) -> c_int {
        // SAFETY: the caller's contract.
        let call = || unsafe { real()(fd, request, argument) };
        if request == libc::FIONBIO { settled(call) } else { call() }
    }
}
