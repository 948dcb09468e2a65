//! Spin locks: `pthread_spin_lock`. And giving way: `sched_yield`.

use crate::patch::{Group, waits};
use crate::real::hook;
use greenloop_runtime::foreign;
use libc::{c_int, pthread_spinlock_t};
use std::time::Duration;

/// After so many attempts a holder is taken to be busy for longer.
const ATTEMPTS: u32 = 64;
const PAUSE: Duration = Duration::from_micros(50);

hook! {
    /// Takes a spin lock. Returns an `errno`.
    pthread_spin_lock(real; lock: *mut pthread_spinlock_t) -> c_int {
        if !waits(Group::Sync) {
            // SAFETY: the caller's contract.
            return unsafe { real()(lock) };
        }
        let mut attempts = 0;
        loop {
            // SAFETY: the caller's contract.
            match unsafe { libc::pthread_spin_trylock(lock) } {
                libc::EBUSY if attempts < ATTEMPTS => {
                    attempts += 1;
                    foreign::give_way();
                }
                libc::EBUSY => foreign::park(foreign::deadline(PAUSE)),
                result => return result,
            }
        }
    }
}

hook! {
    /// Lets others run.
    sched_yield(real;) -> c_int {
        if !waits(Group::Sync) {
            // SAFETY: without arguments.
            return unsafe { real()() };
        }
        foreign::give_way();
        0
    }
}
