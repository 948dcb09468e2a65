//! `Ready`: which of several things that one thread waits for have come, in order.

use crate::lock::Lock;
use std::collections::VecDeque;

/// Filled by whoever wakes, under the lock of what was waited for; emptied by the one who waits.
#[derive(Debug, Default)]
pub(crate) struct Ready(Lock<VecDeque<usize>>);

impl Ready {
    /// Room for `count` numbers, so that waking never allocates.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Ready(Lock::new(VecDeque::with_capacity(count)))
    }

    pub(crate) fn push(&self, number: usize) {
        self.0.lock().push_back(number);
    }

    pub(crate) fn pop(&self) -> Option<usize> {
        self.0.lock().pop_front()
    }
}
