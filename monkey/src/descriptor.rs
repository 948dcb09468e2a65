//! Waiting for a descriptor in a hook, and its end.
//!
//! The call is tried first in a form that does not block. If it would block, and its descriptor is
//! in blocking mode, the green thread waits until the descriptor may be ready, and tries again.
//! Nothing is remembered of a descriptor: all is decided when its call would block.

use crate::hooks::io;
use crate::kernel;
use crate::lot::{self, Key, Place};
use crate::mode;
use crate::patch;
use greenloop_runtime::foreign::{self, Interest, NEVER};
use libc::{c_int, c_short, pollfd};
use std::ops::RangeInclusive;
use std::time::Duration;

pub(crate) const WOULD_BLOCK: isize = -(libc::EAGAIN as isize);
const CANCELED: isize = -(libc::ECANCELED as isize);

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

    fn event(self) -> c_short {
        match self {
            Direction::Read => libc::POLLIN,
            Direction::Write => libc::POLLOUT,
        }
    }

    fn interest(self, fd: c_int) -> Interest {
        Interest {
            fd,
            read: self == Direction::Read,
            write: self == Direction::Write,
        }
    }
}

/// Calls `attempt` until it says anything but `-EAGAIN`, which a blocking call would not; waits for
/// `fd` in between.
///
/// `attempt` does not block, and returns what the kernel does (`-errno`). `-EAGAIN` is the result
/// only where the plain call has it: of a descriptor in non-blocking mode, and after the socket's
/// timeout. `-ECANCELED`: the green thread was killed or has timed out. `-EBADF`: the descriptor
/// was closed meanwhile. None if there is no waiting for such a descriptor.
#[inline]
pub(crate) fn retry(
    fd: c_int,
    direction: Direction,
    attempt: impl FnMut() -> isize,
) -> Option<isize> {
    Call::new(fd, direction).retry(attempt)
}

/// [`retry`] until all of `length` bytes are through, as a blocking call does. `attempt` is told
/// how many are. An error that comes after some of them is left for the next call.
#[inline]
pub(crate) fn transfer(
    fd: c_int,
    direction: Direction,
    length: usize,
    mut attempt: impl FnMut(usize) -> isize,
) -> Option<isize> {
    let mut call = Call::new(fd, direction);
    let mut done = 0;
    loop {
        match call.retry(|| attempt(done)) {
            Some(part) if part > 0 => done += part.cast_unsigned(),
            result if done == 0 => return result,
            _ => return Some(done.cast_signed()),
        }
        if done >= length {
            return Some(done.cast_signed());
        }
        call.is_partial = true;
    }
}

/// A call in progress.
pub(crate) struct Call {
    fd: c_int,
    direction: Direction,
    /// Known when it first would block.
    deadline: Option<u64>,
    /// It has an effect already: it ends without an error.
    is_partial: bool,
}

impl Call {
    pub(crate) fn new(fd: c_int, direction: Direction) -> Call {
        Call {
            fd,
            direction,
            deadline: None,
            is_partial: false,
        }
    }

    #[inline]
    pub(crate) fn retry(&mut self, mut attempt: impl FnMut() -> isize) -> Option<isize> {
        if foreign::spend_budget() {
            self.let_others_run();
        }
        match attempt() {
            WOULD_BLOCK => self.retry_slowly(&mut attempt),
            done => Some(done),
        }
    }

    /// Who never has to wait must not keep others from running; but nobody yields in the program's
    /// standard output.
    #[cold]
    fn let_others_run(&self) {
        if self.direction == Direction::Read || !io::is_output(self.fd) {
            foreign::give_way();
        }
    }

    #[cold]
    #[inline(never)]
    fn retry_slowly(&mut self, attempt: &mut dyn FnMut() -> isize) -> Option<isize> {
        let Some(deadline) = self.deadline() else {
            // Who tries again and again must not keep others from what it waits for.
            foreign::give_way();
            return Some(WOULD_BLOCK);
        };
        for round in 0.. {
            match self.wait(round, deadline) {
                Ok(()) => {}
                Err(code) if code == -(libc::EPERM as isize) => return None,
                Err(code) => return Some(code),
            }
            match attempt() {
                WOULD_BLOCK if foreign::now() < deadline => {}
                done => return Some(done),
            }
        }
        unreachable!("it goes round until it returns")
    }

    /// When it ends by itself; none in non-blocking mode.
    fn deadline(&mut self) -> Option<u64> {
        if self.deadline.is_none() && !mode::is_nonblocking(self.fd) {
            self.deadline = Some(deadline(self.fd, self.direction));
        }
        self.deadline
    }

    /// `round`: how often it was in vain.
    fn wait(&self, round: u32, deadline: u64) -> Result<(), isize> {
        if self.is_partial && foreign::is_interrupted() {
            return Err(WOULD_BLOCK);
        }
        // Not every descriptor that poll(2) calls ready is: an unconnected datagram socket does not
        // look at its receiver's queue.
        if round >= 2 && is_ready(self.fd, self.direction) {
            return pause(self.fd, round, deadline);
        }
        wait_one(self.fd, self.direction, deadline)
    }
}

/// Waits until `fd` may be ready, or `deadline`; may return early. The error is `-errno`.
pub(crate) fn wait_one(fd: c_int, direction: Direction, deadline: u64) -> Result<(), isize> {
    until_end(fd, || wait(&[direction.interest(fd)], deadline))
}

/// Waits a moment, a longer one each round, for `fd` of which there are no events.
pub(crate) fn pause(fd: c_int, round: u32, deadline: u64) -> Result<(), isize> {
    let moment = foreign::deadline(Duration::from_millis(1 << round.min(4)));
    until_end(fd, || {
        let until = foreign::before_wait(deadline.min(moment)).ok_or(CANCELED)?;
        foreign::park(until);
        Ok(())
    })
}

/// Calls `wait`; the error is `-EBADF` if `fd` is closed meanwhile.
fn until_end(fd: c_int, wait: impl FnOnce() -> Result<(), isize>) -> Result<(), isize> {
    let end = Place::new(Key::Descriptor(fd), lot::ANY);
    // SAFETY: it stays on this frame.
    unsafe { end.enter(|| true) };
    wait()?;
    if !end.leave() && end.woken_by() == CLOSED {
        return Err(-(libc::EBADF as isize));
    }
    Ok(())
}

/// Waits until one of `interests` may be ready, or `deadline`; may return early. The error is
/// `-errno`; `ECANCELED` of a green thread that was killed or has timed out.
pub(crate) fn wait(interests: &[Interest], deadline: u64) -> Result<(), isize> {
    let until = foreign::before_wait(deadline).ok_or(CANCELED)?;
    foreign::wait_ready(interests, until).map_err(|error| kernel::code(&error))
}

/// [`wait`]; returns early if one of the descriptors is closed.
pub(crate) fn wait_for_any(interests: &[Interest], deadline: u64) -> Result<(), isize> {
    let place = |interest: &Interest| Place::new(Key::Descriptor(interest.fd), lot::ANY);
    let ends: Vec<Place> = interests.iter().map(place).collect();
    for end in &ends {
        // SAFETY: the list is not touched until it is dropped on this frame.
        unsafe { end.enter(|| true) };
    }
    wait(interests, deadline)
}

/// Is there something to do for `fd` now, be it an error?
pub(crate) fn is_ready(fd: c_int, direction: Direction) -> bool {
    let mut entry = [pollfd {
        fd,
        events: direction.event(),
        revents: 0,
    }];
    poll_now(&mut entry) != 0
}

/// Has a socket failed? The next call says how.
pub(crate) fn has_failed(fd: c_int) -> bool {
    let mut entry = [pollfd {
        fd,
        events: 0,
        revents: 0,
    }];
    poll_now(&mut entry) != 0 && entry[0].revents & (libc::POLLERR | libc::POLLNVAL) != 0
}

/// poll(2) without waiting, for the result of the kernel.
fn poll_now(entries: &mut [pollfd]) -> isize {
    // SAFETY: valid entries.
    unsafe { poll_now_at(entries.as_mut_ptr(), entries.len()) }
}

/// poll(2) without waiting, for the result of the kernel.
///
/// # Safety
///
/// The contract of poll(2).
pub(crate) unsafe fn poll_now_at(entries: *mut pollfd, count: usize) -> isize {
    let mut never = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let words = [
        entries.expose_provenance(),
        count,
        (&raw mut never).expose_provenance(),
        0,
        0,
    ];
    // SAFETY: the caller's contract; the time outlives the call, and there is no signal mask.
    unsafe { kernel::call(libc::SYS_ppoll, words) }
}

/// What a socket's option says; the error is `-errno`.
pub(crate) fn option<T: Copy + Default>(fd: c_int, name: c_int) -> Result<T, isize> {
    let mut value = T::default();
    let mut size = size_of::<T>() as libc::socklen_t;
    let words = [
        fd as usize,
        libc::SOL_SOCKET as usize,
        name as usize,
        (&raw mut value).expose_provenance(),
        (&raw mut size).expose_provenance(),
    ];
    // SAFETY: room for the option, whose size is told.
    match unsafe { kernel::call(libc::SYS_getsockopt, words) } {
        0 => Ok(value),
        code => Err(code),
    }
}

/// Does it take connections?
pub(crate) fn is_listener(fd: c_int) -> bool {
    option::<c_int>(fd, libc::SO_ACCEPTCONN) == Ok(1)
}

/// When a wait that begins now ends by the socket's own timeout; `NEVER` for what is no socket.
pub(crate) fn deadline(fd: c_int, direction: Direction) -> u64 {
    match option::<[u64; 2]>(fd, direction.timeout_option()) {
        Err(_) | Ok([0, 0]) => NEVER,
        Ok([seconds, micros]) => {
            foreign::deadline(Duration::from_secs(seconds) + Duration::from_micros(micros))
        }
    }
}

/// A wake-up because the descriptor is about to be closed.
const CLOSED: u32 = 1;
/// A wake-up because it may have been.
const LOOK: u32 = 2;

/// Closes descriptors by `close`: those who wait for one of them are told (`EBADF`).
///
/// Once it is closed, a descriptor may be opened anew by another thread, and waited for: so who
/// waited before is told first. Who came meanwhile tries again.
pub(crate) fn end<R>(fds: RangeInclusive<c_int>, close: impl FnOnce() -> R) -> R {
    if !patch::is_own_process() {
        return close();
    }
    lot::wake_descriptors(fds.clone(), CLOSED);
    foreign::forget(fds.clone());
    let result = close();
    lot::wake_descriptors(fds, LOOK);
    result
}
