//! Waiting for signals: `sigwait` and its family, and `sigsuspend`.
//!
//! A signal that is blocked is taken from the process, by whoever asks for it. There is no event
//! for that which holds for every thread, so it is asked in intervals that grow, from 1 to 16
//! milliseconds. `sigsuspend` waits for a handler on the very OS thread: that blocks its worker.

use super::poll::deadline_of;
use crate::kernel::{self, set_errno, to_c};
use crate::observe;
use crate::patch::{Group, waits};
use crate::program;
use crate::real::hook;
use greenloop_runtime::foreign::{self, NEVER};
use libc::{c_int, siginfo_t, sigset_t, timespec};
use std::ptr;
use std::time::Duration;

const NONE_YET: isize = -(libc::EAGAIN as isize);
const CANCELED: isize = -(libc::ECANCELED as isize);

/// The size of the kernel's sets.
const SET: usize = size_of::<u64>();

/// Takes a signal of `set`, until `deadline`; the result is its number, or `-errno`.
///
/// # Safety
///
/// The contract of sigtimedwait(2).
unsafe fn take(set: *const sigset_t, info: *mut siginfo_t, deadline: u64) -> isize {
    let at_once = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let words = [
        set.expose_provenance(),
        info.expose_provenance(),
        (&raw const at_once).expose_provenance(),
        SET,
    ];
    for round in 0.. {
        // SAFETY: the caller's contract; the time outlives the call.
        let taken = unsafe { kernel::call(libc::SYS_rt_sigtimedwait, words) };
        if taken != NONE_YET || foreign::now() >= deadline {
            // SAFETY: the caller's contract: null, or filled if there was one.
            unsafe { call_it_a_users(taken, info) };
            return taken;
        }
        let moment = foreign::deadline(Duration::from_millis(1 << round.min(4)));
        let Some(until) = foreign::before_wait(deadline.min(moment)) else {
            return CANCELED;
        };
        foreign::park(until);
    }
    unreachable!("it goes round until it returns")
}

/// To the C library a signal that was sent to a thread is one as by `kill`.
///
/// # Safety
///
/// `info` is null or valid, if a signal was taken.
unsafe fn call_it_a_users(taken: isize, info: *mut siginfo_t) {
    // SAFETY: the caller's word.
    unsafe {
        if taken > 0 && !info.is_null() && (*info).si_code == libc::SI_TKILL {
            (*info).si_code = libc::SI_USER;
        }
    }
}

hook! {
    /// Waits for a signal that is blocked. Returns an `errno`.
    sigwait(real; set: *const sigset_t, signal: *mut c_int) -> c_int {
        if !waits(Group::Process) {
            // SAFETY: the caller's contract.
            return unsafe { real()(set, signal) };
        }
        // SAFETY: the caller's contract.
        let taken = unsafe { take(set, ptr::null_mut(), NEVER) } as c_int;
        if taken < 0 {
            return -taken;
        }
        // SAFETY: the caller's contract.
        unsafe { *signal = taken };
        0
    }
}

hook! {
    /// Waits for a signal that is blocked, and tells of it.
    sigwaitinfo(real; set: *const sigset_t, info: *mut siginfo_t) -> c_int {
        if !waits(Group::Process) {
            // SAFETY: the caller's contract.
            return unsafe { real()(set, info) };
        }
        // SAFETY: the caller's contract.
        to_c(unsafe { take(set, info, NEVER) }) as c_int
    }
}

hook! {
    /// Waits for a signal that is blocked, for a time.
    sigtimedwait(
        real; set: *const sigset_t, info: *mut siginfo_t, time: *const timespec
    ) -> c_int {
        if !waits(Group::Process) {
            // SAFETY: the caller's contract.
            return unsafe { real()(set, info, time) };
        }
        // SAFETY: the caller's contract.
        let Some(deadline) = (unsafe { deadline_of(time) }) else {
            set_errno(libc::EINVAL);
            return -1;
        };
        // SAFETY: the caller's contract.
        to_c(unsafe { take(set, info, deadline) }) as c_int
    }
}

hook! {
    /// Waits for a signal's handler, with another mask.
    sigsuspend(real; set: *const sigset_t) -> c_int {
        // SAFETY: the caller's contract.
        let mask = || unsafe { set.cast::<u64>().read_unaligned() };
        if program::registered().is_some_and(|program| program.suspend(mask())) {
            return to_c(-(libc::EINTR as isize)) as c_int;
        }
        if waits(Group::Process) {
            observe::blocks("sigsuspend", "a signal's handler runs on the worker itself");
        }
        // SAFETY: the caller's contract.
        unsafe { real()(set) }
    }
}
