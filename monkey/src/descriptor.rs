//! Waiting for a descriptor in a hook, and its end.
//!
//! The call is tried first in a form that does not block. If it would block, and its descriptor is
//! in blocking mode, the green thread waits until the descriptor may be ready, and tries again. No
//! mode of the descriptor is changed, and nothing is remembered of it: all is decided when it would
//! block.

use crate::kernel;
use crate::lot::{self, Key, Place};
use greenloop_runtime::foreign::{self, Interest, NEVER};
use libc::c_int;
use std::ops::RangeInclusive;
use std::time::Duration;

const WOULD_BLOCK: isize = -(libc::EAGAIN as isize);

/// Which way, and by which option of a socket a wait for it is bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    fn timeout_option(self) -> c_int {
        match self {
            Direction::Read => libc::SO_RCVTIMEO,
            Direction::Write => libc::SO_SNDTIMEO,
        }
    }
}

/// Calls `attempt` until it says anything but `-EAGAIN`, which a blocking call would not; waits for
/// `fd` in between.
///
/// `attempt` does not block, and returns what the kernel does (`-errno`). `-EAGAIN` is the result
/// only where the plain call has it: of a descriptor in non-blocking mode, and after the socket's
/// timeout. `-ECANCELED`: the green thread was killed or has timed out. `-EBADF`: the descriptor was
/// closed meanwhile. None if there is no waiting for such a descriptor.
#[inline]
pub(crate) fn retry(
    fd: c_int,
    direction: Direction,
    mut attempt: impl FnMut() -> isize,
) -> Option<isize> {
    match attempt() {
        WOULD_BLOCK => retry_slowly(fd, direction, &mut attempt),
        done => Some(done),
    }
}

#[cold]
#[inline(never)]
fn retry_slowly(
    fd: c_int,
    direction: Direction,
    attempt: &mut dyn FnMut() -> isize,
) -> Option<isize> {
    if is_nonblocking(fd) {
        return Some(WOULD_BLOCK);
    }
    let deadline = deadline(fd, direction);
    loop {
        match wait_one(fd, direction, deadline) {
            Ok(()) => {}
            Err(code) if code == -(libc::EPERM as isize) => return None,
            Err(code) => return Some(code),
        }
        match attempt() {
            WOULD_BLOCK if foreign::now() < deadline => {}
            done => return Some(done),
        }
    }
}

/// Waits until `fd` may be ready, or `deadline`; may return early. The error is `-errno`.
pub(crate) fn wait_one(fd: c_int, direction: Direction, deadline: u64) -> Result<(), isize> {
    let interest = Interest {
        fd,
        read: direction == Direction::Read,
        write: direction == Direction::Write,
    };
    let end = Place::new(Key::Descriptor(fd), lot::ANY);
    // SAFETY: it stays on this frame.
    unsafe { end.enter(|| true) };
    wait(&[interest], deadline)?;
    if end.leave() {
        Ok(())
    } else {
        Err(-(libc::EBADF as isize))
    }
}

/// Waits until one of `interests` may be ready, or `deadline`; may return early. The error is
/// `-errno`; `ECANCELED` of a green thread that was killed or has timed out.
pub(crate) fn wait(interests: &[Interest], deadline: u64) -> Result<(), isize> {
    let Some(until) = foreign::before_wait(deadline) else {
        return Err(-(libc::ECANCELED as isize));
    };
    foreign::wait_ready(interests, until).map_err(|error| kernel::code(&error))
}

/// Has the program put it into non-blocking mode?
pub(crate) fn is_nonblocking(fd: c_int) -> bool {
    // SAFETY: no memory is passed.
    let flags = unsafe { kernel::call(libc::SYS_fcntl, [fd as usize, libc::F_GETFL as usize]) };
    flags >= 0 && flags as c_int & libc::O_NONBLOCK != 0
}

/// When a wait that begins now ends by the socket's own timeout; `NEVER` for what is no socket.
pub(crate) fn deadline(fd: c_int, direction: Direction) -> u64 {
    let mut time = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    let mut size = size_of::<libc::timeval>();
    let words = [
        fd as usize,
        libc::SOL_SOCKET as usize,
        direction.timeout_option() as usize,
        (&raw mut time).expose_provenance(),
        (&raw mut size).expose_provenance(),
    ];
    // SAFETY: room for the option, whose size is told.
    let result = unsafe { kernel::call(libc::SYS_getsockopt, words) };
    if result < 0 || (time.tv_sec == 0 && time.tv_usec == 0) {
        return NEVER;
    }
    let micros = Duration::from_micros(time.tv_usec as u64);
    foreign::deadline(Duration::from_secs(time.tv_sec as u64) + micros)
}

/// Closes descriptors by `close`: those who wait for one of them are told (`EBADF`).
pub(crate) fn end<R>(fds: RangeInclusive<c_int>, close: impl FnOnce() -> R) -> R {
    foreign::forget(fds.clone());
    let result = close();
    for fd in lot::descriptors_within(fds) {
        lot::wake_all(Key::Descriptor(fd));
    }
    result
}
