//! `Deadline`: when several waits in a row have to be over.

use std::io;
use std::time::{Duration, Instant};

/// A moment, or never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Deadline = Deadline(None);

    /// `None`, and a time too far away for the clock, are never.
    pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
        Deadline(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Returns the time that is left, `None` for ever; fails with `TimedOut` if there is none.
    pub(crate) fn left(self) -> io::Result<Option<Duration>> {
        let left = self
            .0
            .map(|end| end.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => Err(Deadline::error()),
            left => Ok(left),
        }
    }

    /// What a wait fails with when the time is over.
    pub(crate) fn error() -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}
