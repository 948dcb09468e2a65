//! `Semaphore`: so many at a time, gevent's.

use super::permits::Permits;
use crate::clock::{self, NEVER};
use crate::reason::{Thing, Wait};
use crate::waitable::{Linkable, PlaceRef};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A number of permits: who finds none waits for one.
///
/// First come, first served, except that one who already runs may take a free permit before one who was
/// just woken; nobody is passed over so more than once. Anybody may release, also more than was
/// acquired; a [`BoundedSemaphore`](super::BoundedSemaphore) refuses that. [`wait`](crate::wait()) and
/// its kin wait until a permit is free, without taking it.
///
/// # Examples
///
/// ```
/// use greenloop::sync::Semaphore;
/// use greenloop::yield_now;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// let (seats, taken) = (Semaphore::new(2), AtomicUsize::new(0));
/// greenloop::scope(|s| {
///     for _ in 0..10 {
///         s.spawn(|| {
///             let _seat = seats.permit();
///             assert!(taken.fetch_add(1, Ordering::Relaxed) < 2);
///             yield_now();
///             taken.fetch_sub(1, Ordering::Relaxed);
///         });
///     }
/// });
/// assert_eq!(seats.available(), 2);
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl UnwindSafe for Semaphore {}
impl RefUnwindSafe for Semaphore {}

impl Semaphore {
    /// The greatest number of permits.
    pub const MAX: usize = Permits::MAX;

    /// Creates a semaphore with `permits` free permits.
    ///
    /// # Panics
    ///
    /// If that is more than [`MAX`](Semaphore::MAX).
    pub const fn new(permits: usize) -> Self {
        assert!(permits <= Self::MAX, "too many permits");
        Semaphore {
            permits: Permits::new(permits),
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

    /// [`acquire`](Semaphore::acquire), for at most `timeout`; false if the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::Semaphore;
    /// use std::time::Duration;
    ///
    /// let semaphore = Semaphore::new(1);
    /// assert!(semaphore.try_acquire());
    /// assert!(!semaphore.acquire_timeout(Duration::from_millis(1)));
    /// semaphore.release();
    /// assert!(semaphore.acquire_timeout(Duration::from_millis(1)));
    /// ```
    #[must_use = "if it is true, a permit has been taken"]
    pub fn acquire_timeout(&self, timeout: Duration) -> bool {
        self.permits.acquire(clock::deadline(timeout), self.why())
    }

    /// Gives a permit back, or adds one. Never yields.
    ///
    /// # Panics
    ///
    /// If [`MAX`](Semaphore::MAX) permits are free.
    pub fn release(&self) {
        let released = self.permits.release(Self::MAX);
        assert!(released, "too many permits");
    }

    /// [`acquire`](Semaphore::acquire), with a guard that releases.
    pub fn permit(&self) -> SemaphorePermit<'_> {
        self.acquire();
        SemaphorePermit(self)
    }

    /// Returns how many permits are free now.
    pub fn available(&self) -> usize {
        self.permits.available()
    }
}

impl Default for Semaphore {
    /// One permit, as in Python.
    fn default() -> Self {
        Semaphore::new(1)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}

/// A permit of a [`Semaphore`], released on drop; that never yields.
#[must_use = "if unused the permit is released at once"]
#[derive(Debug)]
pub struct SemaphorePermit<'a>(&'a Semaphore);

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        // Were there no room, by releases out of nothing, it would be one of those.
        self.0.permits.release(Semaphore::MAX);
    }
}

impl Linkable for Semaphore {
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
