//! `AsyncResult`: a value that comes later, gevent's.

use super::event::Event;
use super::once_lock::OnceLock;
use crate::timeout::Elapsed;
use crate::waitable::{Linkable, PlaceRef};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A value that one sets, once, and many wait for.
///
/// For something that may fail, let it be a `Result`.
///
/// # Examples
///
/// ```
/// use greenloop::spawn;
/// use greenloop::sync::{Arc, AsyncResult};
///
/// let answer = Arc::new(AsyncResult::new());
/// let asked = answer.clone();
/// spawn(move || asked.set("6 × 9".parse::<u32>()).unwrap());
/// assert!(answer.get().is_err());
/// ```
pub struct AsyncResult<T> {
    value: OnceLock<T>,
    /// Set once there is a value.
    ready: Event,
}

impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for AsyncResult<T> {}
impl<T: UnwindSafe> UnwindSafe for AsyncResult<T> {}

impl<T> AsyncResult<T> {
    /// Creates one without a value.
    pub const fn new() -> Self {
        AsyncResult {
            value: OnceLock::new(),
            ready: Event::new(),
        }
    }

    /// Sets the value, and wakes all who wait, in order.
    ///
    /// # Errors
    ///
    /// The value itself if there is one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.ready.set();
        Ok(())
    }

    /// Is there a value?
    pub fn is_ready(&self) -> bool {
        self.value.get().is_some()
    }

    /// Waits for the value. Yields unless it is there.
    ///
    /// A kill or timeout unwinds out of the wait.
    pub fn wait(&self) -> &T {
        if !self.is_ready() {
            self.ready.wait();
        }
        self.value.get().expect("it is set before it is ready")
    }

    /// [`wait`](AsyncResult::wait), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if the time is over.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<&T, Elapsed> {
        if !self.is_ready() && !self.ready.wait_timeout(timeout) {
            return Err(Elapsed::new());
        }
        Ok(self.value.get().expect("it is set before it is ready"))
    }

    /// Waits for the value, and returns a clone of it. Yields unless it is there.
    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.wait().clone()
    }

    /// [`get`](AsyncResult::get), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::AsyncResult;
    /// use std::time::Duration;
    ///
    /// let result = AsyncResult::new();
    /// assert!(result.get_timeout(Duration::from_millis(1)).is_err());
    /// assert_eq!(result.set(1), Ok(()));
    /// assert_eq!(result.set(2), Err(2));
    /// assert_eq!(result.get_timeout(Duration::ZERO), Ok(1));
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, Elapsed>
    where
        T: Clone,
    {
        self.wait_timeout(timeout).cloned()
    }

    /// Returns a clone of the value if it is there; never waits.
    pub fn try_get(&self) -> Option<T>
    where
        T: Clone,
    {
        self.value.get().cloned()
    }

    /// Takes the value out, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }
}

impl<T> Default for AsyncResult<T> {
    fn default() -> Self {
        AsyncResult::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for AsyncResult<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("AsyncResult");
        match self.value.get() {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<not ready>")),
        };
        debug.finish()
    }
}

impl<T> Linkable for AsyncResult<T> {
    fn is_ready(&self) -> bool {
        self.ready.is_ready()
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        // SAFETY: the caller's word.
        unsafe { self.ready.link(place) }
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.ready.unlink(place) };
    }
}
