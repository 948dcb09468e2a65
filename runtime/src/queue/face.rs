//! The three queues, which differ in the order of their items alone: one face, written once.

use super::container::{Container, Fifo, Heap, Lifo};
use super::core::{Core, NOW};
use super::error::{
    GetError, GetTimeoutError, PutError, PutTimeoutError, TaskDoneError, TryGetError, TryPutError,
};
use super::iter::Iter;
use crate::clock::{self, NEVER};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

macro_rules! queue {
    ($(#[$doc:meta])* $name:ident<T $(: $bound:ident)?>, $container:ident) => {
        $(#[$doc])*
        pub struct $name<T $(: $bound)?> {
            pub(super) core: Core<$container<T>>,
        }

        impl<T $(: $bound)?> UnwindSafe for $name<T> {}
        impl<T $(: $bound)?> RefUnwindSafe for $name<T> {}

        impl<T $(: $bound)?> $name<T> {
            /// Makes a queue for any number of items: a put never waits.
            #[must_use]
            pub const fn new() -> Self {
                $name {
                    core: Core::new($container::new(), usize::MAX),
                }
            }

            /// Makes a queue for `capacity` items: a put into a full one waits.
            ///
            /// # Panics
            ///
            /// If `capacity` is 0: a [`Channel`](super::Channel) has no room, and hands over.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = greenloop::queue::", stringify!($name), "::bounded(1);")]
            /// queue.put("in")?;
            /// assert!(queue.try_put("out").is_err());
            /// # Ok::<(), greenloop::queue::PutError<&str>>(())
            /// ```
            #[must_use]
            #[track_caller]
            pub const fn bounded(capacity: usize) -> Self {
                assert!(
                    capacity > 0,
                    concat!(stringify!($name), "::bounded(0): to hand items over without room for any, use Channel")
                );
                $name {
                    core: Core::new($container::new(), capacity),
                }
            }

            /// Puts `item` into the queue; waits while it is full.
            ///
            /// Yields only if it waits. A kill or timeout while it waits drops the item.
            ///
            /// # Errors
            ///
            /// [`PutError`] with the item if the queue is shut down, also while it waits.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = greenloop::queue::", stringify!($name), "::new();")]
            /// queue.put(1)?;
            /// assert_eq!(queue.get(), Ok(1));
            /// # Ok::<(), greenloop::queue::PutError<i32>>(())
            /// ```
            pub fn put(&self, item: T) -> Result<(), PutError<T>> {
                let result = self.core.put_until(item, NEVER);
                result.map_err(|error| PutError(error.into_inner()))
            }

            /// Puts `item` into the queue, if there is room now.
            ///
            /// # Errors
            ///
            /// [`TryPutError`] with the item if the queue is full, or shut down.
            pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
                self.core.put_until(item, NOW)
            }

            /// [`put`](Self::put), for at most `timeout`.
            ///
            /// # Errors
            ///
            /// [`PutTimeoutError`] with the item if there was no room in time, or the queue is shut down.
            pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutTimeoutError<T>> {
                Ok(self.core.put_until(item, clock::deadline(timeout))?)
            }

            /// Takes the next item; waits while there is none.
            ///
            /// Yields only if it waits. A kill or timeout while it waits takes nothing.
            ///
            /// # Errors
            ///
            /// [`GetError`] if the queue is shut down and empty, also while it waits.
            pub fn get(&self) -> Result<T, GetError> {
                self.core.get()
            }

            /// Takes the next item, if there is one now.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if the queue is empty; also if it is shut down.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use greenloop::queue::{", stringify!($name), ", TryGetError};")]
            ///
            #[doc = concat!("let queue = ", stringify!($name), "::<i32>::new();")]
            /// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
            /// ```
            pub fn try_get(&self) -> Result<T, TryGetError> {
                self.core.get_until(NOW)
            }

            /// [`get`](Self::get), for at most `timeout`.
            ///
            /// # Errors
            ///
            /// [`GetTimeoutError`] if no item came in time, or the queue is shut down and empty.
            pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetTimeoutError> {
                Ok(self.core.get_until(clock::deadline(timeout))?)
            }

            /// Returns a clone of the next item, which stays; waits while there is none.
            ///
            /// Those who wait in [`get`](Self::get) are served first: this one sees an item only when nobody
            /// else wants it. A kill or timeout while it waits has no effect on the queue.
            ///
            /// # Errors
            ///
            /// [`GetError`] if the queue is shut down and empty, also while it waits.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = greenloop::queue::", stringify!($name), "::from_iter([7]);")]
            /// assert_eq!(queue.peek()?, 7);
            /// assert_eq!(queue.get()?, 7);
            /// # Ok::<(), greenloop::queue::GetError>(())
            /// ```
            pub fn peek(&self) -> Result<T, GetError>
            where
                T: Clone,
            {
                self.core.peek_until(NEVER).map_err(|_| GetError)
            }

            /// Returns a clone of the next item, if there is one now.
            ///
            /// # Errors
            ///
            /// [`TryGetError`] if the queue is empty; also if it is shut down.
            pub fn try_peek(&self) -> Result<T, TryGetError>
            where
                T: Clone,
            {
                self.core.peek_until(NOW)
            }

            /// [`peek`](Self::peek), for at most `timeout`.
            ///
            /// # Errors
            ///
            /// [`GetTimeoutError`] if no item came in time, or the queue is shut down and empty.
            pub fn peek_timeout(&self, timeout: Duration) -> Result<T, GetTimeoutError>
            where
                T: Clone,
            {
                Ok(self.core.peek_until(clock::deadline(timeout))?)
            }

            /// Gets items until the queue is shut down and empty.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = greenloop::queue::", stringify!($name), "::from_iter([1, 2]);")]
            /// queue.shutdown(false);
            /// assert_eq!(queue.iter().sum::<i32>(), 3);
            /// ```
            pub fn iter(&self) -> Iter<'_, T> {
                Iter::new(&self.core)
            }

            /// Says that an item which was got has been dealt with; see [`join`](Self::join).
            ///
            /// # Errors
            ///
            /// [`TaskDoneError`] if that was said of every item already.
            pub fn task_done(&self) -> Result<(), TaskDoneError> {
                self.core.task_done()
            }

            /// Waits until every item that was put has been got, and [`task_done`](Self::task_done) was called for
            /// it; returns at once if nothing was ever put.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("let queue = greenloop::queue::", stringify!($name), "::from_iter([1, 2]);")]
            /// greenloop::scope(|s| {
            ///     s.spawn(|| {
            ///         for _item in &queue {
            ///             queue.task_done().unwrap();
            ///         }
            ///     });
            ///     queue.join();
            ///     queue.shutdown(false);
            /// });
            /// ```
            pub fn join(&self) {
                self.core.join_until(NEVER);
            }

            /// [`join`](Self::join), for at most `timeout`; says whether all is done.
            pub fn join_timeout(&self, timeout: Duration) -> bool {
                self.core.join_until(clock::deadline(timeout))
            }

            /// Returns how many items were put of which nobody has said [`task_done`](Self::task_done).
            #[must_use]
            pub fn unfinished(&self) -> usize {
                self.core.unfinished()
            }

            /// Ends the queue: every put fails from now on, and gives its item back; so does one that
            /// waits.
            ///
            /// What is inside may still be got, unless `immediate` is set: then it is dropped, and counts as
            /// [done](Self::task_done). Getters fail as soon as nothing is inside, also those that wait.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use greenloop::queue::{GetError, ", stringify!($name), "};")]
            ///
            #[doc = concat!("let queue = ", stringify!($name), "::from_iter([1]);")]
            /// queue.shutdown(false);
            /// assert_eq!(queue.put(2).unwrap_err().0, 2);
            /// assert_eq!(queue.get(), Ok(1));
            /// assert_eq!(queue.get(), Err(GetError));
            /// ```
            pub fn shutdown(&self, immediate: bool) {
                self.core.shut_down(immediate);
            }

            /// Returns how many items are inside. Those of putters that wait do not count.
            #[must_use]
            pub fn len(&self) -> usize {
                self.core.len()
            }

            /// Is nothing inside?
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Is there no room?
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.len() >= self.core.capacity()
            }

            /// Returns for how many items there is room; `None` if for any number.
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                Some(self.core.capacity()).filter(|capacity| *capacity != usize::MAX)
            }
        }

        impl<T $(: $bound)?> Default for $name<T> {
            fn default() -> Self {
                $name::new()
            }
        }

        /// A queue without bound, with these items inside.
        impl<T $(: $bound)?> FromIterator<T> for $name<T> {
            fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
                let mut container = $container::new();
                items.into_iter().for_each(|item| container.push(item));
                $name {
                    core: Core::with_items(container),
                }
            }
        }

        impl<'a, T $(: $bound)?> IntoIterator for &'a $name<T> {
            type Item = T;
            type IntoIter = Iter<'a, T>;

            fn into_iter(self) -> Iter<'a, T> {
                self.iter()
            }
        }

        impl<T $(: $bound)?> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("len", &self.len())
                    .field("capacity", &self.capacity())
                    .field("unfinished", &self.unfinished())
                    .field("is_shut_down", &self.core.is_shut_down())
                    .finish()
            }
        }
    };
}

queue! {
    /// A queue: first in, first out.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{queue::Queue, spawn};
    /// use std::sync::Arc;
    ///
    /// let queue = Arc::new(Queue::new());
    /// let producer = spawn({
    ///     let queue = queue.clone();
    ///     move || (0..3).for_each(|n| queue.put(n).unwrap())
    /// });
    /// let items = [(); 3].map(|()| queue.get().unwrap());
    /// assert_eq!(items, [0, 1, 2]);
    /// producer.join().unwrap();
    /// ```
    Queue<T>, Fifo
}

queue! {
    /// A queue from which the last item that came goes first.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = greenloop::queue::LifoQueue::from_iter([1, 2, 3]);
    /// assert_eq!(queue.get(), Ok(3));
    /// ```
    LifoQueue<T>, Lifo
}

queue! {
    /// A queue from which the smallest item goes first; [`Reverse`](std::cmp::Reverse) turns that round. In which order equal
    /// ones go is not said.
    ///
    /// Comparing items may wait, and then other users of the queue do too. It must not use the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::queue::PriorityQueue;
    ///
    /// let queue = PriorityQueue::from_iter([(2, "later"), (1, "soon")]);
    /// assert_eq!(queue.get(), Ok((1, "soon")));
    /// ```
    PriorityQueue<T: Ord>, Heap
}
