//! Readers-writer locks: `pthread_rwlock_rdlock` and its family.
//!
//! A green writer that waits is not known to the C library, so a lock of a kind that prefers
//! writers does not hold readers back for it: it comes in when no reader is there, as with the
//! default kind.

use super::acquire::{PERIOD, acquire, wake_all};
use super::mutex::own_number;
use super::until::Until;
use crate::patch::{Group, is_any, waits};
use crate::real::hook;
use libc::{c_int, clockid_t, pthread_rwlock_t, timespec};

/// The public layout of `pthread_rwlock_t` (`bits/struct_rwlock.h`), as far as it is the same on
/// all 64-bit targets.
#[repr(C)]
struct Layout {
    readers: u32,
    writers: u32,
    phase: u32,
    writers_futex: u32,
    padding: [u32; 2],
    writer: c_int,
    shared: c_int,
}

/// One of the calls that take a lock if it is free.
type Attempt = unsafe extern "C" fn(*mut pthread_rwlock_t) -> c_int;

/// Takes `lock` for a green thread by `attempt`.
///
/// # Safety
///
/// That of `attempt`; the caller is a full green thread.
unsafe fn take(lock: *mut pthread_rwlock_t, attempt: Attempt, until: Until) -> c_int {
    // SAFETY: the caller's word.
    let attempt = || unsafe { attempt(lock) };
    match attempt() {
        libc::EBUSY => {}
        result => return result,
    }
    let layout = lock.cast::<Layout>();
    // SAFETY: by the caller's word it is initialised. The writer may change meanwhile: then it is
    // not the caller, before or after, which alone is asked for.
    let (writer, shared) = unsafe {
        (
            (&raw const (*layout).writer).read_volatile(),
            (&raw const (*layout).shared).read_volatile(),
        )
    };
    if writer == own_number() {
        return libc::EDEADLK;
    }
    let period = (shared != 0).then_some(PERIOD);
    acquire(lock.expose_provenance(), until, period, attempt)
}

/// [`take`], until the moment `time` of `clock`.
///
/// # Safety
///
/// As of [`take`], and `time` points to one.
unsafe fn take_until(
    lock: *mut pthread_rwlock_t,
    attempt: Attempt,
    clock: clockid_t,
    time: *const timespec,
) -> c_int {
    // SAFETY: the caller's word.
    match unsafe { Until::new(clock, time) } {
        // SAFETY: the caller's word.
        Ok(until) => unsafe { take(lock, attempt, until) },
        Err(errno) => errno,
    }
}

hook! {
    /// Takes a lock to read. Returns an `errno`.
    pthread_rwlock_rdlock(real; lock: *mut pthread_rwlock_t) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(lock);
            }
            take(lock, libc::pthread_rwlock_tryrdlock, Until::NEVER)
        }
    }
}

hook! {
    /// Takes a lock to write. Returns an `errno`.
    pthread_rwlock_wrlock(real; lock: *mut pthread_rwlock_t) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(lock);
            }
            take(lock, libc::pthread_rwlock_trywrlock, Until::NEVER)
        }
    }
}

hook! {
    /// Takes a lock to read, until a moment of `CLOCK_REALTIME`. Returns an `errno`.
    pthread_rwlock_timedrdlock(
        real; lock: *mut pthread_rwlock_t, time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(lock, time);
            }
            take_until(lock, libc::pthread_rwlock_tryrdlock, libc::CLOCK_REALTIME, time)
        }
    }
}

hook! {
    /// Takes a lock to write, until a moment of `CLOCK_REALTIME`. Returns an `errno`.
    pthread_rwlock_timedwrlock(
        real; lock: *mut pthread_rwlock_t, time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(lock, time);
            }
            take_until(lock, libc::pthread_rwlock_trywrlock, libc::CLOCK_REALTIME, time)
        }
    }
}

hook! {
    /// Takes a lock to read, until a moment of a clock. Returns an `errno`.
    pthread_rwlock_clockrdlock(
        real; lock: *mut pthread_rwlock_t, clock: clockid_t, time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(lock, clock, time);
            }
            take_until(lock, libc::pthread_rwlock_tryrdlock, clock, time)
        }
    }
}

hook! {
    /// Takes a lock to write, until a moment of a clock. Returns an `errno`.
    pthread_rwlock_clockwrlock(
        real; lock: *mut pthread_rwlock_t, clock: clockid_t, time: *const timespec
    ) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(lock, clock, time);
            }
            take_until(lock, libc::pthread_rwlock_trywrlock, clock, time)
        }
    }
}

hook! {
    /// Gives a lock back. Returns an `errno`.
    pthread_rwlock_unlock(real; lock: *mut pthread_rwlock_t) -> c_int {
        // SAFETY: the caller's contract.
        let result = unsafe { real()(lock) };
        // All of them: one writer or many readers may go on. The lock may be gone already; its
        // address is a key.
        if result == 0 && is_any() {
            wake_all(lock.expose_provenance());
        }
        result
    }
}
