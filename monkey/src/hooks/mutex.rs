//! Mutexes: `pthread_mutex_lock` and its family.
//!
//! Owners are told apart by the number of their thread, and a full green thread has its block's: so
//! kinds, recursion and owners are those of the C library.
//!
//! A process-shared or robust mutex may be given back by another process, or by the kernel when its
//! owner dies, and any by a wait for a condition that began before the patch: a green thread looks
//! for that every few milliseconds. A mutex with priority
//! inheritance is refused (`ENOTSUP`): the kernel knows its owner as an OS thread, and a green
//! thread is none.

use super::acquire::{PERIOD, acquire, wake_one};
use super::condition;
use super::until::Until;
use crate::kernel;
use crate::observe::refused;
use crate::patch::{Group, is_any, waits};
use crate::probe;
use crate::real::hook;
use libc::{c_int, clockid_t, pthread_mutex_t, timespec};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

/// The public layout of `pthread_mutex_t` (`bits/struct_mutex.h`), the same on all 64-bit targets.
#[repr(C)]
struct Layout {
    lock: c_int,
    count: u32,
    owner: c_int,
    users: u32,
    kind: c_int,
}

// The bits of `kind`.
const TYPE: c_int = 3;
const ROBUST: c_int = 16;
const PRIO_INHERIT: c_int = 32;
const PROCESS_SHARED: c_int = 128;

/// # Safety
///
/// `mutex` is initialised.
unsafe fn kind(mutex: *mut pthread_mutex_t) -> c_int {
    // SAFETY: by the caller's word; it is written only when it is initialised, but for bits that
    // nobody asks for here.
    unsafe { (&raw const (*mutex.cast::<Layout>()).kind).read_volatile() }
}

/// # Safety
///
/// `mutex` is initialised.
unsafe fn owner(mutex: *mut pthread_mutex_t) -> c_int {
    // SAFETY: by the caller's word. Others may write it meanwhile: then it is not the caller's
    // number, before or after, which alone is asked for.
    unsafe { (&raw const (*mutex.cast::<Layout>()).owner).read_volatile() }
}

/// The number by which the C library knows the thread that runs now: a full green thread's is that
/// of its block, which `gettid` does not tell.
pub(super) fn own_number() -> c_int {
    // Of a kind that always notes its owner.
    let mut mutex = MaybeUninit::new(libc::PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP);
    let mutex = mutex.as_mut_ptr();
    // SAFETY: initialised, on this frame, and nobody else knows it.
    unsafe {
        libc::pthread_mutex_trylock(mutex);
        let number = owner(mutex);
        libc::pthread_mutex_unlock(mutex);
        number
    }
}

#[cold]
fn refuse() -> c_int {
    refused(
        "pthread_mutex_lock",
        "a green thread can't hold a mutex with priority inheritance",
    );
    libc::ENOTSUP
}

/// Locks `mutex` for a green thread, until the moment that `until` says if it has to wait.
///
/// # Safety
///
/// That of `pthread_mutex_lock`; the caller is a full green thread.
unsafe fn lock(mutex: *mut pthread_mutex_t, until: impl FnOnce() -> Result<Until, c_int>) -> c_int {
    // SAFETY: the caller's word.
    match unsafe { attempt(mutex) } {
        // SAFETY: the caller's word.
        libc::EBUSY => unsafe { lock_contended(mutex, until) },
        result => result,
    }
}

/// # Safety
///
/// As of [`lock`].
#[cold]
unsafe fn lock_contended(
    mutex: *mut pthread_mutex_t,
    until: impl FnOnce() -> Result<Until, c_int>,
) -> c_int {
    // SAFETY: the caller's word.
    let (kind, owner) = unsafe { (kind(mutex), owner(mutex)) };
    if kind & TYPE == libc::PTHREAD_MUTEX_ERRORCHECK && owner == own_number() {
        return libc::EDEADLK;
    }
    let until = match until() {
        Ok(until) => until,
        Err(errno) => return errno,
    };
    let is_told = kind & (ROBUST | PROCESS_SHARED) == 0 && !condition::may_release();
    let period = (!is_told).then_some(PERIOD);
    // SAFETY: the caller's word.
    acquire(mutex.expose_provenance(), until, period, || unsafe {
        attempt(mutex)
    })
}

/// Locks `mutex` if it is free.
///
/// # Safety
///
/// As of [`lock`].
unsafe fn attempt(mutex: *mut pthread_mutex_t) -> c_int {
    // SAFETY: the caller's word.
    let result = unsafe { pthread_mutex_trylock(mutex) };
    if result == libc::ENOTRECOVERABLE {
        // SAFETY: the caller's word.
        unsafe { let_go(mutex) };
    }
    result
}

/// Lets go of a mutex that nobody can lock any more. The C library's `trylock` (2.36) forgets to,
/// and others would wait for it, while its `lock` does so.
///
/// # Safety
///
/// As of [`lock`], and the mutex is not recoverable.
#[cold]
unsafe fn let_go(mutex: *mut pthread_mutex_t) {
    let own = own_number() as u32;
    // SAFETY: by the caller's word it is initialised; whoever touches the word does so atomically.
    let word = unsafe { AtomicU32::from_ptr((&raw mut (*mutex.cast::<Layout>()).lock).cast()) };
    if word.load(Ordering::Relaxed) & libc::FUTEX_TID_MASK != own {
        return;
    }
    word.store(0, Ordering::Release);
    let words = [
        word.as_ptr().expose_provenance(),
        libc::FUTEX_WAKE as usize,
        c_int::MAX as usize,
    ];
    // SAFETY: a wake-up by address.
    unsafe { kernel::call(libc::SYS_futex, words) };
}

hook! {
    /// Locks a mutex. Returns an `errno`.
    pthread_mutex_lock(real; mutex: *mut pthread_mutex_t) -> c_int {
        if !waits(Group::Sync) {
            // SAFETY: the caller's contract.
            return unsafe { real()(mutex) };
        }
        // SAFETY: the caller's contract.
        unsafe { lock(mutex, || Ok(Until::NEVER)) }
    }
}

hook! {
    /// Locks a mutex if it is free. Returns an `errno`.
    pthread_mutex_trylock(real; mutex: *mut pthread_mutex_t) -> c_int {
        // SAFETY: the caller's contract.
        if waits(Group::Sync) && unsafe { kind(mutex) } & PRIO_INHERIT != 0 {
            return refuse();
        }
        // SAFETY: the caller's contract.
        unsafe { real()(mutex) }
    }
}

hook! {
    /// Locks a mutex, until a moment of `CLOCK_REALTIME`. Returns an `errno`.
    pthread_mutex_timedlock(real; mutex: *mut pthread_mutex_t, time: *const timespec) -> c_int {
        if !waits(Group::Sync) {
            // SAFETY: the caller's contract.
            return unsafe { real()(mutex, time) };
        }
        // SAFETY: the caller's contract.
        unsafe { lock(mutex, || Until::new(libc::CLOCK_REALTIME, time)) }
    }
}

hook! {
    /// Locks a mutex, until a moment of a clock. Returns an `errno`.
    pthread_mutex_clocklock(
        real; mutex: *mut pthread_mutex_t, clock: clockid_t, time: *const timespec
    ) -> c_int {
        let known = matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC);
        if !waits(Group::Sync) || !known {
            // SAFETY: the caller's contract.
            return unsafe { real()(mutex, clock, time) };
        }
        // SAFETY: the caller's contract.
        unsafe { lock(mutex, || Until::new(clock, time)) }
    }
}

hook! {
    /// Unlocks a mutex. Returns an `errno`.
    pthread_mutex_unlock(real; mutex: *mut pthread_mutex_t) -> c_int {
        // SAFETY: the caller's contract.
        let result = unsafe { real()(mutex) };
        probe::note_unlock();
        // Looked at only now: who is patched in meanwhile and finds the mutex locked is woken. The
        // mutex may be gone already; its address is a key.
        if result == 0 && is_any() {
            wake_one(mutex.expose_provenance());
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_number_is_the_threads() {
        // SAFETY: without arguments.
        assert_eq!(own_number(), unsafe { libc::gettid() });
    }
}
