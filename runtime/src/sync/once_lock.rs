//! `OnceLock`: a value that is written once, with std's API.

use super::once::Once;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// A cell that can be written once, from any thread.
///
/// # Examples
///
/// ```
/// use greenloop::sync::OnceLock;
///
/// static CONFIG: OnceLock<String> = OnceLock::new();
///
/// assert!(CONFIG.get().is_none());
/// assert_eq!(CONFIG.get_or_init(|| "read once".into()), "read once");
/// assert_eq!(CONFIG.set("again".into()), Err("again".into()));
/// ```
pub struct OnceLock<T> {
    once: Once,
    /// Written by the one who runs `once`; there, and never written again, once that is complete.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is written by one thread and read by others, after the completion of `once`; it may
// be dropped by another thread than the writer.
unsafe impl<T: Sync + Send> Sync for OnceLock<T> {}

impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Creates an empty cell.
    pub const fn new() -> OnceLock<T> {
        OnceLock {
            once: Once::new(),
            value: UnsafeCell::new(None),
        }
    }

    /// Returns the value if there is one. Never waits.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.once.is_completed() {
            // SAFETY: it is complete, so nobody writes the value any more but through `&mut self`.
            unsafe { &*self.value.get() }.as_ref()
        } else {
            None
        }
    }

    /// Returns the value if there is one.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// Waits until there is a value. Yields.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::OnceLock;
    ///
    /// let cell = OnceLock::new();
    /// greenloop::scope(|s| {
    ///     s.spawn(|| cell.set(5));
    ///     assert_eq!(cell.wait(), &5);
    /// });
    /// ```
    pub fn wait(&self) -> &T {
        self.once.wait_force();
        self.get().expect("it is complete")
    }

    /// Writes the value. Waits, and yields, only while another one is being made.
    ///
    /// # Errors
    ///
    /// The value itself if there is one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        // SAFETY: whoever runs `once` does so alone, so nobody else reaches the value.
        self.once
            .call_once_force(|_| unsafe { *self.value.get() = value.take() });
        value.map_or(Ok(()), Err)
    }

    /// Returns the value; if there is none, the one that `f` makes. Waits, and yields, while another
    /// one is being made.
    ///
    /// If `f` panics, or is killed, the cell stays empty. Using the cell inside of `f` waits for ever.
    ///
    /// # Panics
    ///
    /// With `f`'s panic.
    #[inline]
    pub fn get_or_init<F>(&self, f: F) -> &T
    where
        F: FnOnce() -> T,
    {
        self.once.call_once_force(|_| {
            let value = f();
            // SAFETY: whoever runs `once` does so alone, so nobody else reaches the value.
            unsafe { *self.value.get() = Some(value) };
        });
        self.get().expect("it is complete")
    }

    /// Takes the value out of the cell, and the cell with it.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out, and leaves the cell empty.
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> OnceLock<T> {
        OnceLock::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> OnceLock<T> {
        self.get()
            .cloned()
            .map_or_else(OnceLock::new, OnceLock::from)
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        let cell = OnceLock::new();
        let written = cell.set(value);
        debug_assert!(written.is_ok(), "it is new");
        cell
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &OnceLock<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}
