//! `Core`: what all queues and the channel are made of.
//!
//! A put gives its item to the first getter that waits, else leaves it among the items if there is
//! room, else waits with it. A get takes the next item, and lets the first putter that waits leave
//! its own; without any item (a channel never has one) it takes it from the putter's hands. So
//! getters wait only while there is no item, and putters only while there is no room.
//!
//! Code of the items' type (the comparing of a priority queue, the cloning of a peek) may wait, and
//! may panic, so it never runs under the lock: it is *lent* the items, and whoever comes meanwhile
//! waits until they are back.

use super::container::Container;
use super::error::{GetError, TaskDoneError, TryGetError, TryPutError};
use super::place::{Choice, Outcome, Place, Places};
use super::waiting::Side;
use crate::clock::{self, NEVER};
use crate::interrupt::shield;
use crate::lock::{Guard, Lock};
use crate::park;
use crate::reason::{Thing, Wait};
use crate::wait_queue::{self, WaitQueue};
use std::mem;

pub(crate) struct Core<C: Container> {
    pub(super) state: Lock<State<C>>,
    /// Never more items than this, but for one that a killed getter gives back.
    capacity: usize,
}

pub(super) struct State<C: Container> {
    items: C,
    /// How many items there were when they were lent to foreign code; `items` is empty till then.
    lent: Option<usize>,
    shutdown: Shutdown,
    pub(super) getters: Places<C::Item>,
    pub(super) putters: Places<C::Item>,
    peekers: WaitQueue,
    /// Who waits until the items are back.
    entrants: WaitQueue,
    joiners: WaitQueue,
    /// Items put of which nobody has said `task_done`.
    unfinished: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    No,
    /// What is inside may be got.
    Draining,
    /// Nothing stays inside.
    Immediate,
}

/// For what never waits nor yields: over without a look at the clock. No `clock::deadline` is equal
/// to it.
pub(super) const NOW: u64 = NEVER - 1;

impl<C: Container> Core<C> {
    pub(super) const fn new(items: C, capacity: usize) -> Self {
        let state = State {
            items,
            lent: None,
            shutdown: Shutdown::No,
            getters: Places::new(),
            putters: Places::new(),
            peekers: WaitQueue::new(),
            entrants: WaitQueue::new(),
            joiners: WaitQueue::new(),
            unfinished: 0,
        };
        Core {
            state: Lock::new(state),
            capacity,
        }
    }

    /// With items that were put before anybody knew it.
    pub(super) fn with_items(items: C) -> Self {
        let core = Core::new(items, usize::MAX);
        let mut state = core.state.lock();
        state.unfinished = state.items.len();
        drop(state);
        core
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().len()
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.state.lock().is_shut_down()
    }

    pub(super) fn unfinished(&self) -> usize {
        self.state.lock().unfinished
    }

    pub(super) fn put_until(
        &self,
        item: C::Item,
        deadline: u64,
    ) -> Result<(), TryPutError<C::Item>> {
        match self.offer(self.enter(), item) {
            Ok(()) => {
                if self.capacity == 0 && deadline != NOW {
                    // The getter was woken first, and is to be the first to go on.
                    shield(park::yield_now);
                }
                Ok(())
            }
            Err((state, item)) if state.is_shut_down() => {
                drop(state);
                Err(TryPutError::ShutDown(item))
            }
            Err((state, item)) if is_over(deadline) => {
                drop(state);
                Err(TryPutError::Full(item))
            }
            Err((state, item)) => {
                let place = Place::new(Some(item));
                let outcome = self.wait(state, &place, Side::Putters, deadline);
                let item = || place.take().expect("nobody took it");
                match outcome {
                    Outcome::Done => Ok(()),
                    Outcome::Waiting => Err(TryPutError::Full(item())),
                    Outcome::ShutDown => Err(TryPutError::ShutDown(item())),
                }
            }
        }
    }

    pub(super) fn get_until(&self, deadline: u64) -> Result<C::Item, TryGetError> {
        match self.take(self.enter()) {
            Ok(item) => Ok(item),
            Err(state) if state.is_shut_down() => Err(TryGetError::ShutDown),
            Err(_) if is_over(deadline) => Err(TryGetError::Empty),
            Err(state) => {
                let place = Place::new(None);
                match self.wait(state, &place, Side::Getters, deadline) {
                    Outcome::Done => Ok(place.take().expect("it was given")),
                    Outcome::Waiting => Err(TryGetError::Empty),
                    Outcome::ShutDown => Err(TryGetError::ShutDown),
                }
            }
        }
    }

    pub(super) fn get(&self) -> Result<C::Item, GetError> {
        self.get_until(NEVER).map_err(|_| GetError)
    }

    pub(super) fn peek_until(&self, deadline: u64) -> Result<C::Item, TryGetError>
    where
        C::Item: Clone,
    {
        let mut state = self.enter();
        loop {
            if state.items.len() > 0 {
                let item = self.lend(state, |items| items.first().cloned());
                return Ok(item.expect("it was there, and nobody else was"));
            }
            if state.is_shut_down() {
                return Err(TryGetError::ShutDown);
            }
            if is_over(deadline) {
                return Err(TryGetError::Empty);
            }
            drop(self.wait_in(state, |state| &state.peekers, deadline));
            state = self.enter();
        }
    }

    /// Hands the item over, or leaves it inside; gives it back if there is no room, or no more.
    pub(super) fn offer<'a>(
        &'a self,
        mut state: Guard<'a, State<C>>,
        item: C::Item,
    ) -> Result<(), (Guard<'a, State<C>>, C::Item)> {
        if state.is_shut_down() {
            return Err((state, item));
        }
        match state.getters.give(item) {
            Ok(getter) => {
                state.unfinished += 1;
                drop(state);
                getter.unpark();
                Ok(())
            }
            Err(item) if state.items.len() < self.capacity => {
                state.unfinished += 1;
                self.change(state, |items| items.push(item));
                Ok(())
            }
            Err(item) => Err((state, item)),
        }
    }

    /// Takes the next item.
    pub(super) fn take<'a>(
        &'a self,
        mut state: Guard<'a, State<C>>,
    ) -> Result<C::Item, Guard<'a, State<C>>> {
        let len = state.items.len();
        // There are more if a getter was killed and gave one back.
        let has_room_then = len <= self.capacity;
        let putter = if has_room_then {
            state.putters.take()
        } else {
            None
        };
        let Some((item, putter)) = putter else {
            return match len {
                0 => Err(state),
                _ => Ok(self.change(state, |items| items.pop().expect(NOT_EMPTY))),
            };
        };
        let unpark = Unpark(putter);
        state.unfinished += 1;
        let item = if len == 0 {
            drop(state);
            item
        } else {
            self.change(state, |items| {
                let next = items.pop();
                items.push(item);
                next.expect(NOT_EMPTY)
            })
        };
        drop(unpark);
        Ok(item)
    }

    /// Gives back what a getter was given that will not use it: to the next one, else as the next
    /// item.
    pub(super) fn restore(&self, item: C::Item) {
        let mut state = self.enter();
        match state.getters.give(item) {
            Ok(getter) => {
                drop(state);
                getter.unpark();
            }
            Err(_gone) if state.shutdown == Shutdown::Immediate => {
                state.finish(1);
                drop(state);
            }
            Err(item) => self.change(state, |items| items.restore(item)),
        }
    }

    pub(super) fn task_done(&self) -> Result<(), TaskDoneError> {
        let mut state = self.state.lock();
        if state.unfinished == 0 {
            return Err(TaskDoneError);
        }
        state.finish(1);
        Ok(())
    }

    /// Waits until nothing is unfinished; says whether that came before `deadline`.
    pub(super) fn join_until(&self, deadline: u64) -> bool {
        let state = self.state.lock();
        if state.unfinished == 0 {
            return true;
        }
        if is_over(deadline) {
            return false;
        }
        self.wait_in(state, |state| &state.joiners, deadline).1
    }

    /// Waits in one of the lists whose waiters are woken all at once, so that a killed one has
    /// nothing to pass on.
    fn wait_in<'a>(
        &'a self,
        state: Guard<'a, State<C>>,
        queue: impl Fn(&State<C>) -> &WaitQueue,
        deadline: u64,
    ) -> (Guard<'a, State<C>>, bool) {
        let why = Wait::on(Thing::QueueJoin, self);
        wait_queue::wait(&self.state, state, queue, deadline, why, |_| None)
    }

    pub(super) fn shut_down(&self, immediate: bool) {
        let mut state = self.enter();
        if immediate {
            state.shutdown = Shutdown::Immediate;
        } else if state.shutdown == Shutdown::No {
            state.shutdown = Shutdown::Draining;
        }
        state.getters.shut_down();
        state.putters.shut_down();
        let mut dropped = C::default();
        if immediate {
            mem::swap(&mut dropped, &mut state.items);
            state.finish(dropped.len());
        }
        state.peekers.wake_all();
        drop(state);
    }

    /// The lock, with the items at home.
    #[inline]
    pub(super) fn enter(&self) -> Guard<'_, State<C>> {
        let state = self.state.lock();
        if state.lent.is_some() {
            return self.enter_when_back(state);
        }
        state
    }

    /// Not to be cut by a kill: whoever enters may have to give something back.
    #[cold]
    fn enter_when_back<'a>(&'a self, mut state: Guard<'a, State<C>>) -> Guard<'a, State<C>> {
        while state.lent.is_some() {
            state = shield(|| self.wait_in(state, |state| &state.entrants, NEVER).0);
        }
        state
    }

    /// Changes the items, and ends with the lock.
    #[inline]
    fn change<'a, R>(&'a self, mut state: Guard<'a, State<C>>, f: impl FnOnce(&mut C) -> R) -> R {
        if C::IS_FOREIGN {
            return self.lend(state, f);
        }
        let result = f(&mut state.items);
        state.wake_peekers();
        result
    }

    /// Runs foreign code on the items, without the lock.
    fn lend<'a, R>(&'a self, mut state: Guard<'a, State<C>>, f: impl FnOnce(&mut C) -> R) -> R {
        state.lent = Some(state.items.len());
        let items = mem::take(&mut state.items);
        drop(state);
        let mut lent = Lent { core: self, items };
        f(&mut lent.items)
    }
}

const NOT_EMPTY: &str = "there was an item, under the same lock";

/// Is it over? One that is far away is not worth a look at the clock.
fn is_over(deadline: u64) -> bool {
    deadline == NOW || deadline != NEVER && clock::now() >= deadline
}

impl<C: Container> State<C> {
    fn len(&self) -> usize {
        self.lent.unwrap_or_else(|| self.items.len())
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.shutdown != Shutdown::No
    }

    /// Could a getter that belongs to `but` take something, or is there nothing to wait for?
    pub(super) fn can_get(&self, but: *const Choice) -> bool {
        self.items.len() > 0 || self.is_shut_down() || self.putters.has_open(but)
    }

    pub(super) fn can_put(&self, capacity: usize, but: *const Choice) -> bool {
        self.items.len() < capacity || self.is_shut_down() || self.getters.has_open(but)
    }

    fn wake_peekers(&self) {
        if !self.peekers.is_empty() && self.items.len() > 0 {
            self.peekers.wake_all();
        }
    }

    fn finish(&mut self, count: usize) {
        self.unfinished -= count;
        if self.unfinished == 0 {
            self.joiners.wake_all();
        }
    }
}

/// The items while foreign code has them; dropping it brings them back, also if that code panics.
struct Lent<'a, C: Container> {
    core: &'a Core<C>,
    items: C,
}

impl<C: Container> Drop for Lent<'_, C> {
    fn drop(&mut self) {
        let mut state = self.core.state.lock();
        mem::swap(&mut state.items, &mut self.items);
        state.lent = None;
        state.wake_peekers();
        state.entrants.wake_all();
    }
}

/// Unparks a putter even if comparing its item panics.
struct Unpark(park::Unparker);

impl Drop for Unpark {
    fn drop(&mut self) {
        self.0.unpark();
    }
}
