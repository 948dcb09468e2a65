//! `ReentrantMutex`: a mutex that its owner may lock again; Python's `RLock`.

use super::owned::Owned;
use crate::clock::{self, NEVER};
use crate::context;
use crate::reason::Thing;
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A mutex that the green thread (or OS thread) that holds it may lock again.
///
/// Since one thread may have several guards, they give shared access: put a `Cell` or `RefCell` inside
/// to change the value. It is never poisoned. Who is served next is as with [`Mutex`](super::Mutex).
///
/// # Examples
///
/// ```
/// use greenloop::sync::ReentrantMutex;
/// use std::cell::RefCell;
///
/// let list = ReentrantMutex::new(RefCell::new(vec![1]));
/// let push = |n| list.lock().borrow_mut().push(n);
/// let guard = list.lock();
/// push(2); // locks it once more
/// assert_eq!(*guard.borrow(), [1, 2]);
/// ```
pub struct ReentrantMutex<T: ?Sized> {
    /// Its owner's number is trusted by the owner alone: nobody else writes that.
    permit: Owned,
    /// How many guards the owner has. The owner's own.
    depth: Cell<usize>,
    value: T,
}

// SAFETY: it owns its value; the queues inside are empty, or it is borrowed and does not move.
unsafe impl<T: ?Sized + Send> Send for ReentrantMutex<T> {}
// SAFETY: `depth` and the value are reached by the owner alone, one thread at a time: sharing the mutex
// moves `T` between threads, but never shares it.
unsafe impl<T: ?Sized + Send> Sync for ReentrantMutex<T> {}

impl<T: ?Sized + UnwindSafe> UnwindSafe for ReentrantMutex<T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for ReentrantMutex<T> {}

impl<T> ReentrantMutex<T> {
    /// Creates a mutex that is free.
    pub const fn new(value: T) -> Self {
        ReentrantMutex {
            permit: Owned::new(),
            depth: Cell::new(0),
            value,
        }
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: ?Sized> ReentrantMutex<T> {
    /// Locks it; waits while another thread holds it. Yields only then.
    ///
    /// A kill or timeout unwinds out of the wait.
    ///
    /// # Panics
    ///
    /// If the caller holds it `usize::MAX` times.
    pub fn lock(&self) -> ReentrantMutexGuard<'_, T> {
        self.lock_until(NEVER).expect("there is no end of time")
    }

    /// Locks it if no other thread holds it; never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::ReentrantMutex;
    ///
    /// let mutex = ReentrantMutex::new(());
    /// let _guard = mutex.lock();
    /// assert!(mutex.try_lock().is_some());
    /// greenloop::scope(|s| {
    ///     s.spawn(|| assert!(mutex.try_lock().is_none()));
    /// });
    /// ```
    pub fn try_lock(&self) -> Option<ReentrantMutexGuard<'_, T>> {
        self.lock_by(|| self.permit.try_acquire())
    }

    /// [`lock`](ReentrantMutex::lock), for at most `timeout`; none if the time is over.
    pub fn lock_timeout(&self, timeout: Duration) -> Option<ReentrantMutexGuard<'_, T>> {
        self.lock_until(clock::deadline(timeout))
    }

    /// Does anybody hold it?
    pub fn is_locked(&self) -> bool {
        self.permit.is_taken()
    }

    /// Reaches the value without locking: `&mut self` proves that nobody else does.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    fn lock_until(&self, deadline: u64) -> Option<ReentrantMutexGuard<'_, T>> {
        self.lock_by(|| self.permit.acquire(deadline, Thing::ReentrantMutex))
    }

    fn lock_by(&self, acquire: impl FnOnce() -> bool) -> Option<ReentrantMutexGuard<'_, T>> {
        // The caller has a number from now on.
        let me = context::waiter();
        // SAFETY: the slot of whoever runs is in use.
        let number = unsafe { me.thread() }.number().get();
        if self.permit.owner() != number {
            if !acquire() {
                return None;
            }
            self.permit.enter(Some(me));
        }
        let depth = self.depth.get().checked_add(1);
        self.depth.set(depth.expect("locked too often"));
        Some(ReentrantMutexGuard {
            lock: self,
            not_send: PhantomData,
        })
    }
}

impl<T> From<T> for ReentrantMutex<T> {
    fn from(value: T) -> Self {
        ReentrantMutex::new(value)
    }
}

impl<T: Default> Default for ReentrantMutex<T> {
    fn default() -> Self {
        ReentrantMutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ReentrantMutex");
        match self.try_lock() {
            Some(guard) => debug.field("data", &&*guard),
            None => debug.field("data", &format_args!("<locked>")),
        };
        debug.finish_non_exhaustive()
    }
}

/// The right to share the value of a [`ReentrantMutex`] with the other guards of the same thread, given
/// back on drop. Dropping it never yields.
///
/// ```compile_fail
/// fn needs_send(_: impl Send) {}
/// needs_send(greenloop::sync::ReentrantMutex::new(()).lock());
/// ```
#[must_use = "if unused the ReentrantMutex will immediately unlock"]
pub struct ReentrantMutexGuard<'a, T: ?Sized> {
    lock: &'a ReentrantMutex<T>,
    /// Only the owner may touch `depth`.
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard only gives out `&T`.
unsafe impl<T: ?Sized + Sync> Sync for ReentrantMutexGuard<'_, T> {}

impl<T: ?Sized> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        let depth = self.lock.depth.get() - 1;
        self.lock.depth.set(depth);
        if depth == 0 {
            self.lock.permit.release();
        }
    }
}

impl<T: ?Sized> Deref for ReentrantMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.lock.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
