//! `Select`: waiting for the first of several things: items, room, the end of a time.
//!
//! All sources are tried from a random one on, so that none is preferred. If none is ready, a place
//! is taken in each queue; whoever comes claims the common `Choice`, and exactly one does, so an item
//! is given to a select only if it is going to use it.

use crate::chance;
use crate::clock::{self, NEVER};
use crate::park;
use crate::queue::Choice;
use crate::reason::Wait;
use std::fmt;
use std::ptr::NonNull;
use std::time::Duration;

/// Waits for the first of several things, each with what is to be done then.
///
/// Exactly one of the closures runs, after everything else has been let go. If several are ready,
/// chance decides. What is not chosen is not lost: its item stays in its queue, or in the `Option`
/// that it was to be put from. Once a queue is shut down and empty it is ready, with the error.
///
/// # Examples
///
/// ```
/// use greenloop::{Select, queue::Queue, spawn};
/// use std::{sync::Arc, time::Duration};
///
/// let (words, numbers) = (Arc::new(Queue::new()), Queue::<u32>::new());
/// spawn({
///     let words = words.clone();
///     move || words.put("hello")
/// });
/// let found = Select::new()
///     .get(&words, |word| word.unwrap().to_string())
///     .get(&numbers, |number| number.unwrap().to_string())
///     .after(Duration::from_secs(60), || "nothing came".to_string())
///     .wait();
/// assert_eq!(found, "hello");
/// ```
#[must_use = "it does nothing until it waits"]
pub struct Select<'a, R> {
    arms: Vec<Box<dyn Arm<R> + 'a>>,
}

impl<'a, R: 'a> Select<'a, R> {
    /// Makes one with nothing to wait for yet.
    pub fn new() -> Self {
        Select {
            arms: Vec::with_capacity(4),
        }
    }

    /// Waits for an item of `source`, too; `then` is given it, or the error if `source` is shut down.
    pub fn get<S: GetFrom>(
        self,
        source: &'a S,
        then: impl FnOnce(Result<S::Item, S::Error>) -> R + 'a,
    ) -> Self {
        self.with(source.get_arm(then))
    }

    /// Waits for room in `target`, too, or for a getter if it is a channel, and puts the item.
    ///
    /// The item stays in `item` if this one is not chosen. If there is none, this one never is.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{Select, queue::Queue};
    ///
    /// let (full, free) = (Queue::bounded(1), Queue::bounded(1));
    /// full.put(0).unwrap();
    /// let (mut first, mut second) = (Some(1), Some(2));
    /// Select::new()
    ///     .put(&full, &mut first, |put| put.unwrap())
    ///     .put(&free, &mut second, |put| put.unwrap())
    ///     .wait();
    /// assert_eq!((first, second, free.get()), (Some(1), None, Ok(2)));
    /// ```
    pub fn put<T: PutInto>(
        self,
        target: &'a T,
        item: &'a mut Option<T::Item>,
        then: impl FnOnce(Result<(), T::Error>) -> R + 'a,
    ) -> Self {
        self.with(target.put_arm(item, then))
    }

    /// Waits for the end of `duration`, too, which begins now.
    pub fn after(self, duration: Duration, then: impl FnOnce() -> R + 'a) -> Self {
        let deadline = clock::deadline(duration);
        self.with(Box::new(Timer { deadline, then }))
    }

    /// Waits until one is ready, and returns what its closure returns.
    ///
    /// Yields unless one is ready. A kill or timeout while it waits takes nothing from any source.
    ///
    /// # Panics
    ///
    /// If there is nothing to wait for.
    pub fn wait(mut self) -> R {
        assert!(!self.arms.is_empty(), "a select with nothing to wait for");
        let number = self.attempt().unwrap_or_else(|| self.decide());
        self.finish(number)
    }

    /// Does what is ready now, without waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{Select, queue::Queue};
    ///
    /// let queue = Queue::<u32>::new();
    /// assert_eq!(Select::new().get(&queue, Result::unwrap).try_wait(), None);
    /// ```
    pub fn try_wait(mut self) -> Option<R> {
        let number = self.attempt()?;
        Some(self.finish(number))
    }

    fn with(mut self, arm: Box<dyn Arm<R> + 'a>) -> Self {
        self.arms.push(arm);
        self
    }

    fn finish(&mut self, number: usize) -> R {
        let arm = self.arms.swap_remove(number);
        self.arms.clear();
        arm.finish()
    }

    /// Does the first that is ready, from a random one on.
    fn attempt(&self) -> Option<usize> {
        let count = self.arms.len();
        let start = chance::below(count);
        let mut numbers = (start..count).chain(0..start);
        numbers.find(|number| self.arms[*number].attempt())
    }

    fn decide(&self) -> usize {
        let arms = || self.arms.iter();
        let deadline = arms().map(|arm| arm.deadline()).min().unwrap_or(NEVER);
        loop {
            let chosen = self.wait_once(deadline).or_else(|| self.attempt());
            if let Some(number) = chosen {
                return number;
            }
        }
    }

    fn is_woken(&self) -> bool {
        self.arms.iter().any(|arm| arm.is_woken())
    }

    /// Takes a place at each source, and waits until one is chosen; none if it is time, or if one
    /// can be tried again.
    fn wait_once(&self, deadline: u64) -> Option<usize> {
        let choice = Choice::new();
        let registered = Registered(&self.arms);
        let mut arms = self.arms.iter().enumerate();
        // SAFETY: `registered`, which ends before `choice` does, takes the places out; the arms are
        // in boxes, which are not touched meanwhile.
        if arms.all(|(number, arm)| unsafe { arm.register(NonNull::from(&choice), number) }) {
            while choice.chosen().is_none() && clock_is_before(deadline) && !self.is_woken() {
                park::park(deadline, Wait::ANY);
            }
        }
        let chosen = choice.close();
        drop(registered);
        chosen
    }
}

fn clock_is_before(deadline: u64) -> bool {
    deadline == NEVER || clock::now() < deadline
}

/// The arms whose places are taken out again, be it by unwinding.
struct Registered<'s, 'a, R>(&'s [Box<dyn Arm<R> + 'a>]);

impl<R> Drop for Registered<'_, '_, R> {
    fn drop(&mut self) {
        self.0.iter().for_each(|arm| arm.unregister());
    }
}

impl<'a, R: 'a> Default for Select<'a, R> {
    fn default() -> Self {
        Select::new()
    }
}

impl<R> fmt::Debug for Select<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Select")
            .field("arms", &self.arms.len())
            .finish()
    }
}

/// The end of a time.
struct Timer<F> {
    deadline: u64,
    then: F,
}

impl<R, F: FnOnce() -> R> Arm<R> for Timer<F> {
    fn attempt(&self) -> bool {
        clock::now() >= self.deadline
    }

    unsafe fn register(&self, _: NonNull<Choice>, _: usize) -> bool {
        true
    }

    fn unregister(&self) {}

    fn deadline(&self) -> u64 {
        self.deadline
    }

    fn finish(self: Box<Self>) -> R {
        (self.then)()
    }
}

pub(crate) use self::sealed::Arm;
pub use self::sealed::{GetFrom, PutInto};

mod sealed {
    use super::{Choice, NEVER, NonNull};
    use std::sync::Arc;

    /// What a [`Select`](super::Select) can get an item from: queues and channels. Sealed: it may grow.
    pub trait GetFrom {
        /// What comes.
        type Item;
        /// What comes instead when nothing more will come.
        type Error;

        #[doc(hidden)]
        fn get_arm<'a, R: 'a>(
            &'a self,
            then: impl FnOnce(Result<Self::Item, Self::Error>) -> R + 'a,
        ) -> Box<dyn Arm<R> + 'a>;
    }

    /// What a [`Select`](super::Select) can put an item into: queues and channels. Sealed: it may grow.
    pub trait PutInto {
        /// What is put.
        type Item;
        /// What comes when nothing can be put any more.
        type Error;

        #[doc(hidden)]
        fn put_arm<'a, R: 'a>(
            &'a self,
            item: &'a mut Option<Self::Item>,
            then: impl FnOnce(Result<(), Self::Error>) -> R + 'a,
        ) -> Box<dyn Arm<R> + 'a>;
    }

    macro_rules! by_reference {
        ($reference:ty) => {
            impl<S: GetFrom> GetFrom for $reference {
                type Item = S::Item;
                type Error = S::Error;

                fn get_arm<'a, R: 'a>(
                    &'a self,
                    then: impl FnOnce(Result<S::Item, S::Error>) -> R + 'a,
                ) -> Box<dyn Arm<R> + 'a> {
                    (**self).get_arm(then)
                }
            }

            impl<S: PutInto> PutInto for $reference {
                type Item = S::Item;
                type Error = S::Error;

                fn put_arm<'a, R: 'a>(
                    &'a self,
                    item: &'a mut Option<S::Item>,
                    then: impl FnOnce(Result<(), S::Error>) -> R + 'a,
                ) -> Box<dyn Arm<R> + 'a> {
                    (**self).put_arm(item, then)
                }
            }
        };
    }

    by_reference!(&S);
    by_reference!(Arc<S>);

    /// One of the things that a `Select` waits for.
    pub trait Arm<R> {
        /// Does it at once, if it can be done: what came is kept for `finish`.
        fn attempt(&self) -> bool;

        /// Takes a place, so that whoever makes it ready does it, if that one wins the choice for this
        /// `number`, and unparks the owner; false, without a place, if it can be done at once.
        ///
        /// # Safety
        ///
        /// Arm and choice stay where they are until `unregister`.
        unsafe fn register(&self, choice: NonNull<Choice>, number: usize) -> bool;

        /// Gives the place up, if there is one. A wake-up that came to it goes to the next one.
        fn unregister(&self);

        /// Is it to be attempted again? For a source that leaves the choice alone, and only wakes.
        fn is_woken(&self) -> bool {
            false
        }

        /// When it can be attempted at the latest.
        fn deadline(&self) -> u64 {
            NEVER
        }

        /// Runs the closure on what came.
        fn finish(self: Box<Self>) -> R;
    }
}
