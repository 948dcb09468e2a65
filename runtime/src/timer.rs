//! `Timers`: what is due on one worker, and when.
//!
//! A pairing heap (Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", 1986) through nodes
//! that lie on the stacks of those who wait, so that no timer ever allocates: insert is O(1), pop
//! and remove are O(log n) amortised, and no step recurses, whatever the shape. Rejected: a `Vec`
//! heap or a `BTreeMap`, which allocate and need an index to remove by. A hierarchical wheel
//! touches fewer nodes, and is about three times faster at 100,000 timers on stacks of their own;
//! but it knows its earliest deadline only roughly, so that an idle worker would wake up to
//! cascade.

use std::cell::Cell;
use std::ptr::NonNull;

/// The timers of one worker, earliest first; equal deadlines fire in the order of their insertion.
pub(crate) struct Timers<T> {
    root: Link<T>,
    sequence: u64,
    len: usize,
}

/// One timer: the node that its waiter keeps still on its stack.
///
/// Whoever holds the node and the heap both reach it by shared reference; all that changes is in
/// cells.
pub(crate) struct Timer<T> {
    deadline: u64,
    payload: T,
    sequence: Cell<u64>,
    linked: Cell<bool>,
    /// The first of the timers that are known to be later than this one.
    child: Cell<Link<T>>,
    /// The next child of the same parent.
    next: Cell<Link<T>>,
    /// The child before it, or the parent of a first child; none for the root.
    previous: Cell<Link<T>>,
}

type Link<T> = Option<NonNull<Timer<T>>>;

impl<T: Copy> Timer<T> {
    /// Makes a timer that is in no heap yet. `deadline` is in nanoseconds of the runtime's clock.
    pub(crate) fn new(deadline: u64, payload: T) -> Self {
        Timer {
            deadline,
            payload,
            sequence: Cell::new(0),
            linked: Cell::new(false),
            child: Cell::new(None),
            next: Cell::new(None),
            previous: Cell::new(None),
        }
    }

    /// Whether a heap holds it: true from `insert` until it is popped or removed.
    pub(crate) fn is_linked(&self) -> bool {
        self.linked.get()
    }

    fn is_before(&self, other: &Self) -> bool {
        (self.deadline, self.sequence.get()) < (other.deadline, other.sequence.get())
    }
}

impl<T: Copy> Timers<T> {
    pub(crate) const fn new() -> Self {
        Timers {
            root: None,
            sequence: 0,
            len: 0,
        }
    }

    /// Adds a timer.
    ///
    /// # Safety
    ///
    /// `timer` is not linked. From now until it is popped or removed it stays where it is, alive
    /// and never borrowed mutably, and is touched by this OS thread alone.
    pub(crate) unsafe fn insert(&mut self, timer: NonNull<Timer<T>>) {
        // SAFETY: the caller vouches that it is alive and not borrowed mutably.
        let node = unsafe { timer.as_ref() };
        debug_assert!(!node.is_linked());
        node.sequence.set(self.sequence);
        node.linked.set(true);
        self.sequence += 1;
        self.len += 1;
        // SAFETY: the timer and the heap's root are valid, have no siblings, and are in no other
        // heap.
        self.root = unsafe { meld_links(self.root, Some(timer)) };
    }

    /// Takes a timer out, so that it never fires. Does nothing to one that is not linked.
    ///
    /// # Safety
    ///
    /// `timer` is alive, and if it is linked, then in this heap.
    pub(crate) unsafe fn remove(&mut self, timer: NonNull<Timer<T>>) {
        // SAFETY: the caller vouches that it is alive; linked ones are not borrowed mutably.
        let node = unsafe { timer.as_ref() };
        if !node.is_linked() {
            return;
        }
        if self.root == Some(timer) {
            self.root = None;
        } else {
            // SAFETY: linked and not the root, so it is a child in this heap.
            unsafe { cut(node) };
        }
        // SAFETY: the timer is off the heap, whose root and whose cut-off children are what remains
        // of it.
        unsafe { self.forget(node) };
    }

    /// The deadline of the timer that fires next.
    pub(crate) fn earliest(&self) -> Option<u64> {
        // SAFETY: a linked node is alive and not borrowed mutably, by the contract of `insert`.
        self.root.map(|root| unsafe { root.as_ref() }.deadline)
    }

    /// Takes the earliest timer out and returns its payload, if its deadline is not after `now`.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<T> {
        // SAFETY: a linked node is alive and not borrowed mutably, by the contract of `insert`.
        let root = unsafe { self.root?.as_ref() };
        if root.deadline > now {
            return None;
        }
        self.root = None;
        // SAFETY: the root is off the heap, and its children are all that remains of it.
        unsafe { self.forget(root) };
        Some(root.payload)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives the children of a timer that was just taken off back to the heap.
    ///
    /// # Safety
    ///
    /// `node` has been linked in this heap, and is neither its root nor anyone's child any more.
    unsafe fn forget(&mut self, node: &Timer<T>) {
        node.linked.set(false);
        self.len -= 1;
        // SAFETY: its children are valid siblings that nobody else links to; their merged root, and
        // the heap's, have no siblings.
        self.root = unsafe { meld_links(self.root, merge_siblings(node.child.take())) };
    }
}

/// Takes a child out of the list of its siblings; it keeps its own children.
///
/// # Safety
///
/// `node` is linked and is not a root.
unsafe fn cut<T: Copy>(node: &Timer<T>) {
    let (previous, next) = (node.previous.take(), node.next.take());
    if let Some(next) = next {
        // SAFETY: a linked node's links are linked nodes, alive and never borrowed mutably.
        unsafe { next.as_ref() }.previous.set(previous);
    }
    let Some(previous) = previous else { return };
    // SAFETY: as above.
    let previous = unsafe { previous.as_ref() };
    // A sibling's first child cannot be `node`, so this tells the parent from a sibling.
    if previous.child.get() == Some(NonNull::from(node)) {
        previous.child.set(next);
    } else {
        previous.next.set(next);
    }
}

/// Merges a list of siblings into one heap: in pairs from the left, then the pairs from the right.
///
/// # Safety
///
/// `first` is the first of a list of valid nodes that no parent links to any more.
unsafe fn merge_siblings<T: Copy>(mut first: Link<T>) -> Link<T> {
    let mut pairs: Link<T> = None;
    while let Some(left) = first {
        // SAFETY: each node of the list is valid, and is detached from it before it is melded.
        unsafe {
            let right = detach(left);
            first = right.and_then(|right| detach(right));
            let pair = meld_links(Some(left), right);
            pair.inspect(|pair| pair.as_ref().next.set(pairs));
            pairs = pair;
        }
    }
    let mut root = None;
    while let Some(pair) = pairs {
        // SAFETY: as above; `pairs` is a list through `next` of roots, last pair first.
        unsafe {
            pairs = detach(pair);
            root = meld_links(root, Some(pair));
        }
    }
    root
}

/// Makes a node a root without siblings, and returns the sibling that came after it.
///
/// # Safety
///
/// `node` is valid.
unsafe fn detach<T>(node: NonNull<Timer<T>>) -> Link<T> {
    // SAFETY: valid, says the caller.
    let node = unsafe { node.as_ref() };
    node.previous.set(None);
    node.next.take()
}

/// Melds two heaps, each of which may be empty.
///
/// # Safety
///
/// Both are roots of distinct heaps, valid and without siblings.
unsafe fn meld_links<T: Copy>(one: Link<T>, other: Link<T>) -> Link<T> {
    match (one, other) {
        // SAFETY: the caller's promise is the callee's.
        (Some(one), Some(other)) => Some(unsafe { meld(one, other) }),
        (one, other) => one.or(other),
    }
}

/// Makes the later of two roots the first child of the earlier one, which is returned.
///
/// # Safety
///
/// Both are roots of distinct heaps, valid and without siblings.
unsafe fn meld<T: Copy>(one: NonNull<Timer<T>>, other: NonNull<Timer<T>>) -> NonNull<Timer<T>> {
    // SAFETY: both are valid, says the caller; shared references may coexist with all others.
    let in_order = unsafe { one.as_ref().is_before(other.as_ref()) };
    let (parent, child) = if in_order { (one, other) } else { (other, one) };
    // SAFETY: as above, and a linked node's child is a linked node.
    unsafe {
        let elder = parent.as_ref().child.replace(Some(child));
        child.as_ref().previous.set(Some(parent));
        child.as_ref().next.set(elder);
        elder.inspect(|elder| elder.as_ref().previous.set(Some(child)));
    }
    parent
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

    fn insert(timers: &mut Timers<usize>, timer: &Timer<usize>) {
        // SAFETY: the tests insert each timer once, on one thread, and keep it in a slice or box
        // meanwhile.
        unsafe { timers.insert(NonNull::from(timer)) }
    }

    fn remove(timers: &mut Timers<usize>, timer: &Timer<usize>) {
        // SAFETY: each test has one heap.
        unsafe { timers.remove(NonNull::from(timer)) }
    }

    /// The heap next to the plainest thing that does the same.
    #[derive(Default)]
    struct Pair {
        #[expect(
            clippy::vec_box,
            reason = "nodes stay where they are while the list grows"
        )]
        nodes: Vec<Box<Timer<usize>>>,
        model: BTreeMap<(u64, usize), ()>,
    }

    impl Pair {
        fn run(&mut self, timers: &mut Timers<usize>, step: Step) {
            match step {
                Step::Insert(deadline) => self.insert(timers, deadline),
                Step::Remove(_) if self.nodes.is_empty() => {}
                Step::Remove(index) => self.remove(timers, index % self.nodes.len()),
                Step::PopDue(now) => self.pop_due(timers, now),
            }
            assert_eq!(timers.len(), self.model.len());
            assert_eq!(timers.is_empty(), self.model.is_empty());
            let earliest = self
                .model
                .first_key_value()
                .map(|(&(deadline, _), ())| deadline);
            assert_eq!(timers.earliest(), earliest);
        }

        fn insert(&mut self, timers: &mut Timers<usize>, deadline: u64) {
            let id = self.nodes.len();
            self.nodes.push(Box::new(Timer::new(deadline, id)));
            insert(timers, &self.nodes[id]);
            self.model.insert((deadline, id), ());
        }

        fn remove(&mut self, timers: &mut Timers<usize>, id: usize) {
            let node = &self.nodes[id];
            let was_there = self.model.remove(&(node.deadline, id)).is_some();
            assert_eq!(node.is_linked(), was_there);
            remove(timers, node);
            assert!(!node.is_linked());
        }

        fn pop_due(&mut self, timers: &mut Timers<usize>, now: u64) {
            let first = self.model.first_key_value().map(|(&key, ())| key);
            let expected = first.filter(|&(deadline, _)| deadline <= now);
            if let Some(key) = expected {
                self.model.remove(&key);
            }
            let popped = timers.pop_due(now);
            assert_eq!(popped, expected.map(|(_, id)| id));
            popped.inspect(|&id| assert!(!self.nodes[id].is_linked()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 1000 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]
        #[test]
        fn agrees_with_a_sorted_map(steps in prop::collection::vec(step(), 0..200)) {
            let mut timers = Timers::new();
            let mut pair = Pair::default();
            for step in steps {
                pair.run(&mut timers, step);
            }
            while !timers.is_empty() {
                pair.run(&mut timers, Step::PopDue(u64::MAX));
            }
        }
    }

    #[test]
    fn equal_deadlines_fire_in_order_of_insertion() {
        let nodes: Vec<_> = (0..100).map(|id| Timer::new(7, id)).collect();
        let mut timers = Timers::new();
        nodes
            .iter()
            .rev()
            .for_each(|node| insert(&mut timers, node));
        remove(&mut timers, &nodes[50]);
        insert(&mut timers, &nodes[50]); // again: now the last
        let order: Vec<_> = std::iter::from_fn(|| timers.pop_due(7)).collect();
        let expected: Vec<_> = (0..100).rev().filter(|&id| id != 50).chain([50]).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn one_that_is_not_due_stays() {
        let node = Timer::new(10, 0);
        let mut timers = Timers::new();
        insert(&mut timers, &node);
        assert_eq!(timers.pop_due(9), None);
        assert!(node.is_linked());
        assert_eq!(timers.pop_due(10), Some(0));
        remove(&mut timers, &node); // a no-op by now
        assert_eq!(timers.earliest(), None);
    }

    /// Ascending deadlines make one root with a million children, descending ones a chain a million
    /// deep.
    #[test]
    fn a_million_in_the_worst_order_need_no_stack() {
        const COUNT: usize = if cfg!(miri) { 200 } else { 1_000_000 };
        let small = std::thread::Builder::new().stack_size(48 << 10);
        let job = || {
            for deadline in [|id| id as u64, |id| (COUNT - id) as u64] {
                let nodes: Vec<_> = (0..COUNT).map(|id| Timer::new(deadline(id), id)).collect();
                let mut timers = Timers::new();
                nodes.iter().for_each(|node| insert(&mut timers, node));
                nodes
                    .iter()
                    .step_by(3)
                    .for_each(|node| remove(&mut timers, node));
                let mut last = 0;
                while let Some(id) = timers.pop_due(u64::MAX) {
                    assert!(nodes[id].deadline >= last);
                    last = nodes[id].deadline;
                }
                assert!(nodes.iter().all(|node| !node.is_linked()));
            }
        };
        small.spawn(job).unwrap().join().unwrap();
    }
}
