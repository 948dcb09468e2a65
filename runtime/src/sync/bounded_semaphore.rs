//! `BoundedSemaphore`: a semaphore that refuses more releases than acquisitions.

use super::permits::Permits;
use crate::clock::{self, NEVER};
use crate::reason::{Thing, Wait};
use crate::waitable::{Linkable, PlaceRef};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A [`Semaphore`](super::Semaphore) that never has more permits than it began with: releasing once too
/// often, most often a mistake, is an error.
///
/// # Examples
///
/// ```
/// use greenloop::sync::{BoundedSemaphore, OverReleased};
///
/// let semaphore = BoundedSemaphore::new(1);
/// semaphore.acquire();
/// assert_eq!(semaphore.release(), Ok(()));
/// assert_eq!(semaphore.release(), Err(OverReleased));
/// assert_eq!(semaphore.available(), 1);
/// ```
pub struct BoundedSemaphore {
    permits: Permits,
    most: usize,
}

impl UnwindSafe for BoundedSemaphore {}
impl RefUnwindSafe for BoundedSemaphore {}

impl BoundedSemaphore {
    /// Creates a semaphore with `permits` permits, all free.
    ///
    /// # Panics
    ///
    /// If that is more than [`Semaphore::MAX`](super::Semaphore::MAX).
    pub const fn new(permits: usize) -> Self {
        assert!(permits <= Permits::MAX, "too many permits");
        BoundedSemaphore {
            permits: Permits::new(permits),
            most: permits,
        }
    }

    /// Takes a permit; waits until one is free. Yields only then.
    ///
    /// A kill or timeout unwinds out of the wait, and takes no permit.
    pub fn acquire(&self) {
        self.permits.acquire(NEVER, self.why());
    }

    fn why(&self) -> Wait {
        Wait::on(Thing::Semaphore, self)
    }

    /// Takes a permit if one is free; never waits.
    #[must_use = "if it is true, a permit has been taken"]
    pub fn try_acquire(&self) -> bool {
        self.permits.try_acquire()
    }

    /// [`acquire`](BoundedSemaphore::acquire), for at most `timeout`; false if the time is over.
    #[must_use = "if it is true, a permit has been taken"]
    pub fn acquire_timeout(&self, timeout: Duration) -> bool {
        self.permits.acquire(clock::deadline(timeout), self.why())
    }

    /// Gives a permit back. Never yields.
    ///
    /// # Errors
    ///
    /// [`OverReleased`] if all permits are free: nothing changes.
    pub fn release(&self) -> Result<(), OverReleased> {
        if self.permits.release(self.most) {
            Ok(())
        } else {
            Err(OverReleased)
        }
    }

    /// [`acquire`](BoundedSemaphore::acquire), with a guard that releases.
    pub fn permit(&self) -> BoundedSemaphorePermit<'_> {
        self.acquire();
        BoundedSemaphorePermit(self)
    }

    /// Returns how many permits are free now.
    pub fn available(&self) -> usize {
        self.permits.available()
    }
}

impl Default for BoundedSemaphore {
    /// One permit, as in Python.
    fn default() -> Self {
        BoundedSemaphore::new(1)
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("available", &self.available())
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

/// A permit of a [`BoundedSemaphore`], released on drop; that never yields.
#[must_use = "if unused the permit is released at once"]
#[derive(Debug)]
pub struct BoundedSemaphorePermit<'a>(&'a BoundedSemaphore);

impl Drop for BoundedSemaphorePermit<'_> {
    fn drop(&mut self) {
        // An error says that somebody released it by hand: all are free, as they should be.
        let _ = self.0.release();
    }
}

/// The error of a [`BoundedSemaphore`] that was released more often than acquired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OverReleased;

impl fmt::Display for OverReleased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore released too many times")
    }
}

impl std::error::Error for OverReleased {}

impl Linkable for BoundedSemaphore {
    fn is_ready(&self) -> bool {
        self.permits.is_ready()
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        // SAFETY: the caller's word.
        unsafe { self.permits.link(place) }
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.permits.unlink(place) };
    }
}
