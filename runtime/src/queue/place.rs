//! `Place`: where one getter or putter waits, with room for the item that it waits for or brings.
//!
//! Items are handed from frame to frame: whoever comes second does the whole exchange under the
//! queue's lock, and the one who waited finds it done. Against the other way, to wake the waiter and
//! let it look again, this keeps strict order (nobody is overtaken between wake-up and run), saves
//! the waiter a lock, and lets a `Select` be chosen by one source alone.

use crate::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::park::Unparker;
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not yet.
    Waiting,
    /// The item has been given, or taken.
    Done,
    /// The queue was shut down.
    ShutDown,
}

const WAITING: u8 = 0;
const DONE: u8 = 1;
const SHUT_DOWN: u8 = 2;

/// A place in a list, on the waiter's stack or in an arm of its `Select`. All but `outcome` is
/// touched under the lock of the list, or by the owner while it is in none.
pub(crate) struct Place<T> {
    unparker: Cell<Unparker>,
    /// For one of several places of a `Select`: only who wins the choice may use it.
    choice: Cell<Option<(NonNull<Choice>, usize)>>,
    queued: Cell<bool>,
    before: Cell<Option<NonNull<Place<T>>>>,
    after: Cell<Option<NonNull<Place<T>>>>,
    /// `WAITING` -> `DONE` or `SHUT_DOWN`, by who took it out of the list, as its last touch; back
    /// by its owner.
    outcome: AtomicU8,
    item: Cell<Option<T>>,
}

impl<T> Place<T> {
    pub(crate) fn new(item: Option<T>) -> Self {
        Place {
            unparker: Cell::new(Unparker::current()),
            choice: Cell::new(None),
            queued: Cell::new(false),
            before: Cell::new(None),
            after: Cell::new(None),
            outcome: AtomicU8::new(WAITING),
            item: Cell::new(item),
        }
    }

    /// Makes it one of several places of the caller, the one with this `number`. It is in no list.
    pub(crate) fn set_choice(&self, choice: NonNull<Choice>, number: usize) {
        self.unparker.set(Unparker::current());
        self.choice.set(Some((choice, number)));
        self.outcome.store(WAITING, Ordering::Relaxed);
    }

    pub(crate) fn outcome(&self) -> Outcome {
        // Acquire pairs with the Release in `end`: the item has been moved.
        match self.outcome.load(Ordering::Acquire) {
            WAITING => Outcome::Waiting,
            DONE => Outcome::Done,
            _ => Outcome::ShutDown,
        }
    }

    /// Takes the item out. For its owner, once it is in no list.
    pub(crate) fn take(&self) -> Option<T> {
        self.item.take()
    }

    /// Puts an item in. For its owner, while it is in no list.
    pub(crate) fn fill(&self, item: Option<T>) {
        self.item.set(item);
    }

    /// Tells the owner, who may free the place at once; says whom to unpark.
    fn end(&self, outcome: u8) -> Unparker {
        let unparker = self.unparker.get();
        // Release pairs with the Acquire in `outcome`.
        self.outcome.store(outcome, Ordering::Release);
        unparker
    }

    /// May it be used? From then on nobody else may.
    fn claim(&self) -> bool {
        self.choice.get().is_none_or(|(choice, number)| {
            // SAFETY: by `Places::push`, a choice outlives its places' time in a list.
            unsafe { choice.as_ref() }.choose(number)
        })
    }

    fn is_open_to(&self, other: *const Choice) -> bool {
        self.choice.get().is_none_or(|(choice, _)| {
            // SAFETY: as in `claim`.
            !ptr::eq(choice.as_ptr(), other) && unsafe { choice.as_ref() }.chosen().is_none()
        })
    }
}

/// Which of several places was used: the first one to be, and no other.
///
/// `OPEN` -> the number of a place (whoever uses that, under the lock of its list), `OPEN` ->
/// `CLOSED` (the owner, who has given up).
#[derive(Debug)]
pub struct Choice(AtomicUsize);

const OPEN: usize = usize::MAX;
const CLOSED: usize = usize::MAX - 1;

impl Choice {
    pub(crate) fn new() -> Self {
        Choice(AtomicUsize::new(OPEN))
    }

    fn choose(&self, number: usize) -> bool {
        // Relaxed: what is exchanged is ordered by the list's lock.
        self.0
            .compare_exchange(OPEN, number, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// What has been chosen, or `CLOSED`.
    pub(crate) fn chosen(&self) -> Option<usize> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| *number != OPEN)
    }

    /// Gives up, unless something has been chosen: its number.
    pub(crate) fn close(&self) -> Option<usize> {
        self.choose(CLOSED);
        self.chosen().filter(|number| *number != CLOSED)
    }
}

/// The places of all who wait on one side of a queue, first come first served.
pub(crate) struct Places<T> {
    first: Option<NonNull<Place<T>>>,
    last: Option<NonNull<Place<T>>>,
}

// SAFETY: it lies inside the queue's `Lock`, under which alone its places are touched; they stay
// where they are until they have been taken out, and what moves between threads by them is the items.
unsafe impl<T: Send> Send for Places<T> {}

impl<T> Places<T> {
    pub(crate) const fn new() -> Self {
        Places {
            first: None,
            last: None,
        }
    }

    /// Puts `place` at the end.
    ///
    /// # Safety
    ///
    /// It is in no list, and neither moves nor ends before it has been removed or has an outcome; nor
    /// does its choice.
    pub(crate) unsafe fn push(&mut self, place: NonNull<Place<T>>) {
        // SAFETY: valid by the caller's word.
        let node = unsafe { place.as_ref() };
        node.queued.set(true);
        node.before.set(self.last.replace(place));
        self.link_after(node.before.get(), Some(place));
    }

    /// Takes `place` out; false if it is not inside any more.
    ///
    /// # Safety
    ///
    /// It is valid, and in this list or in none.
    pub(crate) unsafe fn remove(&mut self, place: NonNull<Place<T>>) -> bool {
        // SAFETY: valid by the caller's word.
        let node = unsafe { place.as_ref() };
        if !node.queued.replace(false) {
            return false;
        }
        let (before, after) = (node.before.take(), node.after.take());
        self.link_after(before, after);
        match after {
            // SAFETY: a neighbour is in this list, hence valid.
            Some(after) => unsafe { after.as_ref() }.before.set(before),
            None => self.last = before,
        }
        true
    }

    /// Gives the item to the first getter, and says whom to unpark; gives it back if there is none.
    pub(crate) fn give(&mut self, item: T) -> Result<Unparker, T> {
        match self.pop() {
            Some(getter) => {
                getter.item.set(Some(item));
                Ok(getter.end(DONE))
            }
            None => Err(item),
        }
    }

    /// Takes the item of the first putter; says whom to unpark.
    pub(crate) fn take(&mut self) -> Option<(T, Unparker)> {
        let putter = self.pop()?;
        let item = putter.item.take().expect("a putter brings an item");
        Some((item, putter.end(DONE)))
    }

    /// Tells all that the queue is shut down.
    pub(crate) fn shut_down(&mut self) {
        while let Some(place) = self.pop() {
            place.end(SHUT_DOWN).unpark();
        }
    }

    /// Would `give` or `take` find somebody, other than those of this choice?
    pub(crate) fn has_open(&self, but: *const Choice) -> bool {
        let mut next = self.first;
        while let Some(place) = next {
            // SAFETY: it is in this list, hence valid.
            let place = unsafe { place.as_ref() };
            if place.is_open_to(but) {
                return true;
            }
            next = place.after.get();
        }
        false
    }

    /// Takes the first one out that may be used. It is valid until it has an outcome.
    #[inline]
    fn pop(&mut self) -> Option<&Place<T>> {
        while let Some(first) = self.first {
            // SAFETY: it is in this list, hence valid, and the lock is held: its owner, if it gives
            // up or was chosen elsewhere, first comes here to take it out.
            let place = unsafe { first.as_ref() };
            // Before its removal, by which it might be freed: not so under the lock.
            let is_ours = place.claim();
            // SAFETY: as above.
            unsafe { self.remove(first) };
            if is_ours {
                return Some(place);
            }
        }
        None
    }

    fn link_after(&mut self, before: Option<NonNull<Place<T>>>, after: Option<NonNull<Place<T>>>) {
        match before {
            // SAFETY: it is in this list, hence valid.
            Some(before) => unsafe { before.as_ref() }.after.set(after),
            None => self.first = after,
        }
    }
}
