//! An atomic of loom's that is made at its first use: those of the runtime are made in constants.
//! A model uses each once before it has other threads: loom wants to see that they come after.

use loom::sync::atomic::{self, Ordering};
use std::sync::OnceLock;

#[derive(Debug)]
pub(crate) struct AtomicUsize {
    first: usize,
    made: OnceLock<atomic::AtomicUsize>,
}

impl AtomicUsize {
    pub(crate) const fn new(first: usize) -> Self {
        AtomicUsize {
            first,
            made: OnceLock::new(),
        }
    }

    fn made(&self) -> &atomic::AtomicUsize {
        self.made
            .get_or_init(|| atomic::AtomicUsize::new(self.first))
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.made().load(order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        self.made().compare_exchange(current, new, success, failure)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        self.made()
            .compare_exchange_weak(current, new, success, failure)
    }

    pub(crate) fn swap(&self, new: usize, order: Ordering) -> usize {
        self.made().swap(new, order)
    }

    pub(crate) fn fetch_add(&self, more: usize, order: Ordering) -> usize {
        self.made().fetch_add(more, order)
    }

    pub(crate) fn fetch_sub(&self, less: usize, order: Ordering) -> usize {
        self.made().fetch_sub(less, order)
    }

    pub(crate) fn fetch_and(&self, mask: usize, order: Ordering) -> usize {
        self.made().fetch_and(mask, order)
    }
}
