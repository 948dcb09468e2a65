//! `Lock`: mutual exclusion inside the runtime, for a few instructions at a time.
//!
//! Not std's or parking_lot's mutex: under a monkey patch those park the green thread, and a worker
//! that holds one while it wakes somebody would wait for itself. This one spins, then naps: what it
//! guards takes nanoseconds, so whoever finds it held for longer waits for one that has lost its
//! CPU, for as long as a time slice, and may as well look again now and then.
//!
//! Rejected: to sleep until the owner wakes the sleeper. Each unlock would have to find out whether
//! anybody sleeps, by a read-modify-write (6 ns, a third of a message through a channel), where a
//! plain store does.
//!
//! States of the word: `FREE` -> `HELD` (whoever takes the lock) -> `FREE` (the same one).

use crate::{clock, futex};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const HELD: u32 = 1;
const SPINS: u32 = 100;
/// Nanoseconds between two looks of one who has spun in vain.
const NAP: u64 = 50_000;

/// See the module; public for the monkey patch alone.
pub struct Lock<T> {
    word: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the word lets one thread at a time reach the value, so sharing the lock only moves `T`
// between threads.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// Makes one that is free.
    pub const fn new(value: T) -> Self {
        Lock {
            word: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock. Never held across a switch of green threads, nor while foreign code runs.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        if !self.try_take() {
            self.take_contended();
        }
        Guard {
            lock: self,
            value: PhantomData,
        }
    }

    #[inline]
    fn try_take(&self) -> bool {
        // Acquire pairs with the Release of `Guard::drop`.
        self.word
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn take_contended(&self) {
        while !self.spin() {
            futex::wait(&self.word, HELD, clock::now() + NAP);
        }
    }

    fn spin(&self) -> bool {
        for _ in 0..SPINS {
            if self.word.load(Ordering::Relaxed) == FREE && self.try_take() {
                return true;
            }
            std::hint::spin_loop();
        }
        false
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

/// The right to the value, given back on drop. It is `Sync` only if the value is, as it gives out
/// references:
///
/// ```compile_fail,E0277
/// use greenloop_runtime::foreign::Guard;
///
/// fn needs_sync<T: Sync>() {}
/// needs_sync::<Guard<'_, u8>>();
/// needs_sync::<Guard<'_, std::cell::Cell<u8>>>();
/// ```
#[expect(
    missing_debug_implementations,
    reason = "public for the monkey patch alone"
)]
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    value: PhantomData<&'a mut T>,
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.word.store(FREE, Ordering::Release);
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock, so no other reference to the value exists but through
        // it.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` makes this the only borrow through the guard.
        unsafe { &mut *self.lock.value.get() }
    }
}
