//! The arms of a `Select` that get from a queue or channel, or put into one.

use super::channel::Channel;
use super::container::Container;
use super::core::{Core, NOW};
use super::error::{GetError, PutError, TryGetError, TryPutError};
use super::face::{LifoQueue, PriorityQueue, Queue};
use super::place::{Choice, Outcome, Place};
use super::waiting::Side;
use crate::select::{Arm, GetFrom, PutInto};
use std::cell::Cell;
use std::ptr::NonNull;

/// Gets an item.
pub(crate) struct GetArm<'a, C: Container, F> {
    core: &'a Core<C>,
    place: Place<C::Item>,
    /// What came at the first attempt.
    result: Cell<Option<Result<C::Item, GetError>>>,
    then: Option<F>,
}

/// Puts the item of `slot`; does nothing while that is empty.
pub(crate) struct PutArm<'a, C: Container, F> {
    core: &'a Core<C>,
    place: Place<C::Item>,
    /// The item while it neither waits in the place nor has been put.
    slot: &'a Cell<Option<C::Item>>,
    result: Cell<Option<Result<(), PutError<C::Item>>>>,
    then: Option<F>,
}

impl<'a, C: Container, F> GetArm<'a, C, F> {
    fn new(core: &'a Core<C>, then: F) -> Self {
        GetArm {
            core,
            place: Place::new(None),
            result: Cell::new(None),
            then: Some(then),
        }
    }
}

impl<C: Container, F, R> Arm<R> for GetArm<'_, C, F>
where
    F: FnOnce(Result<C::Item, GetError>) -> R,
{
    fn attempt(&self) -> bool {
        let result = match self.core.get_until(NOW) {
            Err(TryGetError::Empty) => return false,
            result => result.map_err(|_| GetError),
        };
        self.result.set(Some(result));
        true
    }

    unsafe fn register(&self, choice: NonNull<Choice>, number: usize) -> bool {
        let mut state = self.core.enter();
        if state.can_get(choice.as_ptr()) {
            return false;
        }
        self.place.set_choice(choice, number);
        // SAFETY: the caller's word.
        unsafe {
            Side::Getters
                .of(&mut state)
                .push(NonNull::from(&self.place))
        };
        true
    }

    fn unregister(&self) {
        self.core.leave(&self.place, Side::Getters);
    }

    fn finish(mut self: Box<Self>) -> R {
        let then = self.then.take().expect("an arm is finished once");
        let result = self
            .result
            .take()
            .unwrap_or_else(|| match self.place.outcome() {
                Outcome::Done => Ok(self.place.take().expect("it was given")),
                _ => Err(GetError),
            });
        drop(self);
        then(result)
    }
}

/// An item that came, but will not be used as the wait was unwound, goes to the next one.
impl<C: Container, F> Drop for GetArm<'_, C, F> {
    fn drop(&mut self) {
        self.core.abandon(&self.place);
        if let Some(Ok(item)) = self.result.take() {
            self.core.restore(item);
        }
    }
}

impl<'a, C: Container, F> PutArm<'a, C, F> {
    fn new(core: &'a Core<C>, slot: &'a mut Option<C::Item>, then: F) -> Self {
        PutArm {
            core,
            place: Place::new(None),
            slot: Cell::from_mut(slot),
            result: Cell::new(None),
            then: Some(then),
        }
    }
}

impl<C: Container, F, R> Arm<R> for PutArm<'_, C, F>
where
    F: FnOnce(Result<(), PutError<C::Item>>) -> R,
{
    fn attempt(&self) -> bool {
        let Some(item) = self.slot.take() else {
            return false;
        };
        let result = match self.core.put_until(item, NOW) {
            Ok(()) => Ok(()),
            Err(TryPutError::ShutDown(item)) => Err(PutError(item)),
            Err(TryPutError::Full(item)) => {
                self.slot.set(Some(item));
                return false;
            }
        };
        self.result.set(Some(result));
        true
    }

    unsafe fn register(&self, choice: NonNull<Choice>, number: usize) -> bool {
        let Some(item) = self.slot.take() else {
            return true;
        };
        let mut state = self.core.enter();
        if state.can_put(self.core.capacity(), choice.as_ptr()) {
            drop(state);
            self.slot.set(Some(item));
            return false;
        }
        self.place.set_choice(choice, number);
        self.place.fill(Some(item));
        // SAFETY: the caller's word.
        unsafe {
            Side::Putters
                .of(&mut state)
                .push(NonNull::from(&self.place))
        };
        true
    }

    fn unregister(&self) {
        self.core.leave(&self.place, Side::Putters);
        if let Some(item) = self.place.take() {
            self.slot.set(Some(item));
        }
    }

    fn finish(mut self: Box<Self>) -> R {
        let then = self.then.take().expect("an arm is finished once");
        let result = self
            .result
            .take()
            .unwrap_or_else(|| match self.slot.take() {
                // Shut down while it waited.
                Some(item) => Err(PutError(item)),
                None => Ok(()),
            });
        drop(self);
        then(result)
    }
}

macro_rules! sources {
    ($($queue:ident<T $(: $bound:ident)?>;)*) => {$(
        impl<T $(: $bound)?> GetFrom for $queue<T> {
            type Item = T;
            type Error = GetError;

            fn get_arm<'a, R: 'a>(
                &'a self,
                then: impl FnOnce(Result<T, GetError>) -> R + 'a,
            ) -> Box<dyn Arm<R> + 'a> {
                Box::new(GetArm::new(&self.core, then))
            }
        }

        impl<T $(: $bound)?> PutInto for $queue<T> {
            type Item = T;
            type Error = PutError<T>;

            fn put_arm<'a, R: 'a>(
                &'a self,
                item: &'a mut Option<T>,
                then: impl FnOnce(Result<(), PutError<T>>) -> R + 'a,
            ) -> Box<dyn Arm<R> + 'a> {
                Box::new(PutArm::new(&self.core, item, then))
            }
        }
    )*};
}

sources! {
    Queue<T>;
    LifoQueue<T>;
    PriorityQueue<T: Ord>;
    Channel<T>;
}
