//! `Ready`: which of several things that one thread waits for have come, in order.

use crate::lock::Lock;
use crate::park::Unparker;
use std::collections::VecDeque;

/// Filled by whoever wakes, under the lock of what was waited for; emptied by the one who waits.
#[derive(Debug)]
pub(crate) struct Ready(Lock<Numbers>);

#[derive(Debug)]
struct Numbers {
    those: VecDeque<usize>,
    /// The last one who has looked: what waits may go from one green thread to another.
    waiter: Unparker,
}

impl Ready {
    /// Room for `count` numbers, so that waking never allocates.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Ready(Lock::new(Numbers {
            those: VecDeque::with_capacity(count),
            waiter: Unparker::current(),
        }))
    }

    /// Says whom to unpark.
    pub(crate) fn push(&self, number: usize) -> Unparker {
        let mut numbers = self.0.lock();
        numbers.those.push_back(number);
        numbers.waiter
    }

    /// The next one; if there is none, the caller will be unparked for it.
    pub(crate) fn pop(&self) -> Option<usize> {
        let me = Unparker::current();
        let mut numbers = self.0.lock();
        numbers.waiter = me;
        numbers.those.pop_front()
    }
}
