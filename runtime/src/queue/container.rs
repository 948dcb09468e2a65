//! `Container`: in which order the items of a queue come out.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What a queue keeps its items in.
pub(crate) trait Container: Default {
    type Item;

    /// Does it run code of the item's type? Then never under the lock of the queue.
    const IS_FOREIGN: bool;

    fn len(&self) -> usize;

    /// Adds an item.
    fn push(&mut self, item: Self::Item);

    /// Takes the next one out.
    fn pop(&mut self) -> Option<Self::Item>;

    /// Shows the next one.
    fn first(&self) -> Option<&Self::Item>;

    /// Adds one that was the next one, but came back.
    fn restore(&mut self, item: Self::Item) {
        self.push(item);
    }
}

/// First in, first out.
#[derive(Debug)]
pub(crate) struct Fifo<T>(VecDeque<T>);

impl<T> Fifo<T> {
    pub(crate) const fn new() -> Self {
        Fifo(VecDeque::new())
    }
}

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Fifo::new()
    }
}

impl<T> Container for Fifo<T> {
    type Item = T;
    const IS_FOREIGN: bool = false;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    fn first(&self) -> Option<&T> {
        self.0.front()
    }

    fn restore(&mut self, item: T) {
        self.0.push_front(item);
    }
}

/// Last in, first out.
#[derive(Debug)]
pub(crate) struct Lifo<T>(Vec<T>);

impl<T> Lifo<T> {
    pub(crate) const fn new() -> Self {
        Lifo(Vec::new())
    }
}

impl<T> Default for Lifo<T> {
    fn default() -> Self {
        Lifo::new()
    }
}

impl<T> Container for Lifo<T> {
    type Item = T;
    const IS_FOREIGN: bool = false;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn first(&self) -> Option<&T> {
        self.0.last()
    }
}

/// The smallest first.
#[derive(Debug)]
pub(crate) struct Heap<T: Ord>(BinaryHeap<Reverse<T>>);

impl<T: Ord> Heap<T> {
    pub(crate) const fn new() -> Self {
        Heap(BinaryHeap::new())
    }
}

impl<T: Ord> Default for Heap<T> {
    fn default() -> Self {
        Heap::new()
    }
}

impl<T: Ord> Container for Heap<T> {
    type Item = T;
    const IS_FOREIGN: bool = true;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn push(&mut self, item: T) {
        self.0.push(Reverse(item));
    }

    fn pop(&mut self) -> Option<T> {
        self.0.pop().map(|Reverse(item)| item)
    }

    fn first(&self) -> Option<&T> {
        self.0.peek().map(|Reverse(item)| item)
    }
}
