//! Joining OS threads: `pthread_join` and its family.
//!
//! There is no way to be told of a thread's end but to block for it, so a helper does. It may wait
//! for what other green threads do, and is none of the blocking pool's.

use super::until::Until;
use crate::offload::offload_wait;
use crate::patch::{Group, waits};
use crate::program;
use crate::real::hook;
use libc::{c_int, c_void, clockid_t, pthread_t, timespec};

/// Joins a thread of a program whose threads are green ones; none if it is no such thread.
///
/// # Safety
///
/// `value` is null or has room.
unsafe fn join_green(thread: pthread_t, value: *mut *mut c_void, until: Until) -> Option<c_int> {
    let program = program::registered()?;
    let result = loop {
        match program.join(thread, until.deadline())? {
            // Unless the clock was set back.
            Err(libc::ETIMEDOUT) if !until.is_over() => {}
            result => break result,
        }
    };
    Some(match result {
        Ok(returned) => {
            if !value.is_null() {
                // SAFETY: the caller's word.
                unsafe { *value = returned };
            }
            0
        }
        Err(errno) => errno,
    })
}

/// Joins `thread` for a green thread: at once if it has ended, else by `join` on a helper.
///
/// # Safety
///
/// That of `pthread_join`; `join` is one of its family, with its arguments.
unsafe fn join(
    thread: pthread_t,
    value: *mut *mut c_void,
    join: impl FnOnce(*mut *mut c_void) -> c_int,
) -> c_int {
    // SAFETY: without arguments. The C library knows a thread that joins itself, but a helper is
    // another one.
    if thread == unsafe { libc::pthread_self() } {
        return libc::EDEADLK;
    }
    // SAFETY: the caller's word.
    match unsafe { libc::pthread_tryjoin_np(thread, value) } {
        libc::EBUSY => {}
        result => return result,
    }
    // SAFETY: any thread may join any other; the value has room for the time of the wait.
    unsafe { offload_wait(|| join(value)) }
}

/// [`join_green`], until a moment of a clock, or for good.
///
/// # Safety
///
/// As of `join_green`; `time` is null or points to one.
unsafe fn join_green_until(
    thread: pthread_t,
    value: *mut *mut c_void,
    clock: clockid_t,
    time: *const timespec,
) -> Option<c_int> {
    program::registered()?;
    // SAFETY: the caller's word.
    unsafe {
        if time.is_null() {
            return join_green(thread, value, Until::NEVER);
        }
        match Until::new(clock, time) {
            Ok(until) => join_green(thread, value, until),
            Err(errno) => Some(errno),
        }
    }
}

hook! {
    /// Waits for a thread's end. Returns an `errno`.
    pthread_join(real; thread: pthread_t, value: *mut *mut c_void) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if let Some(result) = join_green(thread, value, Until::NEVER) {
                return result;
            }
            if !waits(Group::Sync) {
                return real()(thread, value);
            }
            join(thread, value, |value| real()(thread, value))
        }
    }
}

hook! {
    /// Waits for a thread's end, until a moment of `CLOCK_REALTIME`. Returns an `errno`.
    pthread_timedjoin_np(
        real; thread: pthread_t, value: *mut *mut c_void, time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if let Some(result) = join_green_until(thread, value, libc::CLOCK_REALTIME, time) {
                return result;
            }
            if !waits(Group::Sync) || time.is_null() {
                return real()(thread, value, time);
            }
            let time = *time;
            join(thread, value, |value| real()(thread, value, &time))
        }
    }
}

hook! {
    /// Waits for a thread's end, until a moment of a clock. Returns an `errno`.
    pthread_clockjoin_np(
        real; thread: pthread_t, value: *mut *mut c_void, clock: clockid_t, time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if let Some(result) = join_green_until(thread, value, clock, time) {
                return result;
            }
            if !waits(Group::Sync) || time.is_null() {
                return real()(thread, value, clock, time);
            }
            let time = *time;
            join(thread, value, |value| real()(thread, value, clock, &time))
        }
    }
}
