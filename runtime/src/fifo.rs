//! `Fifo`: a worker's queue.
//!
//! One strict order, gevent's: spawns, yields and wake-ups enter one list; nothing runs inline, and
//! a wake-up never switches. Whose timer is due alone stands beside it, as in gevent: see
//! `Worker::next_in_turn`. An unstarted closure that may be stolen lies in the deque and leaves a
//! place-holder in the list, so that the order holds exactly when nothing is stolen.
//!
//! Rejected: tokio's and Go's slot for the latest wake-up, which runs before all others: two that
//! wake each other starve the rest, and gevent's users count on the order.

use crate::header::Header;
use crate::remote::Unstarted;
use crossbeam_deque::Worker as Deque;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::NonNull;

/// How far ahead of its turn a green thread's stack is fetched into the cache; its header twice as
/// far. Measured: 4 ahead hides most of the memory's latency, and costs nothing with few.
const PREFETCH: usize = 4;

/// Cache lines of a stack above its end that a switch and the frames of a wait touch. Measured: 100,000
/// that yield take 80 to 90 ns each, and 135 to 160 where only the top of the stack is fetched.
const LINES_UP: isize = 4;

/// A green thread that lives here, or a place-holder for the next one of the deque.
type Entry = Option<NonNull<Header>>;

pub(crate) struct Fifo {
    entries: RefCell<VecDeque<Entry>>,
    place_holders: Cell<usize>,
    deque: Deque<Unstarted>,
}

impl Fifo {
    pub(crate) fn new(deque: Deque<Unstarted>) -> Fifo {
        Fifo {
            entries: RefCell::default(),
            place_holders: Cell::new(0),
            deque,
        }
    }

    pub(crate) fn deque(&self) -> &Deque<Unstarted> {
        &self.deque
    }

    pub(crate) fn into_deque(self) -> Deque<Unstarted> {
        self.deque
    }

    /// How many unstarted ones wait here, without a lone one that is next.
    pub(crate) fn waiting(&self) -> usize {
        let is_next = matches!(self.entries.borrow().front(), Some(None));
        match self.deque.len() {
            1 if is_next => 0,
            waiting => waiting,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    /// Makes room for `more` entries. Each started green thread is in the queue at most once: if
    /// every spawn makes room for all that have started as well, no wake-up ever allocates.
    pub(crate) fn make_room(&self, more: usize) {
        self.entries.borrow_mut().reserve(more);
    }

    /// Puts a green thread that lives here at the end.
    #[inline]
    pub(crate) fn push(&self, header: NonNull<Header>) {
        self.entries.borrow_mut().push_back(Some(header));
    }

    /// Puts an unstarted one at the end, for any worker to take.
    pub(crate) fn push_stealable(&self, unstarted: Unstarted) {
        self.deque.push(unstarted);
        self.entries.borrow_mut().push_back(None);
        self.place_holders.set(self.place_holders.get() + 1);
    }

    /// After a batch has come into the deque: makes room beside the `live` ones, and puts an entry
    /// at the end for each that has none.
    pub(crate) fn fill_in(&self, live: usize) {
        let new = self.deque.len().saturating_sub(self.place_holders.get());
        self.make_room(live + new);
        self.push_place_holders(new);
    }

    fn push_place_holders(&self, count: usize) {
        self.entries
            .borrow_mut()
            .extend(std::iter::repeat_n(None, count));
        self.place_holders.set(self.place_holders.get() + count);
    }

    /// Takes the first one.
    #[inline(always)] // into the worker's loop: the call alone is some 5 % of a switch
    pub(crate) fn pop(&self) -> Option<NonNull<Header>> {
        loop {
            let mut entries = self.entries.borrow_mut();
            if let Some(header) = entries.pop_front()? {
                prefetch_next(&entries);
                return Some(header);
            }
            drop(entries);
            self.place_holders.set(self.place_holders.get() - 1);
            if let Some(unstarted) = self.deque.pop() {
                return Some(unstarted.0);
            }
            // Its closure has been stolen: the next entry.
        }
    }
}

#[inline]
fn prefetch_next(entries: &VecDeque<Entry>) {
    if entries.len() <= PREFETCH {
        return;
    }
    if let Some(Some(header)) = entries.get(2 * PREFETCH) {
        // Its first two lines have all that a switch reads.
        let header = header.as_ptr().cast::<u8>();
        (0..2).for_each(|line| prefetch(header.wrapping_add(64 * line)));
    }
    if let Some(Some(header)) = entries.get(PREFETCH) {
        // SAFETY: what is in the queue is in use.
        let header = unsafe { header.as_ref() };
        prefetch(header.stack_top.get()); // the way back to the worker is kept there
        let end = header.stack_end.get();
        (-1..LINES_UP).for_each(|line| prefetch(end.wrapping_offset(64 * line)));
    }
}

#[inline]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
