//! Why a queue or channel did not do what it was asked for: an error an operation, as in
//! `std::sync::mpsc`.

use std::error::Error;
use std::fmt;

/// The error of `get` and `peek`: the queue is shut down, and nothing is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GetError;

/// The error of `try_get` and `try_peek`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TryGetError {
    /// There is no item now.
    Empty,
    /// The queue is shut down, and nothing is left.
    ShutDown,
}

/// The error of `get_timeout` and `peek_timeout`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GetTimeoutError {
    /// No item came in time.
    Timeout,
    /// The queue is shut down, and nothing is left.
    ShutDown,
}

/// The error of `put`: the queue is shut down. Gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PutError<T>(pub T);

/// The error of `try_put`. Gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryPutError<T> {
    /// There is no room now; for a channel: nobody waits for an item.
    Full(T),
    /// The queue is shut down.
    ShutDown(T),
}

/// The error of `put_timeout`. Gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PutTimeoutError<T> {
    /// No room came in time; for a channel: nobody took the item.
    Timeout(T),
    /// The queue is shut down.
    ShutDown(T),
}

/// The error of `task_done`: it was called more often than items were put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskDoneError;

impl From<TryGetError> for GetTimeoutError {
    fn from(error: TryGetError) -> Self {
        match error {
            TryGetError::Empty => GetTimeoutError::Timeout,
            TryGetError::ShutDown => GetTimeoutError::ShutDown,
        }
    }
}

impl<T> From<TryPutError<T>> for PutTimeoutError<T> {
    fn from(error: TryPutError<T>) -> Self {
        match error {
            TryPutError::Full(item) => PutTimeoutError::Timeout(item),
            TryPutError::ShutDown(item) => PutTimeoutError::ShutDown(item),
        }
    }
}

impl<T> TryPutError<T> {
    /// Returns the item.
    pub fn into_inner(self) -> T {
        match self {
            TryPutError::Full(item) | TryPutError::ShutDown(item) => item,
        }
    }
}

impl<T> PutTimeoutError<T> {
    /// Returns the item.
    pub fn into_inner(self) -> T {
        match self {
            PutTimeoutError::Timeout(item) | PutTimeoutError::ShutDown(item) => item,
        }
    }
}

const EMPTY: &str = "the queue is empty";
const FULL: &str = "the queue is full";
const TIMEOUT: &str = "the queue did not get ready in time";
const SHUT_DOWN: &str = "the queue is shut down";

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is shut down and empty")
    }
}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryGetError::Empty => f.write_str(EMPTY),
            TryGetError::ShutDown => GetError.fmt(f),
        }
    }
}

impl fmt::Display for GetTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GetTimeoutError::Timeout => f.write_str(TIMEOUT),
            GetTimeoutError::ShutDown => GetError.fmt(f),
        }
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryPutError::Full(_) => FULL,
            TryPutError::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl<T> fmt::Display for PutTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutTimeoutError::Timeout(_) => TIMEOUT,
            PutTimeoutError::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl fmt::Display for TaskDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done was called more often than items were put")
    }
}

// As in std's `SendError`: items need not be `Debug` to unwrap a put.
impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutError(..)")
    }
}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryPutError::Full(_) => "Full(..)",
            TryPutError::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> fmt::Debug for PutTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutTimeoutError::Timeout(_) => "Timeout(..)",
            PutTimeoutError::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl Error for GetError {}
impl Error for TryGetError {}
impl Error for GetTimeoutError {}
impl<T> Error for PutError<T> {}
impl<T> Error for TryPutError<T> {}
impl<T> Error for PutTimeoutError<T> {}
impl Error for TaskDoneError {}
