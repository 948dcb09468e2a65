//! Atomics that are made in constants, or by any thread, as the runtime's are.
//!
//! Loom wants to see that one is older than every thread but the first, so each execution begins
//! with a heap of loom's own, of which one is taken at the first use.

use loom::sync::atomic::{self, Ordering};
use std::cell::RefCell;
use std::sync::OnceLock;

/// The most that a model uses.
const MOST: usize = 20;

thread_local! {
    /// Those of the execution under way that nobody has used; all of its threads are on one thread
    /// of std's.
    static HEAP: RefCell<Vec<atomic::AtomicUsize>> = const { RefCell::new(Vec::new()) };
}

/// Runs one execution of a model.
pub(crate) fn with_heap(model: impl Fn()) {
    HEAP.set((0..MOST).map(|_| atomic::AtomicUsize::new(0)).collect());
    model();
    drop(HEAP.take());
}

/// One of the heap, which holds the distance from `first`: all begin with 0.
#[derive(Debug)]
pub(crate) struct AtomicUsize {
    first: usize,
    taken: OnceLock<atomic::AtomicUsize>,
}

impl AtomicUsize {
    pub(crate) const fn new(first: usize) -> Self {
        AtomicUsize {
            first,
            taken: OnceLock::new(),
        }
    }

    fn inner(&self) -> &atomic::AtomicUsize {
        let take = || HEAP.with_borrow_mut(Vec::pop).expect("there are enough");
        self.taken.get_or_init(take)
    }

    fn distance(&self, value: usize) -> usize {
        value.wrapping_sub(self.first)
    }

    fn value(&self, distance: usize) -> usize {
        distance.wrapping_add(self.first)
    }

    /// For what changes these bits alone: they are the same in the distance.
    fn with_plain(&self, bits: usize) -> &atomic::AtomicUsize {
        let blurred = self.first | self.first.wrapping_neg();
        assert_eq!(blurred & bits, 0, "a carry may have come to them");
        self.inner()
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.value(self.inner().load(order))
    }

    pub(crate) fn store(&self, new: usize, order: Ordering) {
        self.inner().store(self.distance(new), order);
    }

    pub(crate) fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        let (current, new) = (self.distance(current), self.distance(new));
        let result = self
            .inner()
            .compare_exchange(current, new, success, failure);
        result.map(|it| self.value(it)).map_err(|it| self.value(it))
    }

    /// Loom's never fails without a reason either.
    pub(crate) fn compare_exchange_weak(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        self.compare_exchange(current, new, success, failure)
    }

    pub(crate) fn swap(&self, new: usize, order: Ordering) -> usize {
        self.value(self.inner().swap(self.distance(new), order))
    }

    pub(crate) fn fetch_add(&self, more: usize, order: Ordering) -> usize {
        self.value(self.inner().fetch_add(more, order))
    }

    pub(crate) fn fetch_sub(&self, less: usize, order: Ordering) -> usize {
        self.value(self.inner().fetch_sub(less, order))
    }

    pub(crate) fn fetch_and(&self, mask: usize, order: Ordering) -> usize {
        self.value(self.with_plain(!mask).fetch_and(mask, order))
    }

    pub(crate) fn fetch_or(&self, mask: usize, order: Ordering) -> usize {
        self.value(self.with_plain(mask).fetch_or(mask, order))
    }
}

/// The same for a smaller type; `$from_usize` is the way back.
macro_rules! smaller {
    ($name:ident, $value:ty, $from_usize:expr) => {
        #[derive(Debug)]
        pub(crate) struct $name(AtomicUsize);

        impl $name {
            pub(crate) const fn new(first: $value) -> Self {
                $name(AtomicUsize::new(first as usize))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                $from_usize(self.0.load(order))
            }

            pub(crate) fn store(&self, new: $value, order: Ordering) {
                self.0.store(new as usize, order);
            }
        }
    };
}

smaller!(AtomicBool, bool, |value| value != 0);
smaller!(AtomicU8, u8, |value| value as u8);
