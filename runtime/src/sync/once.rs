//! `Once`: something that is done once, by whoever comes first, while the others wait.

use super::poison::Before;
use crate::atomic::{AtomicU8, Ordering};
use crate::clock::NEVER;
use crate::context;
use crate::interrupt;
use crate::lock::{Guard, Lock};
use crate::owner::Owner;
use crate::reason::{Thing, Wait};
use crate::suspicion;
use crate::wait_queue::{self, WaitQueue};
use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// One-time initialisation, with std's API and poisoning.
///
/// An initialiser that panics poisons it. One that is killed or timed out does not: it is as if it
/// had not begun, and the next one runs.
///
/// # Examples
///
/// ```
/// use greenloop::sync::Once;
///
/// static START: Once = Once::new();
///
/// let mut runs = 0;
/// START.call_once(|| runs += 1);
/// START.call_once(|| runs += 1);
/// assert!(START.is_completed() && runs == 1);
/// ```
pub struct Once {
    /// `INCOMPLETE`/`POISONED` -> `RUNNING` (who runs it) -> `COMPLETE`, `POISONED` or back. Written with
    /// the lock held.
    state: AtomicU8,
    waiters: Lock<WaitQueue>,
    /// Who runs it.
    owner: Owner,
}

const INCOMPLETE: u8 = 0;
const POISONED: u8 = 1;
const RUNNING: u8 = 2;
const COMPLETE: u8 = 3;

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

impl Once {
    /// Creates one that has not been done.
    #[expect(clippy::new_without_default, reason = "std's has none")]
    pub const fn new() -> Once {
        Once {
            state: AtomicU8::new(INCOMPLETE),
            waiters: Lock::new(WaitQueue::new()),
            owner: Owner::new(),
        }
    }

    /// Runs `f` if no other has; waits while another one runs. Yields only then.
    ///
    /// When it returns, one of them has run to its end, and what it did is seen. Calling it from
    /// inside of `f` waits for ever: a [deadlock](crate::inspect::on_deadlock).
    ///
    /// # Panics
    ///
    /// If an earlier one has panicked.
    #[inline]
    #[track_caller]
    pub fn call_once<F>(&self, f: F)
    where
        F: FnOnce(),
    {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(false, &mut |_| f.take().expect("it is called once")());
        }
    }

    /// [`call_once`](Once::call_once), also if an earlier one has panicked: `f` is told.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::Once;
    ///
    /// let once = Once::new();
    /// let broken = greenloop::scope(|s| s.spawn(|| once.call_once(|| panic!())).join());
    /// assert!(broken.is_err());
    /// once.call_once_force(|state| assert!(state.is_poisoned()));
    /// once.call_once(|| unreachable!());
    /// ```
    #[inline]
    pub fn call_once_force<F>(&self, f: F)
    where
        F: FnOnce(&OnceState),
    {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(true, &mut |state| {
                f.take().expect("it is called once")(state)
            });
        }
    }

    /// Has one run to its end?
    #[inline]
    pub fn is_completed(&self) -> bool {
        // Acquire pairs with the Release of `Running::drop`.
        self.state.load(Ordering::Acquire) == COMPLETE
    }

    /// Waits until one has run to its end. Yields.
    ///
    /// # Panics
    ///
    /// If one panics, or has.
    #[track_caller]
    pub fn wait(&self) {
        self.wait_until_complete(false);
    }

    /// Waits until one has run to its end, whoever has panicked before. Yields.
    pub fn wait_force(&self) {
        self.wait_until_complete(true);
    }

    #[track_caller]
    fn wait_until_complete(&self, force: bool) {
        while !self.is_completed() {
            let waiters = self.waiters.lock();
            match self.state.load(Ordering::Relaxed) {
                COMPLETE => return,
                POISONED if !force => poisoned(waiters),
                _ => self.park(waiters),
            }
        }
    }

    #[cold]
    #[track_caller]
    fn call(&self, force: bool, f: &mut dyn FnMut(&OnceState)) {
        loop {
            let waiters = self.waiters.lock();
            match self.state.load(Ordering::Relaxed) {
                COMPLETE => return,
                RUNNING => self.park(waiters),
                POISONED if !force => poisoned(waiters),
                before => {
                    self.state.store(RUNNING, Ordering::Relaxed);
                    drop(waiters);
                    return self.run(before, f);
                }
            }
        }
    }

    fn run(&self, before: u8, f: &mut dyn FnMut(&OnceState)) {
        let me = context::known_waiter();
        Before::now(me);
        self.owner.enter(me);
        let mut running = Running {
            once: self,
            before,
            ended: false,
        };
        f(&OnceState {
            poisoned: before == POISONED,
            not_sync: PhantomData,
        });
        running.ended = true;
    }

    /// Waits until the state has changed; it may return before.
    fn park(&self, waiters: Guard<'_, WaitQueue>) {
        let state = self.state.load(Ordering::Relaxed);
        drop(waiters);
        let _waiting = suspicion::raise(true);
        let waiters = self.waiters.lock();
        if self.state.load(Ordering::Relaxed) != state {
            return;
        }
        let why = Wait::on(Thing::Once, &self.owner);
        // All are woken together, so whoever is killed has nothing to pass on.
        wait_queue::wait(
            &self.waiters,
            waiters,
            |waiters| waiters,
            NEVER,
            why,
            |_| None,
        );
    }
}

#[cold]
#[track_caller]
fn poisoned(waiters: Guard<'_, WaitQueue>) -> ! {
    drop(waiters);
    panic!("Once instance has previously been poisoned")
}

/// Of the one who runs the initialiser; tells the others how it has ended.
struct Running<'a> {
    once: &'a Once,
    before: u8,
    ended: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let after = match self.ended {
            true => COMPLETE,
            false if interrupt::is_panicking() => POISONED,
            false => self.before,
        };
        self.once.owner.leave();
        let waiters = self.once.waiters.lock();
        // Release pairs with the Acquire of `is_completed`.
        self.once.state.store(after, Ordering::Release);
        waiters.wake_all();
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

/// What [`Once::call_once_force`] tells its closure.
pub struct OnceState {
    poisoned: bool,
    /// As std's.
    not_sync: PhantomData<Cell<()>>,
}

impl OnceState {
    /// Has an earlier initialiser panicked?
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

impl fmt::Debug for OnceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceState")
            .field("poisoned", &self.is_poisoned())
            .finish()
    }
}
