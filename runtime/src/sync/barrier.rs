//! `Barrier`: a point that is passed only by so many together.

use crate::clock::NEVER;
use crate::lock::{Guard, Lock};
use crate::reason::{Thing, Wait};
use crate::wait_queue::{self, WaitQueue};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Holds threads up until a number of them have come, with std's API. It can be used again.
///
/// One that is killed or timed out while it waits does not count any more.
///
/// # Examples
///
/// ```
/// use greenloop::sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let leaders = greenloop::scope(|s| {
///     let waits = [0; 3].map(|_| s.spawn(|| barrier.wait().is_leader()));
///     waits.into_iter().filter_map(|wait| wait.join().ok()).filter(|leads| *leads).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
pub struct Barrier {
    needed: usize,
    state: Lock<State>,
}

struct State {
    arrived: usize,
    /// How often it has opened.
    generation: usize,
    waiters: WaitQueue,
}

impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl Barrier {
    /// Creates a barrier for `n` threads; for 0 it is as for 1.
    pub const fn new(n: usize) -> Barrier {
        Barrier {
            needed: n,
            state: Lock::new(State {
                arrived: 0,
                generation: 0,
                waiters: WaitQueue::new(),
            }),
        }
    }

    /// Waits until all have come. Yields, unless the caller is the last one: that is the leader.
    pub fn wait(&self) -> BarrierWaitResult {
        let mut state = self.state.lock();
        state.arrived += 1;
        let is_leader = state.arrived >= self.needed;
        if is_leader {
            state.arrived = 0;
            state.generation = state.generation.wrapping_add(1);
            state.waiters.wake_all();
        } else {
            self.wait_for_the_others(state);
        }
        BarrierWaitResult(is_leader)
    }

    fn wait_for_the_others(&self, state: Guard<'_, State>) {
        let arrival = Arrival {
            barrier: self,
            generation: state.generation,
        };
        let why = Wait::on(Thing::Barrier, self);
        wait_queue::wait(
            &self.state,
            state,
            |state| &state.waiters,
            NEVER,
            why,
            |_| None,
        );
        std::mem::forget(arrival);
    }
}

/// Of one who waits; taken back if it is killed before the barrier opens.
struct Arrival<'a> {
    barrier: &'a Barrier,
    generation: usize,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let mut state = self.barrier.state.lock();
        if state.generation == self.generation {
            state.arrived -= 1;
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

/// Whether this thread was the last to come to a [`Barrier`], and so the leader.
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Is it the leader, of whom there is one each time?
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult")
            .field("is_leader", &self.is_leader())
            .finish()
    }
}
