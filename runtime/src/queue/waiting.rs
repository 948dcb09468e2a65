//! Waiting in a queue, as a getter or as a putter, until somebody has done the exchange.

use super::container::Container;
use super::core::{Core, State};
use super::place::{Outcome, Place, Places};
use crate::clock;
use crate::lock::Guard;
use crate::park;
use crate::reason::{Thing, Wait};
use std::mem;
use std::ptr::NonNull;

/// The two sides of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Getters,
    Putters,
}

impl Side {
    fn thing(self) -> Thing {
        match self {
            Side::Getters => Thing::QueueGet,
            Side::Putters => Thing::QueuePut,
        }
    }

    pub(super) fn of<C: Container>(self, state: &mut State<C>) -> &mut Places<C::Item> {
        match self {
            Side::Getters => &mut state.getters,
            Side::Putters => &mut state.putters,
        }
    }
}

impl<C: Container> Core<C> {
    /// Waits in `place` until it has an outcome; `Waiting` if there was none before `deadline`.
    ///
    /// A kill or timeout unwinds out of it. What a getter had been given by then goes to the next
    /// one; what a putter had not been relieved of stays in the place.
    pub(super) fn wait<'a>(
        &'a self,
        mut state: Guard<'a, State<C>>,
        place: &Place<C::Item>,
        side: Side,
        deadline: u64,
    ) -> Outcome {
        // SAFETY: it is new, and stays on the caller's frame until it is out (here, or by `Seat`).
        unsafe { side.of(&mut state).push(NonNull::from(place)) };
        drop(state);
        let seat = Seat {
            core: self,
            place,
            side,
        };
        loop {
            park::park(deadline, Wait::on(side.thing(), self));
            let ended = place.outcome() != Outcome::Waiting;
            if ended || clock::now() >= deadline {
                mem::forget(seat);
                if !ended {
                    self.leave(place, side);
                }
                return place.outcome();
            }
        }
    }

    /// Takes the place out of its list, if it is still inside.
    pub(super) fn leave(&self, place: &Place<C::Item>, side: Side) {
        let mut state = self.state.lock();
        // SAFETY: valid, and in this list or in none.
        unsafe { side.of(&mut state).remove(NonNull::from(place)) };
    }

    /// Gives back what `place`, which is in no list, has been given.
    pub(super) fn abandon(&self, place: &Place<C::Item>) {
        if place.outcome() == Outcome::Done
            && let Some(item) = place.take()
        {
            self.restore(item);
        }
    }
}

/// A place in a list, given up by unwinding.
struct Seat<'a, C: Container> {
    core: &'a Core<C>,
    place: &'a Place<C::Item>,
    side: Side,
}

impl<C: Container> Drop for Seat<'_, C> {
    fn drop(&mut self) {
        self.core.leave(self.place, self.side);
        self.core.abandon(self.place);
    }
}
