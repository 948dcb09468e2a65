//! When a hub is to end: it accepts nothing more, or can never run again.

use super::Worker;
use crate::hub;

impl Worker {
    /// From now on it goes by gevent's rule.
    pub(crate) fn be_strict(&self) {
        self.strict.set(true);
    }

    /// Does it go by gevent's rule?
    pub(crate) fn is_strict(&self) -> bool {
        self.strict.get()
    }

    /// Does it accept nothing new?
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// From now on nothing new is accepted, and what has not started never will.
    pub(crate) fn close(&self) {
        self.closing.set(true);
    }

    /// With an empty queue: can nobody ever wake a green thread of this hub? So it is when each of
    /// them waits for the end of another one of them, or for a lock that another one holds. Such a
    /// wait ends by nothing else but a kill: that an OS thread might have a handle to kill by does
    /// not count, as nobody can tell where a handle is, and each joiner has one; the callbacks that
    /// hear of it have their chance (`hub.rs`). Any other wait (a
    /// park, a descriptor, a timer, a job of the pool) may yet be ended by somebody else, which
    /// does not matter to a strict one.
    pub(super) fn is_deadlocked(&self) -> bool {
        let all_join = self.live.get() > 0 && self.joining.get() == self.live.get();
        // At the hub's end its green threads have been killed: who still waits is waited for.
        let open = self.place.is_none() && !self.closing.get();
        open && self.timers.borrow().is_empty()
            && if self.strict.get() {
                self.live.get() > 0 && !self.reactor.has_waiters() && !hub::awaits_jobs(self)
            } else {
                all_join && hub::holds_its_locks(self)
            }
    }
}
