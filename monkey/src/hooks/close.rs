//! The end of descriptors: `close` and its family. Whoever waits for one of them is told.

use crate::descriptor::end;
use crate::kernel::to_c;
use crate::patch::is_any;
use crate::program;
use crate::real::hook;
use libc::{FILE, c_int, c_uint};

hook! {
    /// Closes a descriptor.
    close(real; fd: c_int) -> c_int {
        // SAFETY: the caller's contract.
        let close = || unsafe { real()(fd) };
        if program::is_kept(fd) {
            return to_c(-(libc::EBADF as isize)) as c_int;
        }
        if is_any() && fd >= 0 { end(fd..=fd, close) } else { close() }
    }
}

/// Does `dup2` close `new`, since `old` is open?
fn replaces(old: c_int, new: c_int) -> bool {
    if program::is_kept(new) && old != new {
        crate::abort(format_args!(
            "dup2 to descriptor {new}, which is greenloop's"
        ));
    }
    // SAFETY: no memory is passed.
    is_any() && old != new && new >= 0 && unsafe { libc::fcntl(old, libc::F_GETFD) } >= 0
}

hook! {
    /// Makes a descriptor a copy of another one, closing it first.
    dup2(real; old: c_int, new: c_int) -> c_int {
        // SAFETY: the caller's contract.
        let copy = || unsafe { real()(old, new) };
        if replaces(old, new) { end(new..=new, copy) } else { copy() }
    }
}

hook! {
    /// `dup2` with flags.
    dup3(real; old: c_int, new: c_int, flags: c_int) -> c_int {
        // SAFETY: the caller's contract.
        let copy = || unsafe { real()(old, new, flags) };
        let is_valid = flags & !libc::O_CLOEXEC == 0;
        if is_valid && replaces(old, new) { end(new..=new, copy) } else { copy() }
    }
}

hook! {
    /// Closes a range of descriptors.
    close_range(real; first: c_uint, last: c_uint, flags: c_int) -> c_int {
        // SAFETY: the caller's contract.
        let close = || unsafe { real()(first, last, flags) };
        if first <= last && program::is_kept_within(first, last) {
            return program::around_kept(first, last, |first, last| {
                // SAFETY: the caller's contract; none of these are kept.
                unsafe { close_range(first, last, flags) }
            });
        }
        let (Ok(start), keeps) = (c_int::try_from(first), flags != 0) else {
            return close();
        };
        if !is_any() || keeps || first > last {
            return close();
        }
        end(start..=c_int::try_from(last).unwrap_or(c_int::MAX), close)
    }
}

hook! {
    /// Closes all descriptors from one on.
    closefrom(real; first: c_int) {
        // SAFETY: the caller's contract.
        let close = || unsafe { real()(first) };
        let start = first.max(0).cast_unsigned();
        if program::is_kept_within(start, c_uint::MAX) {
            // SAFETY: the caller's contract.
            unsafe { close_range(start, c_uint::MAX, 0) };
            return;
        }
        if is_any() { end(first.max(0)..=c_int::MAX, close) } else { close() }
    }
}

hook! {
    /// Closes a stream, with its descriptor.
    fclose(real; stream: *mut FILE) -> c_int {
        // SAFETY: the caller's contract.
        let close = || unsafe { real()(stream) };
        if !is_any() {
            return close();
        }
        // SAFETY: the caller's contract; a stream without a descriptor has a negative one.
        let fd = unsafe { libc::fileno(stream) };
        if fd >= 0 { end(fd..=fd, close) } else { close() }
    }
}
