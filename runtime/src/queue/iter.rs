//! `Iter`: getting until the queue is shut down and empty.

use super::container::Container;
use super::core::Core;
use std::fmt;

/// Yields a queue's or channel's items as they come, until it is shut down and empty; see
/// [`Queue::iter`](super::Queue::iter).
pub struct Iter<'a, T> {
    queue: &'a dyn Get<T>,
}

/// What can be got from.
pub(super) trait Get<T> {
    fn next(&self) -> Option<T>;
}

impl<C: Container> Get<C::Item> for Core<C> {
    fn next(&self) -> Option<C::Item> {
        self.get().ok()
    }
}

impl<'a, T> Iter<'a, T> {
    pub(super) fn new(queue: &'a dyn Get<T>) -> Self {
        Iter { queue }
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.next()
    }
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iter")
    }
}
