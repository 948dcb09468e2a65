//! Joining and killing many.

use crate::clock;
use crate::join::{JoinHandle, LocalJoinHandle};
use crate::scope::ScopedJoinHandle;
use crate::timeout::Elapsed;
use crate::waitable::Waitable;
use std::thread::Result;
use std::time::Duration;

/// The handle of something that runs and ends: a green thread, or a job of the blocking pool.
/// Sealed: it may grow.
pub trait Joinable: Waitable + Sized {
    /// What it returns when it did not panic.
    type Output;

    /// Waits for the end, and returns the result.
    ///
    /// # Errors
    ///
    /// The payload of a panic.
    fn join(self) -> Result<Self::Output>;

    /// Waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// The handle itself when the time is over.
    fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<Self::Output>, Self>;

    /// Kills it, without waiting for the end.
    fn kill_nowait(&self);
}

macro_rules! joinable {
    ($handle:ty) => {
        impl<T> Joinable for $handle {
            type Output = T;

            fn join(self) -> Result<T> {
                self.join()
            }

            fn join_timeout(self, timeout: Duration) -> std::result::Result<Result<T>, Self> {
                self.join_timeout(timeout)
            }

            fn kill_nowait(&self) {
                self.kill_nowait();
            }
        }
    };
}

joinable!(JoinHandle<T>);
joinable!(LocalJoinHandle<T>);
joinable!(ScopedJoinHandle<'_, T>);

/// Joins all, and returns their results in the order given. Yields until the last one has ended.
///
/// # Examples
///
/// ```
/// use greenloop::{joinall, spawn};
///
/// let squares = joinall((1..=3).map(|n| spawn(move || n * n)));
/// let squares: Vec<i32> = squares.into_iter().map(Result::unwrap).collect();
/// assert_eq!(squares, [1, 4, 9]);
/// ```
pub fn joinall<H: Joinable>(handles: impl IntoIterator<Item = H>) -> Vec<Result<H::Output>> {
    // All first: an iterator may spawn as it goes, and they are to run side by side.
    let handles: Vec<H> = handles.into_iter().collect();
    handles.into_iter().map(H::join).collect()
}

/// Joins all, for at most `timeout`: in the order given, the result of each that has ended by then,
/// and the handle of each that has not.
///
/// # Examples
///
/// ```
/// use greenloop::{joinall_timeout, spawn, thread};
/// use std::time::Duration;
///
/// let handles = [spawn(|| ()), spawn(thread::park)];
/// let ended = joinall_timeout(handles, Duration::from_millis(20));
/// assert!(ended[0].is_ok() && ended[1].is_err());
/// ```
pub fn joinall_timeout<H: Joinable>(
    handles: impl IntoIterator<Item = H>,
    timeout: Duration,
) -> Vec<std::result::Result<Result<H::Output>, H>> {
    let handles: Vec<H> = handles.into_iter().collect();
    let deadline = clock::deadline(timeout);
    let left = || Duration::from_nanos(deadline.saturating_sub(clock::now()));
    handles
        .into_iter()
        .map(|handle| handle.join_timeout(left()))
        .collect()
}

/// Kills all, in order, and waits until all have ended; see [`JoinHandle::kill`].
///
/// # Errors
///
/// [`Elapsed`] if there is a `timeout`, and it is over before the last one has ended.
///
/// # Examples
///
/// ```
/// use greenloop::{killall, spawn, thread};
///
/// let handles = [spawn(thread::park), spawn(thread::park)];
/// killall(&handles, None)?;
/// assert!(handles.iter().all(|handle| handle.is_finished()));
/// # Ok::<(), greenloop::Elapsed>(())
/// ```
pub fn killall<'a, H: Joinable + 'a>(
    handles: impl IntoIterator<Item = &'a H>,
    timeout: Option<Duration>,
) -> std::result::Result<(), Elapsed> {
    let handles: Vec<&H> = handles.into_iter().collect();
    handles.iter().for_each(|handle| handle.kill_nowait());
    let count = handles.len();
    match crate::waitable::wait(handles, timeout, None).len() {
        ended if ended == count => Ok(()),
        _ => Err(Elapsed::new()),
    }
}
