//! Whose turn is next, and how long it may last.

use super::Worker;
use crate::header::Header;
use std::ptr::NonNull;

/// Calls that succeed without a wait before a green thread lets others run.
const IO_BUDGET: u32 = 128;

/// How many calls whoever runs since that switch may still make without a wait.
#[derive(Clone, Copy, Default)]
pub(super) struct Budget {
    since: u64,
    left: u32,
}

impl Worker {
    /// Counts a call that did not have to wait; true if the green thread has had its share.
    pub(crate) fn spend_budget(&self) -> bool {
        let at = self.switches();
        let Budget { since, left } = self.budget.get();
        let left = if since == at { left } else { IO_BUDGET };
        self.budget.set(Budget {
            since: at,
            left: left.saturating_sub(1),
        });
        left == 0
    }

    /// Runs who is next; false if nobody is.
    #[inline(always)]
    pub(super) fn run_next(&self) -> bool {
        if self.remote.counts.is_special() {
            return self.run_special();
        }
        let next = self.fifo.pop();
        if let Some(next) = next {
            self.execute(next);
        }
        next.is_some()
    }

    /// The same if timers are due, somebody asks, or observers want to hear of it.
    #[cold]
    fn run_special(&self) -> bool {
        if self.remote.counts.is_asked() {
            self.answer_in_turn();
        }
        let next = self.next_in_turn();
        if let Some(next) = next {
            if self.remote.counts.is_observed() {
                self.execute_observed(next);
            } else {
                self.execute(next);
            }
        }
        next.is_some()
    }

    /// Whose timer is due need not line up: behind 100,000 others a sleep would be late by as much
    /// as those take. One of the queue and one of the timers in turn, so that neither starves the
    /// other. gevent too serves timers between two rounds of its queue.
    fn next_in_turn(&self) -> Option<NonNull<Header>> {
        if self.switches().is_multiple_of(2) {
            self.next_due().or_else(|| self.fifo.pop())
        } else {
            self.fifo.pop().or_else(|| self.next_due())
        }
    }

    fn next_due(&self) -> Option<NonNull<Header>> {
        loop {
            let due = self.timers.borrow_mut().pop_due(self.seen_at());
            let Some(unparker) = due else {
                self.remote.counts.set_timers_due(false);
                return None;
            };
            if let Some(header) = unparker.unpark_to_run(self) {
                return Some(header);
            }
        }
    }
}
