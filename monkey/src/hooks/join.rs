//! Joining OS threads: `pthread_join` and its family.
//!
//! There is no way to be told of a thread's end but to block for it, so a helper does.

use crate::offload::offload;
use crate::patch::{Group, waits};
use crate::real::hook;
use libc::{c_int, c_void, clockid_t, pthread_t, timespec};

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
    unsafe { offload(|| join(value)) }
}

hook! {
    /// Waits for a thread's end. Returns an `errno`.
    pthread_join(real; thread: pthread_t, value: *mut *mut c_void) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
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
            if !waits(Group::Sync) || time.is_null() {
                return real()(thread, value, clock, time);
            }
            let time = *time;
            join(thread, value, |value| real()(thread, value, clock, &time))
        }
    }
}
