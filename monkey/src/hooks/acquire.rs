//! `acquire`: how a green thread takes a lock of the C library's, by attempts that do not block.
//!
//! The object stays the C library's own: a green thread takes it by the `try` call, and whoever
//! gives it back does so by the plain call, which sees to the OS threads in the kernel, and then
//! wakes the lot.
//!
//! *No wake-up is lost.* The waiter is counted in the lot before its attempt; who gives back does
//! so before it looks at the count; both fence in between (`lot.rs`). So a failed attempt either
//! came before the giving back, which then finds the waiter, or somebody else holds the object,
//! who will give it back. A waiter that is woken attempts again before anything else, so it can't
//! take a wake-up along that another would need.
//!
//! *Nobody starves.* OS threads and green threads of other workers race for the object as threads
//! always do. Green threads of one worker do not race: one that gives the object back and takes it
//! again, waiting only in between, would win each time. So who wakes somebody now and then lets the
//! others run first ([`give_way`]).

use super::until::Until;
use crate::lot::{self, ANY, Key, Outcome};
use greenloop_runtime::foreign;
use libc::c_int;
use std::cell::Cell;
use std::time::Duration;

/// How often those look again who may be woken by other processes, or by a death in the kernel.
pub(crate) const PERIOD: Duration = Duration::from_millis(5);

/// How long a green thread may go on waking others without letting them run.
const TURN: u64 = 1_000_000;

thread_local! {
    /// When the thread last let those run that it had woken.
    static GAVE_WAY: Cell<u64> = const { Cell::new(0) };
}

/// Takes the object at `address` by `attempt`, which says `EBUSY` as long as it can't be had; waits
/// in between, and looks again after each `period`. The result is an `errno`: `attempt`'s last one,
/// or `ETIMEDOUT`.
///
/// `attempt` neither blocks nor calls what may look at the lot.
pub(crate) fn acquire(
    address: usize,
    until: Until,
    period: Option<Duration>,
    mut attempt: impl FnMut() -> c_int,
) -> c_int {
    loop {
        let mut result = libc::EBUSY;
        let still_busy = || {
            result = attempt();
            result == libc::EBUSY
        };
        let deadline = bounded(until, period);
        match lot::wait(Key::Object(address), ANY, deadline, still_busy) {
            Outcome::Refused => return result,
            Outcome::TimedOut if until.is_over() => return libc::ETIMEDOUT,
            Outcome::TimedOut | Outcome::Woken => {}
        }
    }
}

/// Wakes the next who waits for the object at `address`, which was given back.
pub(crate) fn wake_one(address: usize) {
    if lot::wake(Key::Object(address), 1, ANY) > 0 {
        give_way();
    }
}

/// Wakes all who wait for the object at `address`.
pub(crate) fn wake_all(address: usize) {
    if lot::wake_all(Key::Object(address)) > 0 {
        give_way();
    }
}

/// After a wake-up: lets others of this worker run, once in a while; see the module.
pub(crate) fn give_way() {
    if !foreign::may_wait() {
        return;
    }
    let now = foreign::now();
    if now.saturating_sub(GAVE_WAY.get()) >= TURN {
        GAVE_WAY.set(now);
        foreign::give_way();
    }
}

/// The deadline of the next wait of those that `until` and `period` bound.
pub(crate) fn bounded(until: Until, period: Option<Duration>) -> u64 {
    let deadline = until.deadline();
    period.map_or(deadline, |period| deadline.min(foreign::deadline(period)))
}
