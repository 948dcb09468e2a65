//! Waiting for several descriptors: `poll`, `select`, `epoll_wait` and their families.
//!
//! The kernel is asked without waiting; if nothing is ready, the green thread waits for events of
//! all of them, and asks again. So every result is the kernel's own. With a signal mask it is the
//! plain call, which blocks the worker: the mask is the OS thread's.

use super::acquire;
use crate::descriptor::{poll_now_at, wait, wait_for_any};
use crate::kernel::{self, duration, to_c};
use crate::observe;
use crate::patch::{Group, waits};
use crate::real::hook;
use greenloop_runtime::foreign::{self, Interest, NEVER};
use libc::{
    c_int, c_short, epoll_event, fd_set, nfds_t, pollfd, sigset_t, size_t, timespec, timeval,
};
use std::time::Duration;
use std::{ptr, slice};

const PERMISSION: isize = -(libc::EPERM as isize);
const INVALID: isize = -(libc::EINVAL as isize);

/// Events for which readers are woken. Errors wake all.
const READING: c_short =
    libc::POLLIN | libc::POLLPRI | libc::POLLRDHUP | libc::POLLRDNORM | libc::POLLRDBAND;
const WRITING: c_short = libc::POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND;

/// The deadline that a time of milliseconds says; for ever if it is negative.
fn deadline_of_millis(millis: c_int) -> u64 {
    u64::try_from(millis).map_or(NEVER, |millis| {
        foreign::deadline(Duration::from_millis(millis))
    })
}

/// The deadline that a time says, if it is a valid one: none given is `NEVER`.
///
/// # Safety
///
/// It is null or valid.
pub(super) unsafe fn deadline_of(time: *const timespec) -> Option<u64> {
    // SAFETY: the caller's word.
    match unsafe { time.as_ref() } {
        None => Some(NEVER),
        Some(time) => duration(time).map(foreign::deadline),
    }
}

/// The time that is left until `deadline`.
fn rest(deadline: u64) -> Duration {
    Duration::from_nanos(deadline.saturating_sub(foreign::now()))
}

/// Says in `time`, if it is given, how much of it is left.
///
/// # Safety
///
/// It is null or valid.
pub(super) unsafe fn say_rest(time: *mut timespec, deadline: u64) {
    // SAFETY: the caller's word.
    if let Some(time) = unsafe { time.as_mut() } {
        let rest = rest(deadline);
        time.tv_sec = rest.as_secs() as libc::time_t;
        time.tv_nsec = rest.subsec_nanos().into();
    }
}

/// Calls `look`, which does not wait, until it finds something, or fails, or `deadline` has come;
/// waits for `interests` in between.
fn until_found(
    deadline: u64,
    mut look: impl FnMut() -> isize,
    interests: impl FnOnce() -> Vec<Interest>,
) -> isize {
    let found = look();
    if found != 0 {
        acquire::give_way(); // a loop that always finds something must not keep others from theirs
        return found;
    }
    if foreign::now() >= deadline {
        foreign::give_way(); // who asks again and again must not keep others from answering
        return found;
    }
    let mut interests = interests();
    loop {
        match wait_for_any(&interests, deadline) {
            Ok(()) => {}
            // It has nothing to wait for, nor to tell.
            Err(PERMISSION) => interests.retain(can_be_waited_for),
            Err(code) if code == -(libc::EBADF as isize) => {}
            Err(code) => return code,
        }
        let found = look();
        if found != 0 || foreign::now() >= deadline {
            return found;
        }
    }
}

/// A regular file cannot, nor can a device that is always ready.
fn can_be_waited_for(interest: &Interest) -> bool {
    wait(slice::from_ref(interest), 0) != Err(PERMISSION)
}

fn interest_of(entry: &pollfd) -> Option<Interest> {
    let is_write = entry.events & WRITING != 0;
    (entry.fd >= 0).then_some(Interest {
        fd: entry.fd,
        // Even without an event asked for there may be an error.
        read: entry.events & READING != 0 || !is_write,
        write: is_write,
    })
}

/// # Safety
///
/// The contract of poll(2).
unsafe fn poll_until(entries: *mut pollfd, count: nfds_t, deadline: u64) -> isize {
    let count = count as usize;
    // SAFETY: the caller's contract.
    let look = || unsafe { poll_now_at(entries, count) };
    until_found(deadline, look, || {
        if count == 0 {
            return Vec::new();
        }
        // SAFETY: the caller's contract; the kernel has found no fault with it.
        let entries = unsafe { slice::from_raw_parts(entries, count) };
        entries.iter().filter_map(interest_of).collect()
    })
}

hook! {
    /// Waits for events of descriptors.
    poll(real; entries: *mut pollfd, count: nfds_t, millis: c_int) -> c_int {
        if !waits(Group::Socket) {
            // SAFETY: the caller's contract.
            return unsafe { real()(entries, count, millis) };
        }
        // SAFETY: the caller's contract.
        to_c(unsafe { poll_until(entries, count, deadline_of_millis(millis)) }) as c_int
    }
}

hook! {
    /// `poll` for an array whose size the compiler knew (`_FORTIFY_SOURCE`).
    __poll_chk(real; entries: *mut pollfd, count: nfds_t, millis: c_int, room: size_t) -> c_int {
        if room / size_of::<pollfd>() < count as usize {
            // SAFETY: the caller's contract: it ends the process.
            return unsafe { real()(entries, count, millis, room) };
        }
        // SAFETY: the caller's contract.
        unsafe { poll(entries, count, millis) }
    }
}

/// Is it the plain call? It is if it has a signal mask, which has to be the OS thread's.
fn is_plain(name: &'static str, signals: *const sigset_t) -> bool {
    if !waits(Group::Socket) {
        return true;
    }
    if !signals.is_null() {
        observe::blocks(name, "it has a signal mask");
    }
    !signals.is_null()
}

hook! {
    /// `poll` with a finer time and a signal mask.
    ppoll(
        real;
        entries: *mut pollfd,
        count: nfds_t,
        time: *const timespec,
        signals: *const sigset_t,
    ) -> c_int {
        if is_plain("ppoll", signals) {
            // SAFETY: the caller's contract.
            return unsafe { real()(entries, count, time, signals) };
        }
        // SAFETY: the caller's contract.
        let result = unsafe {
            deadline_of(time).map_or(INVALID, |deadline| poll_until(entries, count, deadline))
        };
        to_c(result) as c_int
    }
}

hook! {
    /// `ppoll` for an array whose size the compiler knew (`_FORTIFY_SOURCE`).
    __ppoll_chk(
        real;
        entries: *mut pollfd,
        count: nfds_t,
        time: *const timespec,
        signals: *const sigset_t,
        room: size_t,
    ) -> c_int {
        if room / size_of::<pollfd>() < count as usize {
            // SAFETY: the caller's contract: it ends the process.
            return unsafe { real()(entries, count, time, signals, room) };
        }
        // SAFETY: the caller's contract.
        unsafe { ppoll(entries, count, time, signals) }
    }
}

type Words = Vec<u64>;

/// The three sets of a `select`: what they are asked for, and where the answer goes.
struct Sets {
    count: c_int,
    places: [*mut u64; 3],
    asked: [Words; 3],
}

impl Sets {
    /// # Safety
    ///
    /// The contract of select(2), for as long as it lives.
    unsafe fn new(count: c_int, sets: [*mut fd_set; 3]) -> Sets {
        let length = usize::try_from(count).unwrap_or(0).div_ceil(64);
        let places = sets.map(|set| set.cast::<u64>());
        let asked = places.map(|place| {
            if place.is_null() || length == 0 {
                return Words::new();
            }
            // SAFETY: the caller's contract: so many bits are valid.
            unsafe { slice::from_raw_parts(place, length) }.to_vec()
        });
        Sets {
            count,
            places,
            asked,
        }
    }

    /// select(2) without waiting. If nothing is ready, the sets stay as they were.
    fn look(&self) -> isize {
        let mut never = timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let [read, write, other] = self.places.map(|place| place.expose_provenance());
        let words = [
            self.count as usize,
            read,
            write,
            other,
            (&raw mut never).expose_provenance(),
            0,
        ];
        // SAFETY: the caller of `new` keeps the contract; there is no signal mask.
        let found = unsafe { kernel::call(libc::SYS_pselect6, words) };
        if found == 0 {
            self.restore();
        }
        found
    }

    fn restore(&self) {
        for (place, asked) in self.places.iter().zip(&self.asked) {
            if !asked.is_empty() {
                // SAFETY: it was read from there.
                unsafe { ptr::copy_nonoverlapping(asked.as_ptr(), *place, asked.len()) };
            }
        }
    }

    /// The answer when the time is over: nothing.
    fn clear(&self) {
        for (place, asked) in self.places.iter().zip(&self.asked) {
            if !asked.is_empty() {
                // SAFETY: as many words were read from there.
                unsafe { ptr::write_bytes(*place, 0, asked.len()) };
            }
        }
    }

    fn interests(&self) -> Vec<Interest> {
        let has = |set: usize, fd: usize| {
            let word = self.asked[set].get(fd / 64).copied().unwrap_or(0);
            word >> (fd % 64) & 1 != 0
        };
        let interest = |fd: usize| Interest {
            fd: fd as c_int,
            read: has(0, fd) || has(2, fd),
            write: has(1, fd),
        };
        (0..self.count as usize)
            .map(interest)
            .filter(|interest| interest.read || interest.write)
            .collect()
    }
}

/// # Safety
///
/// The contract of select(2).
unsafe fn select_until(count: c_int, sets: [*mut fd_set; 3], deadline: u64) -> isize {
    // SAFETY: the caller's contract.
    let sets = unsafe { Sets::new(count, sets) };
    let found = until_found(deadline, || sets.look(), || sets.interests());
    if found == 0 {
        sets.clear();
    }
    found
}

/// The deadline that a time of `select` says: microseconds may be more than a second.
fn deadline_of_micros(time: &timeval) -> Option<u64> {
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).ok()?);
    let micros = Duration::from_micros(u64::try_from(time.tv_usec).ok()?);
    Some(foreign::deadline(seconds.saturating_add(micros)))
}

hook! {
    /// Waits for events of descriptors, given as sets.
    select(
        real;
        count: c_int,
        read: *mut fd_set,
        write: *mut fd_set,
        other: *mut fd_set,
        time: *mut timeval,
    ) -> c_int {
        if !waits(Group::Socket) {
            // SAFETY: the caller's contract.
            return unsafe { real()(count, read, write, other, time) };
        }
        // SAFETY: the caller's contract: null or valid.
        let mut time = unsafe { time.as_mut() };
        let deadline = time.as_deref().map_or(Some(NEVER), deadline_of_micros);
        let result = deadline.map_or(INVALID, |deadline| {
            // SAFETY: the caller's contract.
            unsafe { select_until(count, [read, write, other], deadline) }
        });
        if let (Some(time), Some(deadline)) = (&mut time, deadline) {
            let rest = rest(deadline);
            time.tv_sec = rest.as_secs() as libc::time_t;
            time.tv_usec = rest.subsec_micros().into();
        }
        to_c(result) as c_int
    }
}

hook! {
    /// `select` with a finer time and a signal mask.
    pselect(
        real;
        count: c_int,
        read: *mut fd_set,
        write: *mut fd_set,
        other: *mut fd_set,
        time: *const timespec,
        signals: *const sigset_t,
    ) -> c_int {
        if is_plain("pselect", signals) {
            // SAFETY: the caller's contract.
            return unsafe { real()(count, read, write, other, time, signals) };
        }
        // SAFETY: the caller's contract.
        let result = unsafe {
            deadline_of(time)
                .map_or(INVALID, |deadline| select_until(count, [read, write, other], deadline))
        };
        to_c(result) as c_int
    }
}

/// epoll_wait(2): an epoll descriptor is ready itself when it has events.
///
/// # Safety
///
/// The contract of epoll_wait(2).
unsafe fn epoll_until(epoll: c_int, events: *mut epoll_event, room: c_int, deadline: u64) -> isize {
    let words = [
        epoll as usize,
        events.expose_provenance(),
        room as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the caller's contract; there is no signal mask.
    let look = || unsafe { kernel::call(libc::SYS_epoll_pwait, words) };
    let interest = Interest {
        fd: epoll,
        read: true,
        write: false,
    };
    until_found(deadline, look, || vec![interest])
}

hook! {
    /// Waits for events of an epoll descriptor.
    epoll_wait(real; epoll: c_int, events: *mut epoll_event, room: c_int, millis: c_int) -> c_int {
        if !waits(Group::Socket) {
            // SAFETY: the caller's contract.
            return unsafe { real()(epoll, events, room, millis) };
        }
        // SAFETY: the caller's contract.
        to_c(unsafe { epoll_until(epoll, events, room, deadline_of_millis(millis)) }) as c_int
    }
}

hook! {
    /// `epoll_wait` with a signal mask.
    epoll_pwait(
        real;
        epoll: c_int,
        events: *mut epoll_event,
        room: c_int,
        millis: c_int,
        signals: *const sigset_t,
    ) -> c_int {
        if is_plain("epoll_pwait", signals) {
            // SAFETY: the caller's contract.
            return unsafe { real()(epoll, events, room, millis, signals) };
        }
        // SAFETY: the caller's contract.
        to_c(unsafe { epoll_until(epoll, events, room, deadline_of_millis(millis)) }) as c_int
    }
}

hook! {
    /// `epoll_pwait` with a finer time.
    epoll_pwait2(
        real;
        epoll: c_int,
        events: *mut epoll_event,
        room: c_int,
        time: *const timespec,
        signals: *const sigset_t,
    ) -> c_int {
        if is_plain("epoll_pwait2", signals) {
            // SAFETY: the caller's contract.
            return unsafe { real()(epoll, events, room, time, signals) };
        }
        // SAFETY: the caller's contract.
        let result = unsafe {
            deadline_of(time)
                .map_or(INVALID, |deadline| epoll_until(epoll, events, room, deadline))
        };
        to_c(result) as c_int
    }
}
