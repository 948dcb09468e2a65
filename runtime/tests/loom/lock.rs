//! `Lock`, on loom's park. Not on loom's mutex, which is poisoned when any thread of the model
//! unwinds, as the killed do.

use crate::late::AtomicUsize;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use loom::thread::{self, Thread};
use std::cell::{RefCell, UnsafeCell};
use std::ops::{Deref, DerefMut};

pub(crate) struct Lock<T> {
    held: AtomicUsize,
    /// Loom switches at its own calls only, so this is touched by one thread at a time.
    sleepers: RefCell<Vec<Thread>>,
    value: UnsafeCell<T>,
}

// SAFETY: `held` lets one thread at a time reach the value; for `sleepers` see there.
unsafe impl<T: Send> Sync for Lock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Lock {
            held: AtomicUsize::new(0),
            sleepers: RefCell::new(Vec::new()),
            value: UnsafeCell::new(value),
        }
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        while self.held.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            self.sleepers.borrow_mut().push(thread::current());
            thread::park();
        }
        Guard { lock: self }
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Lock::new(T::default())
    }
}

impl<T> std::fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lock")
    }
}

pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.lock.held.swap(0, AcqRel);
        let sleepers = self.lock.sleepers.take();
        sleepers.iter().for_each(Thread::unpark);
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { &mut *self.lock.value.get() }
    }
}
