//! `timeout`: a bound on the time of any code that waits.
//!
//! A timeout needs no timer of its own: it bounds the deadline of every wait inside of it. Each has
//! its own identity, so that an outer one passes through inner ones, whoever's wait it cuts.

use crate::clock;
use crate::context;
use crate::interrupt;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::time::Duration;

/// Runs `f` for at most `duration`: if it still waits then, the wait is ended by unwinding, and the
/// result is `Err(Elapsed)`.
///
/// Destructors run on the way, and may wait. Only waits can be ended: code that computes is not
/// interrupted, and one that never waits again returns late, with `Ok`. On a green thread a
/// [`yield_now`](crate::yield_now) is a wait, too. Timeouts nest: the one that runs out first takes
/// effect, and an inner one never swallows an outer one's. When `f` has returned, nothing of the
/// timeout is left. Even if `f` catches the unwinding, the result is `Err`.
///
/// What the unwinding leaves half done is `f`'s affair, as with a panic; there is no `UnwindSafe`
/// bound, as in `std::thread::scope`. Locks are not poisoned by it.
///
/// On an OS thread it ends waits of this crate as well.
///
/// # Errors
///
/// [`Elapsed`] if the time ran out while `f` waited.
///
/// # Examples
///
/// ```
/// use greenloop::{sleep, timeout};
/// use std::time::Duration;
///
/// assert_eq!(timeout(Duration::from_secs(60), || 42), Ok(42));
/// assert!(timeout(Duration::from_millis(5), || sleep(Duration::from_secs(60))).is_err());
/// ```
pub fn timeout<T>(duration: Duration, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    let header = context::waiter();
    let limit = Limit::new(clock::deadline(duration), header.limit.get());
    header.limit.set(Some(NonNull::from(&limit)));
    let result = catch_unwind(AssertUnwindSafe(f));
    header.limit.set(limit.outer);
    match result {
        Ok(_) if limit.expired.get() => Err(Elapsed::new()),
        Ok(result) => Ok(result),
        Err(payload) if limit.is_own(&*payload) => {
            interrupt::caught(header);
            Err(Elapsed::new())
        }
        Err(payload) => resume_unwind(payload),
    }
}

/// The error of a [`timeout`] whose time ran out.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// let error: io::Error = greenloop::timeout(std::time::Duration::ZERO, greenloop::thread::park)
///     .unwrap_err()
///     .into();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Elapsed(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time ran out")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// A timeout in force, on the frame of [`timeout`].
#[derive(Debug)]
pub(crate) struct Limit {
    deadline: u64,
    outer: Option<NonNull<Limit>>,
    /// The deadline that comes first, of this one and those around it that have not expired.
    nearest: Cell<u64>,
    /// It has been thrown: it is not thrown again, and the result is `Err` in any case.
    expired: Cell<bool>,
}

/// What unwinds a wait whose time ran out: the address of the limit is its identity.
pub(crate) struct Expired(*const Limit);

// SAFETY: the pointer is only compared.
unsafe impl Send for Expired {}

impl Limit {
    fn new(deadline: u64, outer: Option<NonNull<Limit>>) -> Self {
        let limit = Limit {
            deadline,
            outer,
            nearest: Cell::new(deadline),
            expired: Cell::new(false),
        };
        limit.update_nearest();
        limit
    }

    /// When the next of this one and those around it runs out.
    pub(crate) fn nearest(&self) -> u64 {
        self.nearest.get()
    }

    fn outer(&self) -> Option<&Limit> {
        // SAFETY: an outer timeout's frame lies further up the same stack.
        self.outer.map(|outer| unsafe { outer.as_ref() })
    }

    fn update_nearest(&self) {
        let own = if self.expired.get() {
            clock::NEVER
        } else {
            self.deadline
        };
        self.nearest
            .set(own.min(self.outer().map_or(clock::NEVER, Limit::nearest)));
    }

    /// What to unwind the caller with: the outermost of those that have run out; none if each of
    /// them was thrown before.
    pub(crate) fn expire(&self) -> Option<Expired> {
        let due = self.outermost_due(clock::now())?;
        due.expired.set(true);
        self.refresh();
        Some(Expired(due))
    }

    fn outermost_due(&self, now: u64) -> Option<&Limit> {
        let outer = self.outer().and_then(|outer| outer.outermost_due(now));
        outer.or_else(|| (!self.expired.get() && self.deadline <= now).then_some(self))
    }

    /// After one has expired: from the outside inwards.
    fn refresh(&self) {
        if let Some(outer) = self.outer() {
            outer.refresh();
        }
        self.update_nearest();
    }

    fn is_own(&self, payload: &(dyn std::any::Any + Send)) -> bool {
        self.expired.get()
            && payload
                .downcast_ref::<Expired>()
                .is_some_and(|expired| std::ptr::eq(expired.0, self))
    }
}
