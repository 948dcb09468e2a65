//! A clock of each thread's own, which goes on when the thread waits until a deadline.

use crate::park;
use std::time::Duration;

pub(crate) const NEVER: u64 = u64::MAX;
/// A deadline that has come before the wait: there is none.
pub(crate) const NOW: u64 = 0;
/// A deadline that comes as soon as one waits.
pub(crate) const SOON: u64 = 1;

pub(crate) fn now() -> u64 {
    if park::has_expired() { SOON } else { NOW }
}

pub(crate) fn deadline(after: Duration) -> u64 {
    if after.is_zero() { NOW } else { SOON }
}
