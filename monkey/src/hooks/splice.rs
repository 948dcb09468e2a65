//! Data from one descriptor to another: `sendfile` and `splice`.

use super::io::{File, is_storage, write_one};
use super::socket::AGAIN;
use crate::descriptor::{Direction, is_ready, option, pause, retry};
use crate::kernel::{self, to_c};
use crate::patch::{Group, waits};
use crate::real::hook;
use greenloop_runtime::foreign::{self, NEVER};
use libc::{c_int, c_uint, loff_t, off_t, size_t, ssize_t};

/// How much is copied at once.
const CHUNK: usize = 64 * 1024;

/// `sendfile` has no form that does not block, so the bytes are copied; the file's position is
/// moved by those that were sent. None if the plain call is right.
///
/// # Safety
///
/// The contract of sendfile(2).
unsafe fn copy(out: c_int, from: c_int, offset: *mut off_t, count: usize) -> Option<isize> {
    let is_socket = option::<c_int>(out, libc::SO_TYPE).is_ok();
    let may_wait = is_socket || File::of(out).is_some_and(|file| !file.is_output());
    if !may_wait || !is_storage(from) || option::<c_int>(from, libc::SO_TYPE).is_ok() {
        return None;
    }
    // SAFETY: the caller's contract: null, or valid.
    let given = unsafe { offset.as_ref() };
    let start = match given {
        Some(start) => *start,
        None => seek(from, 0, libc::SEEK_CUR)?,
    };
    let result = copy_from(out, from, usize::try_from(start).ok()?, count)?;
    let end = start + result.max(0) as off_t;
    if offset.is_null() {
        seek(from, end, libc::SEEK_SET);
    } else {
        // SAFETY: the caller's contract, and it is not null.
        unsafe { *offset = end };
    }
    Some(result)
}

fn seek(fd: c_int, offset: off_t, whence: c_int) -> Option<off_t> {
    let words = [fd as usize, offset as usize, whence as usize];
    // SAFETY: no memory is passed.
    let result = unsafe { kernel::call(libc::SYS_lseek, words) };
    (result >= 0).then_some(result as off_t)
}

/// None if the first read fails: the plain call says why.
fn copy_from(out: c_int, from: c_int, start: usize, count: usize) -> Option<isize> {
    let mut buffer = vec![0u8; CHUNK.min(count)];
    let mut done = 0;
    while done < count {
        if done > 0 && foreign::is_interrupted() {
            break;
        }
        let wanted = buffer.len().min(count - done);
        let words = [
            from as usize,
            buffer.as_mut_ptr().expose_provenance(),
            wanted,
            start + done,
        ];
        // SAFETY: the buffer is as long as that.
        let read = unsafe { kernel::call(libc::SYS_pread64, words) };
        if read <= 0 {
            return if read < 0 && done == 0 {
                None
            } else {
                Some(done.cast_signed())
            };
        }
        // SAFETY: so many bytes were read into the buffer.
        let sent = unsafe { write_one(out, buffer.as_ptr().cast(), read.cast_unsigned()) };
        match sent {
            Some(sent) if sent > 0 => done += sent.cast_unsigned(),
            Some(error) if done == 0 => return Some(error),
            _ => break,
        }
        if sent != Some(read) {
            break;
        }
    }
    Some(done.cast_signed())
}

hook! {
    /// Sends a part of a file.
    sendfile(real; out: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t {
        // SAFETY: the caller's contract.
        let plain = || unsafe { real()(out, from, offset, count) };
        if !waits(Group::Socket) || count == 0 {
            return plain();
        }
        // SAFETY: the caller's contract.
        unsafe { copy(out, from, offset, count) }.map_or_else(plain, to_c)
    }
}

hook! {
    /// `sendfile` by its other name.
    sendfile64(real; out: c_int, from: c_int, offset: *mut off_t, count: size_t) -> ssize_t {
        // SAFETY: the caller's contract.
        let plain = || unsafe { real()(out, from, offset, count) };
        if !waits(Group::Socket) || count == 0 {
            return plain();
        }
        // SAFETY: the caller's contract.
        unsafe { copy(out, from, offset, count) }.map_or_else(plain, to_c)
    }
}

/// Waits until there is something to do for `fd`.
fn until_ready(fd: c_int, direction: Direction) -> Option<isize> {
    retry(fd, direction, || {
        if is_ready(fd, direction) { 0 } else { AGAIN }
    })
}

/// How much the kernel takes for a socket that is writable, without blocking. Before Linux 6.5 it
/// did not know of `SPLICE_F_NONBLOCK` there.
const SOCKET_CHUNK: usize = 4096;

/// Splices when both ends are ready, by `attempt`, which is told how much at most.
fn splice_by(from: c_int, out: c_int, length: usize, attempt: impl Fn(usize) -> isize) -> isize {
    let is_socket = option::<c_int>(out, libc::SO_TYPE).is_ok();
    let length = if is_socket {
        length.min(SOCKET_CHUNK)
    } else {
        length
    };
    let mut round = 0;
    loop {
        for (fd, direction) in [(from, Direction::Read), (out, Direction::Write)] {
            match until_ready(fd, direction) {
                None | Some(0) => {}
                Some(error) => return error,
            }
        }
        match attempt(length) {
            AGAIN => {}
            done => return done,
        }
        if let Err(error) = pause(from, round, NEVER) {
            return error;
        }
        round += 1;
    }
}

hook! {
    /// Moves data from or to a pipe.
    splice(
        real;
        from: c_int,
        from_offset: *mut loff_t,
        out: c_int,
        out_offset: *mut loff_t,
        length: size_t,
        flags: c_uint,
    ) -> ssize_t {
        if !waits(Group::Socket) || length == 0 || flags & libc::SPLICE_F_NONBLOCK != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(from, from_offset, out, out_offset, length, flags) };
        }
        let attempt = |length: usize| {
            let words = [
                from as usize,
                from_offset.expose_provenance(),
                out as usize,
                out_offset.expose_provenance(),
                length,
                (flags | libc::SPLICE_F_NONBLOCK) as usize,
            ];
            // SAFETY: the caller's contract.
            unsafe { kernel::call(libc::SYS_splice, words) }
        };
        to_c(splice_by(from, out, length, attempt))
    }
}
