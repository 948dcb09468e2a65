//! `mpsc`: channels of many senders and one receiver, with std's API.
//!
//! ```
//! use greenloop::spawn;
//! use greenloop::sync::mpsc;
//!
//! let (sender, receiver) = mpsc::channel();
//! for n in 0..10 {
//!     let sender = sender.clone();
//!     spawn(move || sender.send(n).unwrap());
//! }
//! drop(sender);
//! assert_eq!(receiver.iter().sum::<i32>(), 45);
//! ```

mod bounded;
mod iter;
mod unbounded;

pub use iter::{IntoIter, Iter, TryIter};
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use self::bounded::Bounded;
use self::unbounded::{Inbox, Unbounded};
use crate::clock::{self, NEVER};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

/// Creates a channel without bound: sending never waits.
///
/// # Examples
///
/// ```
/// use greenloop::sync::mpsc::channel;
///
/// let (sender, receiver) = channel();
/// greenloop::spawn(move || sender.send("hello").unwrap());
/// assert_eq!(receiver.recv(), Ok("hello"));
/// assert!(receiver.recv().is_err()); // the sender is gone
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Unbounded::new());
    let receiver = Flavor::Unbounded(channel.clone(), Inbox::new());
    (Sender(channel), Receiver(receiver))
}

/// Creates a channel for at most `bound` messages: sending waits for room; with a bound of 0 for the
/// receiver, who takes the message out of the sender's hand.
///
/// # Examples
///
/// ```
/// use greenloop::sync::mpsc::{TrySendError, sync_channel};
///
/// let (sender, receiver) = sync_channel(1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// greenloop::spawn(move || sender.send(2)); // waits
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
/// ```
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let channel = Arc::new(Bounded::new(bound));
    let receiver = Flavor::Bounded(channel.clone());
    (SyncSender(channel), Receiver(receiver))
}

/// The sending half of a [`channel`]. Clones send into the same channel.
pub struct Sender<T>(Arc<Unbounded<T>>);

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> Sender<T> {
    /// Sends a message. Never waits or yields.
    ///
    /// # Errors
    ///
    /// The message in a [`SendError`] if the receiver is gone.
    #[inline]
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.0.send(t).map_err(SendError)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.add_sender();
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// The sending half of a [`sync_channel`]. Clones send into the same channel.
pub struct SyncSender<T>(Arc<Bounded<T>>);

impl<T> UnwindSafe for SyncSender<T> {}
impl<T> RefUnwindSafe for SyncSender<T> {}

impl<T> SyncSender<T> {
    /// Sends a message; waits until there is room, or, with a bound of 0, until it is received. Yields
    /// only then. Who waits is served in order.
    ///
    /// A kill or timeout unwinds out of the wait, and drops the message, unless it has been accepted
    /// by then.
    ///
    /// # Errors
    ///
    /// The message in a [`SendError`] if the receiver is gone.
    pub fn send(&self, t: T) -> Result<(), SendError<T>> {
        self.0.send(t).map_err(SendError)
    }

    /// Sends a message if that takes no wait: if there is room, or, with a bound of 0, if the receiver
    /// waits.
    ///
    /// # Errors
    ///
    /// The message in a [`TrySendError`]: `Full`, or `Disconnected` if the receiver is gone.
    pub fn try_send(&self, t: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(t)
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        self.0.add_sender();
        SyncSender(self.0.clone())
    }
}

impl<T> Drop for SyncSender<T> {
    fn drop(&mut self) {
        self.0.remove_sender();
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

/// The receiving half of a [`channel`] or [`sync_channel`]. There is one; it can be sent to another
/// thread, but not shared.
///
/// ```compile_fail
/// fn needs_sync(_: impl Sync) {}
/// needs_sync(greenloop::sync::mpsc::channel::<()>().1);
/// ```
pub struct Receiver<T>(Flavor<T>);

enum Flavor<T> {
    Unbounded(Arc<Unbounded<T>>, Inbox<T>),
    Bounded(Arc<Bounded<T>>),
}

impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Receiver<T> {
    /// Receives a message if one is there; never waits.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none; [`TryRecvError::Disconnected`] if there is none and
    /// all senders are gone.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.recv_until(0).map_err(|error| match error {
            RecvTimeoutError::Timeout => TryRecvError::Empty,
            RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives a message; waits until there is one. Yields only then.
    ///
    /// A kill or timeout unwinds out of the wait, and takes no message.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if there is none and all senders are gone.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_until(NEVER).map_err(|_| RecvError)
    }

    /// [`recv`](Receiver::recv), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] if the time is over; [`RecvTimeoutError::Disconnected`] if there is
    /// no message and all senders are gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::mpsc::{RecvTimeoutError, channel};
    /// use std::time::Duration;
    ///
    /// let (sender, receiver) = channel::<u32>();
    /// let moment = Duration::from_millis(1);
    /// assert_eq!(receiver.recv_timeout(moment), Err(RecvTimeoutError::Timeout));
    /// drop(sender);
    /// assert_eq!(receiver.recv_timeout(moment), Err(RecvTimeoutError::Disconnected));
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        match self.try_recv() {
            Ok(message) => Ok(message),
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => self.recv_until(clock::deadline(timeout)),
        }
    }

    /// Yields messages, waiting for each, until all senders are gone.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// Yields the messages that are there; never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::sync::mpsc::channel;
    ///
    /// let (sender, receiver) = channel();
    /// assert_eq!(receiver.try_iter().next(), None);
    /// (1..=3).for_each(|n| sender.send(n).unwrap());
    /// assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    /// ```
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(self)
    }

    #[inline]
    fn recv_until(&self, deadline: u64) -> Result<T, RecvTimeoutError> {
        match &self.0 {
            Flavor::Unbounded(channel, inbox) => channel.recv(inbox, deadline),
            Flavor::Bounded(channel) => channel.recv(deadline),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        match &self.0 {
            Flavor::Unbounded(channel, _) => channel.close(),
            Flavor::Bounded(channel) => channel.close(),
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
