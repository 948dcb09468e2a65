//! `Timers`: what is due on one worker, and when.
//!
//! A binary heap of deadlines beside a slab of what they are for. A timer that is taken out leaves
//! its entry in the heap; such a stale one is told by its number, and goes when it comes to the
//! top, or with all others when they are the more. So an entry may move without anybody being told,
//! the heap is contiguous, and the earliest deadline is exact: an idle worker sleeps until then.
//!
//! Rejected: a pairing heap through nodes on the waiters' stacks, which needs no room of its own,
//! but each of its steps misses the cache (100,000 sleepers: half of all their time). A
//! hierarchical wheel, which knows its earliest deadline only roughly.

use slab::Slab;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The timers of one worker, earliest first; equal deadlines fire in the order of their insertion.
pub(crate) struct Timers<T> {
    /// At most twice as many as are alive, and `SPARE`. The first one is alive.
    heap: BinaryHeap<Reverse<Entry>>,
    alive: Slab<Alive<T>>,
    sequence: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline: u64,
    sequence: u64,
    key: usize,
}

struct Alive<T> {
    sequence: u64,
    payload: T,
}

/// A timer that was inserted: the right to take it out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    key: usize,
    sequence: u64,
}

/// So many stale entries are never worth a round through the heap.
const SPARE: usize = 64;

impl<T> Timers<T> {
    pub(crate) const fn new() -> Self {
        Timers {
            heap: BinaryHeap::new(),
            alive: Slab::new(),
            sequence: 0,
        }
    }

    /// Makes room: up to `count` timers at a time are inserted without an allocation.
    #[inline]
    pub(crate) fn make_room(&mut self, count: usize) {
        if self.alive.capacity() < count {
            self.grow(count);
        }
    }

    #[cold]
    fn grow(&mut self, count: usize) {
        self.alive.reserve(count - self.alive.len());
        let entries = 2 * self.alive.capacity() + SPARE;
        self.heap.reserve_exact(entries - self.heap.len());
    }

    /// Adds a timer. `deadline` is in nanoseconds of the runtime's clock.
    pub(crate) fn insert(&mut self, deadline: u64, payload: T) -> Timer {
        let sequence = self.sequence;
        self.sequence += 1;
        let key = self.alive.insert(Alive { sequence, payload });
        self.heap.push(Reverse(Entry {
            deadline,
            sequence,
            key,
        }));
        Timer { key, sequence }
    }

    /// Takes a timer out, so that it never fires. Does nothing to one that has fired.
    pub(crate) fn remove(&mut self, timer: Timer) {
        if is_alive(&self.alive, timer.key, timer.sequence) {
            self.alive.remove(timer.key);
            self.tidy();
        }
    }

    /// The deadline of the timer that fires next.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.heap.peek().map(|first| first.0.deadline)
    }

    /// Takes the earliest timer out and returns its payload, if its deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<T> {
        if self.earliest()? > now {
            return None;
        }
        let Reverse(first) = self.heap.pop()?;
        let due = self.alive.remove(first.key);
        self.tidy();
        Some(due.payload)
    }

    /// Drops stale entries: the first ones, and all of them if they are too many.
    fn tidy(&mut self) {
        let alive = &self.alive;
        if self.heap.len() > 2 * alive.len() + SPARE {
            self.heap
                .retain(|entry| is_alive(alive, entry.0.key, entry.0.sequence));
        }
        while let Some(Reverse(first)) = self.heap.peek()
            && !is_alive(alive, first.key, first.sequence)
        {
            self.heap.pop();
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.alive.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.alive.is_empty()
    }
}

/// Is it still the same one that has this key?
fn is_alive<T>(alive: &Slab<Alive<T>>, key: usize, sequence: u64) -> bool {
    alive.get(key).is_some_and(|it| it.sequence == sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Remove(usize),
        PopDue(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..40_u64).prop_map(Step::Insert),
            2 => any::<usize>().prop_map(Step::Remove),
            3 => (0..45_u64).prop_map(Step::PopDue),
        ]
    }

    /// Those that are hardly ever due pile up as stale entries.
    fn mostly_removed() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (0..1000_u64).prop_map(Step::Insert),
            20 => any::<usize>().prop_map(Step::Remove),
            1 => (0..20_u64).prop_map(Step::PopDue),
        ]
    }

    /// The heap next to the plainest thing that does the same.
    #[derive(Default)]
    struct Pair {
        timers: Timers<usize>,
        inserted: Vec<(u64, Timer)>,
        model: BTreeMap<(u64, usize), ()>,
    }

    impl Default for Timers<usize> {
        fn default() -> Self {
            Timers::new()
        }
    }

    impl Pair {
        fn run(&mut self, step: Step) {
            match step {
                Step::Insert(deadline) => self.insert(deadline),
                Step::Remove(_) if self.inserted.is_empty() => {}
                Step::Remove(index) => self.remove(index % self.inserted.len()),
                Step::PopDue(now) => self.pop_due(now),
            }
            assert_eq!(self.timers.alive.len(), self.model.len());
            assert_eq!(self.timers.is_empty(), self.model.is_empty());
            assert!(self.timers.heap.len() <= 2 * self.model.len() + SPARE);
            let earliest = self
                .model
                .first_key_value()
                .map(|(&(deadline, _), ())| deadline);
            assert_eq!(self.timers.earliest(), earliest);
        }

        fn insert(&mut self, deadline: u64) {
            let id = self.inserted.len();
            self.timers.make_room(self.model.len() + 1);
            let room = (self.timers.alive.capacity(), self.timers.heap.capacity());
            self.inserted
                .push((deadline, self.timers.insert(deadline, id)));
            let room_after = (self.timers.alive.capacity(), self.timers.heap.capacity());
            assert_eq!(room, room_after, "an insertion never allocates");
            self.model.insert((deadline, id), ());
        }

        /// Also of one that is out already.
        fn remove(&mut self, id: usize) {
            let (deadline, timer) = self.inserted[id];
            self.model.remove(&(deadline, id));
            self.timers.remove(timer);
        }

        fn pop_due(&mut self, now: u64) {
            let first = self.model.first_key_value().map(|(&key, ())| key);
            let expected = first.filter(|&(deadline, _)| deadline <= now);
            if let Some(key) = expected {
                self.model.remove(&key);
            }
            assert_eq!(self.timers.pop_due(now), expected.map(|(_, id)| id));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 1000 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn agrees_with_a_sorted_map(
            steps in prop_oneof![
                prop::collection::vec(step(), 0..200),
                prop::collection::vec(mostly_removed(), 0..600),
            ]
        ) {
            let mut pair = Pair::default();
            for step in steps {
                pair.run(step);
            }
            while !pair.timers.is_empty() {
                pair.run(Step::PopDue(u64::MAX));
            }
        }
    }

    #[test]
    fn equal_deadlines_fire_in_order_of_insertion() {
        let mut timers = Timers::new();
        let inserted: Vec<_> = (0..100).map(|id| timers.insert(7, id)).collect();
        timers.remove(inserted[50]);
        timers.insert(7, 50); // again: now the last
        let order: Vec<_> = std::iter::from_fn(|| timers.pop_due(7)).collect();
        let expected: Vec<_> = (0..100).filter(|&id| id != 50).chain([50]).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn one_that_is_not_due_stays() {
        let mut timers = Timers::new();
        let timer = timers.insert(10, 0);
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.earliest(), Some(10));
        assert_eq!(timers.pop_due(10), Some(0));
        timers.remove(timer); // a no-op by now
        assert_eq!(timers.earliest(), None);
    }

    #[test]
    fn one_that_has_fired_is_not_taken_for_its_successor() {
        let mut timers = Timers::new();
        let old = timers.insert(1, 'a');
        assert_eq!(timers.pop_due(1), Some('a'));
        timers.insert(2, 'b'); // in the old one's place
        timers.remove(old);
        assert_eq!(timers.pop_due(2), Some('b'));
    }
}
