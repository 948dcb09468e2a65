//! `Mutex`: mutual exclusion, with std's API and poisoning.

use super::owned::Owned;
use super::poison::{Before, Flag};
use crate::clock::NEVER;
use crate::context;
use crate::reason::Thing;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockError, TryLockResult};

/// A mutual exclusion that parks a green thread, where std's blocks its OS thread.
///
/// May be held across a wait. First come, first served, except that one who already runs may take a
/// free mutex before one who was just woken; nobody is passed over so more than once.
///
/// It is poisoned by a panic of its holder, as std's. A holder that is killed or timed out leaves it
/// unpoisoned.
///
/// # Examples
///
/// ```
/// use greenloop::sync::{Arc, Mutex};
/// use greenloop::{joinall, spawn, yield_now};
///
/// let count = Arc::new(Mutex::new(0));
/// joinall((0..10).map(|_| {
///     let count = count.clone();
///     spawn(move || {
///         let mut count = count.lock().unwrap();
///         yield_now(); // the others wait, their worker does not
///         *count += 1;
///     })
/// }));
/// assert_eq!(*count.lock().unwrap(), 10);
/// ```
pub struct Mutex<T: ?Sized> {
    permit: Owned,
    poison: Flag,
    value: UnsafeCell<T>,
}

// SAFETY: it owns its value; the queues inside are empty, or it is borrowed and does not move.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the one permit lets one thread at a time reach the value, so sharing only moves `T`.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// Creates a mutex that is free.
    pub const fn new(value: T) -> Self {
        Mutex {
            permit: Owned::new(),
            poison: Flag::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the value out.
    ///
    /// # Errors
    ///
    /// The value in a [`PoisonError`](std::sync::PoisonError) if the mutex is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let Mutex { poison, value, .. } = self;
        poison.result(value.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks it; waits until it is free. Yields only then.
    ///
    /// Locking it again while holding it waits for ever, which is
    /// [reported](crate::inspect::on_deadlock). A kill or timeout unwinds out of the wait.
    ///
    /// # Errors
    ///
    /// The guard in a [`PoisonError`](std::sync::PoisonError) if a holder has panicked.
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.permit.acquire(NEVER, Thing::Mutex);
        self.poison.result(self.guard())
    }

    /// Locks it if it is free; never waits.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it is not; [`TryLockError::Poisoned`] with the guard if a
    /// holder has panicked.
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        if !self.permit.try_acquire() {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.poison.result(self.guard())?)
    }

    /// Has a holder panicked?
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Declares the value sound again.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::Mutex;
    ///
    /// let mutex = Mutex::new(1);
    /// greenloop::scope(|s| {
    ///     let broken = s.spawn(|| {
    ///         let _guard = mutex.lock();
    ///         panic!("half done");
    ///     });
    ///     assert!(broken.join().is_err());
    /// });
    /// let mut guard = mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    /// *guard = 2;
    /// mutex.clear_poison();
    /// assert!(!mutex.is_poisoned());
    /// ```
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// Reaches the value without locking: `&mut self` proves that nobody else does.
    ///
    /// # Errors
    ///
    /// The reference in a [`PoisonError`](std::sync::PoisonError) if the mutex is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(self.value.get_mut())
    }

    /// The caller has the permit.
    #[inline]
    fn guard(&self) -> MutexGuard<'_, T> {
        let me = context::known_waiter();
        self.permit.enter(me);
        MutexGuard {
            lock: self,
            before: self.poison.enter(me),
            not_send: PhantomData,
        }
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => debug.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &"<locked>"),
        };
        debug.field("poisoned", &self.is_poisoned());
        debug.finish_non_exhaustive()
    }
}

/// The right to the value of a [`Mutex`], given back on drop. Dropping it never yields.
///
/// ```compile_fail
/// fn needs_send(_: impl Send) {}
/// needs_send(greenloop::sync::Mutex::new(()).lock());
/// ```
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized> {
    lock: &'a Mutex<T>,
    before: Before,
    /// As std's: who locked it unlocks it.
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard only gives out `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// For `Condvar`: calls `wait` with the means to unlock the mutex, and locks it again. If `wait` or the
    /// lock unwinds, the mutex is not held any more, and what `wait` returned is dropped.
    pub(super) fn unlocked<R>(
        self,
        wait: impl FnOnce(&dyn Fn()) -> R,
    ) -> (LockResult<MutexGuard<'a, T>>, R) {
        let (lock, before) = (self.lock, self.before);
        std::mem::forget(self);
        let result = wait(&|| {
            lock.permit.release();
        });
        lock.permit.acquire(NEVER, Thing::Mutex);
        lock.permit.enter(context::known_waiter());
        let guard = MutexGuard {
            lock,
            before,
            not_send: PhantomData,
        };
        (lock.poison.result(guard), result)
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.poison.leave(self.before);
        self.lock.permit.release();
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard has the permit, so the value is reached through it alone.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` makes this the only borrow through the guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
