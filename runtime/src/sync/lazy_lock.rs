//! `LazyLock`: a value that is made when it is first used, with std's API.

use super::once::Once;
use crate::interrupt::shield;
use std::cell::UnsafeCell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A value that the first access makes, from whatever thread.
///
/// If the initialiser panics, so does every access from then on. A kill or timeout has to wait until
/// it is done, as in a [`shield`](crate::shield()): it can run only once, and all others would be left
/// without the value.
///
/// # Examples
///
/// ```
/// use greenloop::sync::LazyLock;
///
/// static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| "made at first use".split(' ').collect());
///
/// assert_eq!(WORDS.len(), 4);
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    once: Once,
    /// Changed by the one who runs `once`; a `Value`, and never changed again, once that is complete.
    data: UnsafeCell<Data<T, F>>,
}

enum Data<T, F> {
    Unmade(F),
    Value(T),
    /// The initialiser runs, or has panicked.
    Nothing,
}

// SAFETY: as for `OnceLock`; the initialiser is called by one thread, and never shared.
unsafe impl<T: Sync + Send, F: Send> Sync for LazyLock<T, F> {}

impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Creates a value that `f` will make.
    pub const fn new(f: F) -> LazyLock<T, F> {
        LazyLock {
            once: Once::new(),
            data: UnsafeCell::new(Data::Unmade(f)),
        }
    }

    /// Makes the value if it has not been made, and returns it. Waits, and yields, while another
    /// thread makes it; using it inside of its own initialiser waits for ever.
    ///
    /// # Panics
    ///
    /// With the initialiser's panic, or if that has panicked before.
    #[inline]
    #[track_caller]
    pub fn force(this: &LazyLock<T, F>) -> &T {
        this.once.call_once_force(|_| {
            // SAFETY: whoever runs `once` does so alone, so nobody else reaches the data.
            unsafe { &mut *this.data.get() }.make();
        });
        LazyLock::get(this).expect("it is complete")
    }

    /// Makes the value if it has not been made, and returns it.
    ///
    /// # Panics
    ///
    /// As [`force`](LazyLock::force).
    #[track_caller]
    pub fn force_mut(this: &mut LazyLock<T, F>) -> &mut T {
        LazyLock::force(this);
        LazyLock::get_mut(this).expect("it has been made")
    }
}

impl<T, F> LazyLock<T, F> {
    /// Returns the value if it has been made.
    pub fn get_mut(this: &mut LazyLock<T, F>) -> Option<&mut T> {
        match this.data.get_mut() {
            Data::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the value if it has been made. Never waits.
    #[inline]
    pub fn get(this: &LazyLock<T, F>) -> Option<&T> {
        if !this.once.is_completed() {
            return None;
        }
        // SAFETY: it is complete, so nobody changes the data any more but through `&mut`.
        match unsafe { &*this.data.get() } {
            Data::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl<T, F: FnOnce() -> T> Data<T, F> {
    #[cold]
    fn make(&mut self) {
        match std::mem::replace(self, Data::Nothing) {
            Data::Unmade(f) => *self = Data::Value(shield(f)),
            _ => panic!("LazyLock instance has previously been poisoned"),
        }
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        LazyLock::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        LazyLock::force_mut(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> LazyLock<T> {
        LazyLock::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("LazyLock");
        match LazyLock::get(self) {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
