//! `RwLock`: many readers or one writer, with std's API and poisoning.

use super::poison::{Before, Flag};
use super::raw_rwlock::RawRwLock;
use crate::context;
use crate::owner::Owner;
use crate::reason::{Thing, Wait};
use crate::suspicion;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::{LockResult, TryLockError, TryLockResult};

/// A lock for many readers or one writer, which parks a green thread where std's blocks its OS thread.
///
/// Readers that come while a writer waits stand behind it; the end of a write admits all readers
/// that wait. So neither kind starves, and reading again while reading may wait for ever.
///
/// It is poisoned by a panic of a writer, as std's; not by a kill or timeout.
///
/// # Examples
///
/// ```
/// use greenloop::sync::RwLock;
///
/// let lock = RwLock::new(5);
/// {
///     let (one, two) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(*one + *two, 10);
/// }
/// *lock.write().unwrap() += 1;
/// assert_eq!(lock.into_inner().unwrap(), 6);
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    /// Who writes.
    owner: Owner,
    poison: Flag,
    value: UnsafeCell<T>,
}

// SAFETY: it owns its value; the queues inside are empty, or it is borrowed and does not move.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: the protocol lets many threads read, hence `Sync`, or one write, hence `Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    /// Creates a lock that is free.
    pub const fn new(value: T) -> Self {
        RwLock {
            raw: RawRwLock::new(),
            owner: Owner::new(),
            poison: Flag::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the value out.
    ///
    /// # Errors
    ///
    /// The value in a [`PoisonError`](std::sync::PoisonError) if the lock is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let RwLock { poison, value, .. } = self;
        poison.result(value.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Locks it for reading; waits while it is held for writing, or a writer waits. Yields only then.
    ///
    /// A kill or timeout unwinds out of the wait.
    ///
    /// # Errors
    ///
    /// The guard in a [`PoisonError`](std::sync::PoisonError) if a writer has panicked.
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        if !self.raw.try_read() {
            self.read_slowly();
        }
        self.poison.result(self.read_guard())
    }

    /// Locks it for reading if that takes no wait.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it does; [`TryLockError::Poisoned`] with the guard if a writer
    /// has panicked.
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        if !self.raw.try_read() {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.poison.result(self.read_guard())?)
    }

    /// Locks it for writing; waits until nobody holds it. Yields only then.
    ///
    /// A kill or timeout unwinds out of the wait.
    ///
    /// # Errors
    ///
    /// The guard in a [`PoisonError`](std::sync::PoisonError) if a writer has panicked.
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        if !self.raw.try_write() {
            self.write_slowly();
        }
        self.poison.result(self.write_guard())
    }

    /// Locks it for writing if that takes no wait.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] if it does; [`TryLockError::Poisoned`] with the guard if a writer
    /// has panicked.
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        if !self.raw.try_write() {
            return Err(TryLockError::WouldBlock);
        }
        Ok(self.poison.result(self.write_guard())?)
    }

    #[cold]
    fn read_slowly(&self) {
        let _waiting = suspicion::raise(true);
        self.raw.read(Wait::on(Thing::RwLockRead, &self.owner));
    }

    #[cold]
    fn write_slowly(&self) {
        let _waiting = suspicion::raise(true);
        self.raw.write(Wait::on(Thing::RwLockWrite, &self.owner));
    }

    /// Has a writer panicked?
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Declares the value sound again.
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// Reaches the value without locking: `&mut self` proves that nobody else does.
    ///
    /// # Errors
    ///
    /// The reference in a [`PoisonError`](std::sync::PoisonError) if the lock is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(self.value.get_mut())
    }

    /// The caller holds it for reading.
    fn read_guard(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard {
            value: NonNull::new(self.value.get()).expect("it is in the lock"),
            raw: &self.raw,
        }
    }

    /// The caller holds it for writing.
    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        let me = context::known_waiter();
        self.owner.enter(me);
        RwLockWriteGuard {
            lock: self,
            before: self.poison.enter(me),
            not_send: PhantomData,
        }
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        RwLock::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        RwLock::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => debug.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
        };
        debug.field("poisoned", &self.is_poisoned());
        debug.finish_non_exhaustive()
    }
}

/// The right to read the value of a [`RwLock`], given back on drop. Dropping it never yields.
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    /// Not a reference: the value may change as soon as the guard is dropped, inside of the call that
    /// drops it. Not `Send`, as std's.
    value: NonNull<T>,
    raw: &'a RawRwLock,
}

// SAFETY: a shared guard only gives out `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

impl<T: ?Sized + RefUnwindSafe> UnwindSafe for RwLockReadGuard<'_, T> {}
impl<T: ?Sized + RefUnwindSafe> RefUnwindSafe for RwLockReadGuard<'_, T> {}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.raw.unlock_read();
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it points into the lock, which is borrowed for 'a, and while this guard holds it for
        // reading, nobody writes.
        unsafe { self.value.as_ref() }
    }
}

/// The right to write the value of a [`RwLock`], given back on drop. Dropping it never yields.
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    before: Before,
    /// As std's: who locked it unlocks it.
    not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard only gives out `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Goes on reading, without a moment in which another could write. Never yields.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let mut writer = lock.write().unwrap();
    /// *writer = 2;
    /// let reader = RwLockWriteGuard::downgrade(writer);
    /// assert_eq!(*reader, 2);
    /// assert!(lock.try_read().is_ok());
    /// ```
    pub fn downgrade(s: Self) -> RwLockReadGuard<'a, T> {
        let lock = s.lock;
        lock.poison.leave(s.before);
        std::mem::forget(s);
        lock.owner.leave();
        lock.raw.downgrade();
        lock.read_guard()
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.poison.leave(self.before);
        self.lock.owner.leave();
        self.lock.raw.unlock_write();
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock for writing, so the value is reached through it alone.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` makes this the only borrow through the guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

macro_rules! shown_as_the_value {
    ($guard:ident) => {
        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

shown_as_the_value!(RwLockReadGuard);
shown_as_the_value!(RwLockWriteGuard);
