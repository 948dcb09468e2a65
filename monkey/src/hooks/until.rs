//! `Until`: the moment by a clock of the C library's at which a wait is to end.

use crate::kernel::duration;
use greenloop_runtime::foreign::{self, NEVER};
use libc::{c_int, clockid_t, timespec};
use std::time::Duration;

/// See the module. Relative times begin when it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// By the runtime's clock, which is `CLOCK_MONOTONIC`; `NEVER` of a wait without end.
    Monotonic(u64),
    /// `CLOCK_REALTIME` since its epoch. It may be set while somebody waits.
    Realtime(Duration),
}

impl Until {
    /// A wait without end.
    pub(crate) const NEVER: Until = Until::Monotonic(NEVER);

    /// The moment `time` of `clock`; `EINVAL` of a clock that locks can't wait by, and of no time.
    ///
    /// # Safety
    ///
    /// `time` points to one.
    pub(crate) unsafe fn new(clock: clockid_t, time: *const timespec) -> Result<Until, c_int> {
        // SAFETY: the caller's word.
        let time = unsafe { *time };
        if !matches!(clock, libc::CLOCK_REALTIME | libc::CLOCK_MONOTONIC) {
            return Err(libc::EINVAL);
        }
        // A moment before the epoch is a valid one, and over.
        let since = timespec {
            tv_sec: time.tv_sec.max(0),
            ..time
        };
        let since = duration(&since).ok_or(libc::EINVAL)?;
        let since = if time.tv_sec < 0 {
            Duration::ZERO
        } else {
            since
        };
        Ok(match clock {
            libc::CLOCK_MONOTONIC => {
                Until::Monotonic(u64::try_from(since.as_nanos()).unwrap_or(NEVER))
            }
            _ => Until::Realtime(since),
        })
    }

    /// `after` from now.
    pub(crate) fn after(after: Duration) -> Until {
        Until::Monotonic(foreign::deadline(after))
    }

    /// The same moment by the runtime's clock, as the clocks are now.
    pub(crate) fn deadline(self) -> u64 {
        match self {
            Until::Monotonic(deadline) => deadline,
            Until::Realtime(since) => foreign::deadline(since.saturating_sub(realtime())),
        }
    }

    pub(crate) fn is_over(self) -> bool {
        match self {
            Until::Monotonic(deadline) => foreign::now() >= deadline,
            Until::Realtime(since) => realtime() >= since,
        }
    }
}

/// The time since the epoch.
fn realtime() -> Duration {
    let mut now = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: room for the time; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    duration(&now).unwrap_or_default()
}
