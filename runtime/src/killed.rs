//! `Killed`: what unwinds a green thread that is killed, and what its joiner gets.

use std::fmt;

/// The payload with which a killed green thread unwinds, and the `Err` of whoever joins it.
///
/// See [`JoinHandle::kill`](crate::JoinHandle::kill); the end of a [`run`](crate::run) kills what
/// is left of its green threads.
///
/// # Examples
///
/// ```
/// let handle = greenloop::run(|| greenloop::spawn(|| greenloop::thread::park()));
/// assert!(handle.join().unwrap_err().is::<greenloop::Killed>());
/// ```
pub struct Killed(());

impl Killed {
    pub(crate) fn new() -> Self {
        Killed(())
    }
}

impl fmt::Debug for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Killed")
    }
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the green thread was killed")
    }
}

impl std::error::Error for Killed {}
