//! `Channel`: a queue without room, by which two meet.

use super::container::Fifo;
use super::core::{Core, NOW};
use super::error::{
    GetError, GetTimeoutError, PutError, PutTimeoutError, TryGetError, TryPutError,
};
use super::iter::Iter;
use crate::clock::{self, NEVER};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// A rendezvous: a `put` returns only when a `get` has taken the item. Of the two that meet, the one
/// that gets goes on first.
///
/// # Examples
///
/// ```
/// use greenloop::{queue::Channel, scope};
///
/// let channel = Channel::new();
/// scope(|s| {
///     s.spawn(|| channel.put("hello").unwrap());
///     assert_eq!(channel.get(), Ok("hello"));
/// });
/// ```
pub struct Channel<T> {
    pub(super) core: Core<Fifo<T>>,
}

impl<T> UnwindSafe for Channel<T> {}
impl<T> RefUnwindSafe for Channel<T> {}

impl<T> Channel<T> {
    /// Makes a channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::Channel;
    ///
    /// static CHANNEL: Channel<u32> = Channel::new();
    /// assert!(CHANNEL.is_empty() && CHANNEL.is_full());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Channel {
            core: Core::new(Fifo::new(), 0),
        }
    }

    /// Hands `item` over to a getter; waits until one takes it.
    ///
    /// Yields in any case. A kill or timeout while it waits drops the item.
    ///
    /// # Errors
    ///
    /// [`PutError`] with the item if the channel is shut down, also while it waits.
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        let result = self.core.put_until(item, NEVER);
        result.map_err(|error| PutError(error.into_inner()))
    }

    /// [`put`](Channel::put), if somebody waits for an item now. Never yields, so the getter goes on
    /// later.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if nobody waits, or the channel is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::{Channel, TryPutError};
    ///
    /// let channel = Channel::new();
    /// assert_eq!(channel.try_put(1), Err(TryPutError::Full(1)));
    /// ```
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.core.put_until(item, NOW)
    }

    /// [`put`](Channel::put), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`PutTimeoutError`] with the item if nobody took it in time, or the channel is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::{Channel, PutTimeoutError};
    /// use std::time::Duration;
    ///
    /// let channel = Channel::new();
    /// let result = channel.put_timeout(1, Duration::from_millis(1));
    /// assert_eq!(result, Err(PutTimeoutError::Timeout(1)));
    /// ```
    pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutTimeoutError<T>> {
        Ok(self.core.put_until(item, clock::deadline(timeout))?)
    }

    /// Takes an item from a putter; waits for one. Yields only if it waits.
    ///
    /// # Errors
    ///
    /// [`GetError`] if the channel is shut down.
    pub fn get(&self) -> Result<T, GetError> {
        self.core.get()
    }

    /// Takes an item from a putter that waits. Never yields.
    ///
    /// # Errors
    ///
    /// [`TryGetError`] if nobody waits with an item.
    pub fn try_get(&self) -> Result<T, TryGetError> {
        self.core.get_until(NOW)
    }

    /// [`get`](Channel::get), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`GetTimeoutError`] if nobody brought an item in time, or the channel is shut down.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetTimeoutError> {
        Ok(self.core.get_until(clock::deadline(timeout))?)
    }

    /// Gets items until the channel is shut down.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(&self.core)
    }

    /// Ends the channel: all that wait, and all that come, get an error; putters their item back.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::{Channel, GetError, PutError};
    ///
    /// let channel = Channel::new();
    /// channel.shutdown();
    /// assert_eq!(channel.put(1), Err(PutError(1)));
    /// assert_eq!(channel.get(), Err(GetError));
    /// ```
    pub fn shutdown(&self) {
        self.core.shut_down(false);
    }

    /// Returns how many items are inside: none.
    #[must_use]
    pub fn len(&self) -> usize {
        self.core.len()
    }

    /// Is nothing inside? Always.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is there no room? Always.
    #[must_use]
    pub fn is_full(&self) -> bool {
        true
    }

    /// Returns how many items have room: `Some(0)`.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        Some(0)
    }
}

impl<T> Default for Channel<T> {
    fn default() -> Self {
        Channel::new()
    }
}

impl<'a, T> IntoIterator for &'a Channel<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("is_shut_down", &self.core.is_shut_down())
            .finish_non_exhaustive()
    }
}
