//! Sleeping: `nanosleep` and its family.
//!
//! A sleep has no error for a kill, so a kill waits for its end; a signal does not end it either.

use crate::kernel::{self, duration};
use crate::observe;
use crate::patch::{Group, waits};
use crate::real::hook;
use greenloop_runtime::foreign;
use libc::{c_int, c_uint, clockid_t, timespec};
use std::time::Duration;

fn sleep_until(deadline: u64) {
    while foreign::now() < deadline {
        foreign::park(deadline);
    }
}

/// Does it go as the runtime's clock does, but for being set?
fn is_known(clock: clockid_t) -> bool {
    matches!(
        clock,
        libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC | libc::CLOCK_BOOTTIME | libc::CLOCK_TAI
    )
}

/// What a sleep by `clock` until the moment `time` lasts; none if there is no such clock.
fn until(clock: clockid_t, time: Duration) -> Option<Duration> {
    let mut now = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: room for the time.
    let result = unsafe { libc::clock_gettime(clock, &mut now) };
    (result == 0).then(|| time.saturating_sub(duration(&now).unwrap_or_default()))
}

hook! {
    /// Sleeps by a clock, for a time or until a moment. Returns an `errno`.
    clock_nanosleep(
        real; clock: clockid_t, flags: c_int, time: *const timespec, left: *mut timespec
    ) -> c_int {
        let is_plain = || {
            let known = is_known(clock);
            if !known {
                observe::blocks("clock_nanosleep", "a clock that only the kernel can wait by");
            }
            !known || time.is_null() || flags & !libc::TIMER_ABSTIME != 0
        };
        if !waits(Group::Time) || is_plain() {
            // SAFETY: the caller's contract.
            return unsafe { real()(clock, flags, time, left) };
        }
        // SAFETY: the caller's contract, and it is not null.
        let Some(mut time) = duration(unsafe { &*time }) else {
            return libc::EINVAL;
        };
        if flags & libc::TIMER_ABSTIME != 0 {
            time = until(clock, time).unwrap_or_default();
        }
        sleep_until(foreign::deadline(time));
        0
    }
}

hook! {
    /// Sleeps for a time.
    nanosleep(real; time: *const timespec, left: *mut timespec) -> c_int {
        if !waits(Group::Time) || time.is_null() {
            // SAFETY: the caller's contract.
            return unsafe { real()(time, left) };
        }
        // SAFETY: the caller's contract, and it is not null.
        let Some(time) = duration(unsafe { &*time }) else {
            kernel::set_errno(libc::EINVAL);
            return -1;
        };
        sleep_until(foreign::deadline(time));
        0
    }
}

hook! {
    /// Sleeps for some microseconds.
    usleep(real; micros: c_uint) -> c_int {
        if !waits(Group::Time) {
            // SAFETY: no memory is passed.
            return unsafe { real()(micros) };
        }
        sleep_until(foreign::deadline(Duration::from_micros(micros.into())));
        0
    }
}

hook! {
    /// Sleeps for some seconds; none are left.
    sleep(real; seconds: c_uint) -> c_uint {
        if !waits(Group::Time) {
            // SAFETY: no memory is passed.
            return unsafe { real()(seconds) };
        }
        sleep_until(foreign::deadline(Duration::from_secs(seconds.into())));
        0
    }
}

hook! {
    /// C11's `nanosleep`: the C library calls its own inside. Returns -1 if a signal came, and less
    /// after another failure.
    thrd_sleep(real; time: *const timespec, left: *mut timespec) -> c_int {
        if !waits(Group::Time) {
            // SAFETY: the caller's contract.
            return unsafe { real()(time, left) };
        }
        // SAFETY: the caller's contract.
        match unsafe { clock_nanosleep(libc::CLOCK_REALTIME, 0, time, left) } {
            0 => 0,
            libc::EINTR => -1,
            _ => -2,
        }
    }
}
