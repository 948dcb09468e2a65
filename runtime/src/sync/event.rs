//! `Event`: a flag that can be waited for, gevent's.

use crate::clock::{self, NEVER};
use crate::lock::Lock;
use crate::reason::{Thing, Wait};
use crate::wait_queue::{self, WaitQueue};
use crate::waitable::{Linkable, PlaceRef};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// A flag: unset at first, set and cleared by anybody, and waited for by many.
///
/// Setting it wakes all who wait, even if it is cleared at once: their waits have succeeded.
///
/// # Examples
///
/// ```
/// use greenloop::sync::Event;
///
/// let ready = Event::new();
/// greenloop::scope(|s| {
///     for _ in 0..3 {
///         s.spawn(|| ready.wait());
///     }
///     ready.set();
/// });
/// assert!(ready.is_set());
/// ```
pub struct Event {
    /// `SET`: anybody, while nobody waits; with the lock held if `WAITED`. `WAITED`: with the lock held, and
    /// only from an unset flag.
    word: AtomicU8,
    waiters: Lock<WaitQueue>,
}

const SET: u8 = 1;
/// Somebody may be in the queue.
const WAITED: u8 = 2;

impl UnwindSafe for Event {}
impl RefUnwindSafe for Event {}

impl Event {
    /// Creates an event that is not set.
    pub const fn new() -> Self {
        Event {
            word: AtomicU8::new(0),
            waiters: Lock::new(WaitQueue::new()),
        }
    }

    /// Is it set?
    #[inline]
    pub fn is_set(&self) -> bool {
        // Acquire pairs with the Release of `set`: what was done before it has happened.
        self.word.load(Ordering::Acquire) & SET != 0
    }

    /// Sets it, and wakes all who wait now, in order. Never yields.
    pub fn set(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & WAITED == 0 {
            match self.exchange(word, SET) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
        self.set_slowly();
    }

    #[cold]
    fn set_slowly(&self) {
        let waiters = self.waiters.lock();
        // Release pairs with the Acquire of `is_set`. Nobody waits any more.
        self.word.store(SET, Ordering::Release);
        waiters.wake_all();
    }

    /// Clears it: who waits from now on waits for the next [`set`](Event::set). Never yields.
    pub fn clear(&self) {
        self.word.fetch_and(!SET, Ordering::Relaxed);
    }

    /// Waits until it is set. Yields unless it is.
    ///
    /// A kill or timeout unwinds out of the wait.
    pub fn wait(&self) {
        self.wait_until(NEVER);
    }

    /// [`wait`](Event::wait), for at most `timeout`; says whether it was set.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::Event;
    /// use std::time::Duration;
    ///
    /// let event = Event::new();
    /// assert!(!event.wait_timeout(Duration::from_millis(1)));
    /// event.set();
    /// assert!(event.wait_timeout(Duration::ZERO));
    /// ```
    #[must_use = "it says whether the event was set"]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(clock::deadline(timeout))
    }

    fn wait_until(&self, deadline: u64) -> bool {
        if self.is_set() {
            return true;
        }
        let waiters = self.waiters.lock();
        if !self.announce() {
            return true;
        }
        if super::is_over(deadline) {
            return false;
        }
        // All are woken together, so whoever is killed has nothing to pass on.
        let why = Wait::on(Thing::Event, self);
        wait_queue::wait(
            &self.waiters,
            waiters,
            |waiters| waiters,
            deadline,
            why,
            |_| None,
        )
        .1
    }

    /// With the lock held: sees to it that the next `set` comes to the queue; false if it has come.
    fn announce(&self) -> bool {
        self.exchange(0, WAITED)
            .map_or_else(|word| word & SET == 0, |_| true)
    }

    fn exchange(&self, word: u8, new: u8) -> Result<u8, u8> {
        self.word
            .compare_exchange(word, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

impl Default for Event {
    fn default() -> Self {
        Event::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .finish_non_exhaustive()
    }
}

impl Linkable for Event {
    fn is_ready(&self) -> bool {
        self.is_set()
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        let waiters = self.waiters.lock();
        let links = self.announce();
        if links {
            // SAFETY: the caller's word.
            unsafe { waiters.push(place.0) };
        }
        links
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.waiters.lock().remove(place.0) };
    }
}
