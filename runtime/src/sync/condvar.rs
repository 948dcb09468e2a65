//! `Condvar`: waiting, with a mutex set aside, for somebody to say that something has changed.

use super::mutex::MutexGuard;
use crate::atomic::{AtomicBool, Ordering};
use crate::clock;
use crate::lock::Lock;
use crate::reason::{Thing, Wait};
use crate::wait_queue::{self, WaitQueue};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

/// A condition variable with std's API: first come, first served.
///
/// A kill or timeout unwinds out of a wait without the mutex, and a notification that had already
/// come goes to the next one who waits.
///
/// # Examples
///
/// ```
/// use greenloop::spawn;
/// use greenloop::sync::{Arc, Condvar, Mutex};
///
/// let pair = Arc::new((Mutex::new(false), Condvar::new()));
/// let theirs = pair.clone();
/// spawn(move || {
///     *theirs.0.lock().unwrap() = true;
///     theirs.1.notify_one();
/// });
/// let (ready, changed) = &*pair;
/// let guard = changed.wait_while(ready.lock().unwrap(), |ready| !*ready).unwrap();
/// assert!(*guard);
/// ```
pub struct Condvar {
    /// Somebody may be in the queue. Written under its lock; whoever unlocked the mutex since has it
    /// before the notifier that locks it next.
    waited: AtomicBool,
    waiters: Lock<WaitQueue>,
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl Condvar {
    /// Creates one for which nobody waits.
    pub const fn new() -> Self {
        Condvar {
            waited: AtomicBool::new(false),
            waiters: Lock::new(WaitQueue::new()),
        }
    }

    /// Unlocks the mutex and waits for a notification, then locks it again. Yields.
    ///
    /// # Errors
    ///
    /// The guard in a [`PoisonError`] if the mutex is poisoned by then.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, clock::NEVER).0
    }

    /// Waits until `condition` is false; does not wait if it is so at once.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Condvar::wait).
    pub fn wait_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> LockResult<MutexGuard<'a, T>>
    where
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// [`wait`](Condvar::wait), for at most `dur`, and the time until the mutex is free.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// let (mutex, changed) = (Mutex::new(()), Condvar::new());
    /// let guard = mutex.lock().unwrap();
    /// let (_guard, result) = changed.wait_timeout(guard, Duration::from_millis(1)).unwrap();
    /// assert!(result.timed_out());
    /// ```
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        dur: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        self.wait_timeout_until(guard, clock::deadline(dur))
    }

    /// [`wait_timeout`](Condvar::wait_timeout) in milliseconds; says whether a notification came.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Condvar::wait).
    #[deprecated(note = "replaced by `wait_timeout`, as in std")]
    pub fn wait_timeout_ms<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        ms: u32,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        match self.wait_timeout(guard, Duration::from_millis(ms.into())) {
            Ok((guard, result)) => Ok((guard, !result.timed_out())),
            Err(poisoned) => {
                let (guard, result) = poisoned.into_inner();
                Err(PoisonError::new((guard, !result.timed_out())))
            }
        }
    }

    /// Waits until `condition` is false, for at most `dur` in all. The result says that the time was
    /// over with the condition still true.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Condvar::wait).
    pub fn wait_timeout_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        dur: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)>
    where
        F: FnMut(&mut T) -> bool,
    {
        let deadline = clock::deadline(dur);
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if super::is_over(deadline) {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            guard = self.wait_timeout_until(guard, deadline)?.0;
        }
    }

    /// Wakes the one who has waited longest, if anybody waits. Never yields.
    pub fn notify_one(&self) {
        if !self.waited.load(Ordering::Relaxed) {
            return;
        }
        let waiters = self.waiters.lock();
        let next = waiters.pop();
        self.waited.store(!waiters.is_empty(), Ordering::Relaxed);
        drop(waiters);
        if let Some(next) = next {
            next.unpark();
        }
    }

    /// Wakes all who wait now, in order. Never yields.
    pub fn notify_all(&self) {
        if self.waited.load(Ordering::Relaxed) {
            let waiters = self.waiters.lock();
            waiters.wake_all();
            self.waited.store(false, Ordering::Relaxed);
        }
    }

    fn wait_timeout_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: u64,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, woken) = self.wait_until(guard, deadline);
        let result = WaitTimeoutResult(!woken);
        match guard {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    fn wait_until<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: u64,
    ) -> (LockResult<MutexGuard<'a, T>>, bool) {
        let notified = Notified(self, false);
        let (guard, notified) = guard.unlocked(move |unlock| notified.wait(unlock, deadline));
        let woken = notified.1;
        std::mem::forget(notified);
        (guard, woken)
    }
}

/// A notification that its receiver has not made use of yet: if it is killed while it waits for the
/// mutex, the next one gets it.
struct Notified<'a>(&'a Condvar, bool);

impl Notified<'_> {
    /// Waits in the queue. The mutex is unlocked with the queue's lock held, so that whoever locks it
    /// next, and notifies, finds the place taken.
    fn wait(mut self, unlock: &dyn Fn(), deadline: u64) -> Self {
        let waiters = self.0.waiters.lock();
        self.0.waited.store(true, Ordering::Relaxed);
        unlock();
        let (_, woken) = wait_queue::wait(
            &self.0.waiters,
            waiters,
            |waiters| waiters,
            deadline,
            Wait::on(Thing::Condvar, self.0),
            |waiters| waiters.pop(),
        );
        self.1 = woken;
        self
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.notify_one();
        }
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

/// Whether a wait of a [`Condvar`] ended because its time was over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Was the time over?
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}
