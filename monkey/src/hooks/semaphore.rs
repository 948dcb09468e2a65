//! Semaphores: `sem_wait` and its family.
//!
//! A semaphore that is shared between processes may be posted by another one: a green thread looks
//! for that every few milliseconds.
//!
//! A signal handler may post, as ever, but not while green threads wait for that semaphore and the
//! handler may have interrupted the runtime itself: the wake-up takes a lock of the lot.

use super::acquire::{PERIOD, acquire, give_way};
use super::until::Until;
use crate::kernel::{errno, set_errno};
use crate::lot::{self, ANY, Key};
use crate::patch::{Group, is_any, waits};
use crate::real::hook;
use libc::{c_int, clockid_t, sem_t, timespec};

/// The layout of `sem_t` in the C library's 64-bit ports.
#[repr(C)]
struct Layout {
    value: u64,
    /// Not 0 if other processes may share it.
    shared: c_int,
}

/// Takes one from `sem`, for a green thread. Returns -1 and an `errno`, or 0.
///
/// # Safety
///
/// That of `sem_wait`; the caller is a full green thread.
unsafe fn take(sem: *mut sem_t, until: Until) -> c_int {
    let before = errno();
    let attempt = || {
        // SAFETY: the caller's word.
        if unsafe { libc::sem_trywait(sem) } == 0 {
            return 0;
        }
        match errno() {
            libc::EAGAIN => libc::EBUSY,
            errno => errno,
        }
    };
    let mut result = attempt();
    if result == 0 && lot::is_waited_for(Key::Object(sem.expose_provenance())) {
        // On behalf of who posts: a signal handler may, and must not be left in its middle.
        give_way();
    }
    if result == libc::EBUSY {
        // SAFETY: by the caller's word it is initialised; this part is written only then.
        let shared = unsafe { (&raw const (*sem.cast::<Layout>()).shared).read_volatile() };
        let period = (shared != 0).then_some(PERIOD);
        result = acquire(sem.expose_provenance(), until, period, attempt);
    }
    if result != 0 {
        return fail(result);
    }
    set_errno(before);
    0
}

/// [`take`], until the moment `time` of `clock`.
///
/// # Safety
///
/// As of [`take`], and `time` points to one.
unsafe fn take_until(sem: *mut sem_t, clock: clockid_t, time: *const timespec) -> c_int {
    // SAFETY: the caller's word.
    match unsafe { Until::new(clock, time) } {
        // SAFETY: the caller's word.
        Ok(until) => unsafe { take(sem, until) },
        Err(errno) => fail(errno),
    }
}

fn fail(errno: c_int) -> c_int {
    set_errno(errno);
    -1
}

hook! {
    /// Takes one from a semaphore.
    sem_wait(real; sem: *mut sem_t) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(sem);
            }
            take(sem, Until::NEVER)
        }
    }
}

hook! {
    /// Takes one from a semaphore, until a moment of `CLOCK_REALTIME`.
    sem_timedwait(real; sem: *mut sem_t, time: *const timespec) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(sem, time);
            }
            take_until(sem, libc::CLOCK_REALTIME, time)
        }
    }
}

hook! {
    /// Takes one from a semaphore, until a moment of a clock.
    sem_clockwait(real; sem: *mut sem_t, clock: clockid_t, time: *const timespec) -> c_int {
        // SAFETY: the caller's contract.
        unsafe {
            if !waits(Group::Sync) {
                return real()(sem, clock, time);
            }
            take_until(sem, clock, time)
        }
    }
}

hook! {
    /// Gives one to a semaphore.
    sem_post(real; sem: *mut sem_t) -> c_int {
        // SAFETY: the caller's contract.
        let result = unsafe { real()(sem) };
        // The semaphore may be gone already; its address is a key.
        if result == 0 && is_any() {
            lot::wake(Key::Object(sem.expose_provenance()), 1, ANY);
        }
        result
    }
}
