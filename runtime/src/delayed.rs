//! `Timer`: something to do after a delay, unless it is cancelled; `threading.Timer`.

use crate::clock;
use crate::join::JoinHandle;
use crate::joinall::Joinable;
use crate::spawn::spawn;
use crate::thread;
use crate::waitable::{Linkable, PlaceRef};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::Result;
use std::time::Duration;

/// Runs a closure after a delay, on a green thread of its own, unless it is cancelled before.
///
/// Dropping it leaves it running. It can be joined, and waited for together with others.
///
/// # Examples
///
/// ```
/// use greenloop::Timer;
/// use std::time::Duration;
///
/// let soon = Timer::after(Duration::from_millis(1), || "now");
/// let late = Timer::after(Duration::from_secs(60), || unreachable!("cancelled"));
/// assert_eq!(soon.join().unwrap(), "now");
/// assert!(late.cancel());
/// ```
pub struct Timer<T> {
    handle: JoinHandle<T>,
    state: Arc<State>,
}

impl<T> Timer<T> {
    /// Has `f` run after `delay`. Never waits.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn after<F>(delay: Duration, f: F) -> Timer<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let deadline = clock::deadline(delay);
        let state = Arc::new(State::default());
        let theirs = state.clone();
        let handle = spawn(move || {
            thread::sleep_until(deadline);
            if !theirs.decide(RUNS) {
                cancelled();
            }
            f()
        });
        Timer { handle, state }
    }

    /// Cancels it: true if the closure will never run, false if it has begun to. Never waits.
    ///
    /// One that is cancelled ends with [`Killed`](crate::Killed), as soon as it can.
    pub fn cancel(&self) -> bool {
        let cancelled = self.state.decide(CANCELLED);
        if cancelled {
            self.handle.kill_nowait();
        }
        cancelled
    }

    /// Has the closure returned, or been cancelled and dropped? Never waits.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Waits until the closure has run, and returns its result; see [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// The payload of a panic; [`Killed`](crate::Killed) if it was cancelled.
    pub fn join(self) -> Result<T> {
        self.handle.join()
    }

    /// [`join`](Timer::join), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// The timer itself when the time is over.
    pub fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        let Timer { handle, state } = self;
        handle
            .join_timeout(timeout)
            .map_err(|handle| Timer { handle, state })
    }
}

impl<T> fmt::Debug for Timer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

const WAITS: u8 = 0;
const RUNS: u8 = 1;
const CANCELLED: u8 = 2;

/// `WAITS` -> `RUNS` (its green thread, before the closure), `WAITS` -> `CANCELLED` (anybody). Relaxed
/// does: it is only to be decided who came first.
#[derive(Debug, Default)]
struct State(AtomicU8);

impl State {
    /// Makes it `new`, unless the other thing has been decided.
    fn decide(&self, new: u8) -> bool {
        let decided = self
            .0
            .compare_exchange(WAITS, new, Ordering::Relaxed, Ordering::Relaxed);
        decided.map_or_else(|before| before == new, |_| true)
    }
}

/// Ends a timer that was cancelled, whose kill may have come too late for its wait.
fn cancelled() -> ! {
    std::panic::resume_unwind(Box::new(crate::killed::Killed::new()))
}

impl<T> Linkable for Timer<T> {
    fn is_ready(&self) -> bool {
        self.handle.is_ready()
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        // SAFETY: the caller's word.
        unsafe { Linkable::link(&self.handle, place) }
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.handle.unlink(place) };
    }
}

impl<T> Joinable for Timer<T> {
    type Output = T;

    fn join(self) -> Result<T> {
        self.join()
    }

    fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
        self.join_timeout(timeout)
    }

    /// Cancels it if it has not begun, else kills it.
    fn kill_nowait(&self) {
        self.state.decide(CANCELLED);
        self.handle.kill_nowait();
    }
}
