//! The runtime's clock: `CLOCK_MONOTONIC` in nanoseconds, as one comparable word.

use std::time::Duration;

/// A deadline that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// Reads the monotonic clock, in nanoseconds since an arbitrary start.
///
/// A plain word, rather than an `Instant`, because timers compare and store many of them.
pub(crate) fn now() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

#[inline]
fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid, writable timespec; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// [`now`], a few milliseconds late, for a fifth of the time that it takes.
pub(crate) fn coarse() -> u64 {
    read(libc::CLOCK_MONOTONIC_COARSE)
}

/// A moment long past: the deadline of a wait that has no time.
pub(crate) const PAST: u64 = 0;

/// Returns the moment that lies `after` from now; one too far away to be told is [`NEVER`], and no
/// time at all is [`PAST`], which is told from any other without a look at the clock.
pub(crate) fn deadline(after: Duration) -> u64 {
    if after.is_zero() {
        return PAST;
    }
    u64::try_from(after.as_nanos()).map_or(NEVER, |nanos| now().saturating_add(nanos))
}

/// The kernel's form of a moment of [`now`].
pub(crate) fn timespec(nanos: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (nanos / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanos % 1_000_000_000) as _,
    }
}
