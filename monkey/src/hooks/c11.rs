//! C11's threads: `mtx_lock`, `cnd_wait`, `thrd_join` and their families.
//!
//! The C library's call its own pthread functions inside, past every hook. Its types are those of
//! pthreads under other names.

use super::condition::{
    pthread_cond_broadcast, pthread_cond_signal, pthread_cond_timedwait, pthread_cond_wait,
};
use super::join::pthread_join;
use super::mutex::{pthread_mutex_lock, pthread_mutex_timedlock, pthread_mutex_unlock};
use super::spin::sched_yield;
use crate::patch::is_any;
use crate::real::hook;
use libc::{c_int, c_void, pthread_cond_t, pthread_mutex_t, pthread_t, timespec};
use std::ptr;

/// The result of C11's for an `errno` (`threads.h`).
fn result(errno: c_int) -> c_int {
    match errno {
        0 => 0,
        libc::EBUSY => 1,
        libc::ENOMEM => 3,
        libc::ETIMEDOUT => 4,
        _ => 2,
    }
}

/// Hooks of the same arguments and contract as `$pthread`, which is what the C library calls
/// inside.
macro_rules! same_as {
    ($($(#[$doc:meta])* $name:ident = $pthread:ident($($argument:ident: $type:ty),*);)*) => {$(
        hook! {
            $(#[$doc])*
            $name(_real; $($argument: $type),*) -> c_int {
                // SAFETY: the caller's contract.
                unsafe { result($pthread($($argument),*)) }
            }
        }
    )*};
}

same_as! {
    /// Locks a mutex.
    mtx_lock = pthread_mutex_lock(mutex: *mut pthread_mutex_t);
    /// Locks a mutex, until a moment of `CLOCK_REALTIME`.
    mtx_timedlock = pthread_mutex_timedlock(mutex: *mut pthread_mutex_t, time: *const timespec);
    /// Unlocks a mutex.
    mtx_unlock = pthread_mutex_unlock(mutex: *mut pthread_mutex_t);
    /// Waits for a condition variable.
    cnd_wait = pthread_cond_wait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t);
    /// Waits for a condition variable, until a moment of `CLOCK_REALTIME`.
    cnd_timedwait = pthread_cond_timedwait(
        cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t, time: *const timespec
    );
    /// Wakes one who waits for a condition variable.
    cnd_signal = pthread_cond_signal(cond: *mut pthread_cond_t);
    /// Wakes all who wait for a condition variable.
    cnd_broadcast = pthread_cond_broadcast(cond: *mut pthread_cond_t);
}

hook! {
    /// Waits for a thread's end.
    thrd_join(real; thread: pthread_t, value: *mut c_int) -> c_int {
        if !is_any() {
            // SAFETY: the caller's contract.
            return unsafe { real()(thread, value) };
        }
        let mut whole = ptr::null_mut::<c_void>();
        // SAFETY: the caller's contract, and room for the value.
        let errno = unsafe { pthread_join(thread, &mut whole) };
        if errno == 0 && !value.is_null() {
            // SAFETY: the caller's contract. A thread of C11's ends with an int.
            unsafe { *value = whole.addr() as c_int };
        }
        result(errno)
    }
}

hook! {
    /// Lets others run.
    thrd_yield(real;) {
        // SAFETY: without arguments.
        unsafe {
            if is_any() {
                sched_yield();
            } else {
                real()();
            }
        }
    }
}
