//! `Latency`: how long green threads that can run wait for their turn, sampled.
//!
//! Now and then a worker notes how many are in its queue, and what time it is when it has run so
//! many: whoever had become ready at the first moment would run at the second. No green thread is
//! stamped for that, and between two samples it costs a comparison at each look at the world.

use crate::clock;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bounds of the buckets but for the last are 1 µs times the powers of two.
pub(crate) const BUCKETS: usize = 24;

/// Switches between the end of a sample and the next one.
const INTERVAL: u64 = 1000;

/// What others read, and the worker alone writes.
#[derive(Default)]
pub(crate) struct Latency {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
}

impl Latency {
    fn note(&self, nanos: u64) {
        let bits = (nanos / 1000)
            .checked_ilog2()
            .map_or(0, |it| it as usize + 1);
        add(&self.buckets[bits.min(BUCKETS - 1)], 1);
        add(&self.sum, nanos);
    }

    /// How many samples lie in each bucket, and the sum of all in nanoseconds.
    pub(crate) fn read(&self) -> ([u64; BUCKETS], u64) {
        let counts = std::array::from_fn(|it| self.buckets[it].load(Ordering::Relaxed));
        (counts, self.sum.load(Ordering::Relaxed))
    }
}

/// Adds to what the caller alone writes.
#[inline]
pub(crate) fn add(count: &AtomicU64, more: u64) {
    count.store(
        count.load(Ordering::Relaxed).wrapping_add(more),
        Ordering::Relaxed,
    );
}

/// The worker's side.
#[derive(Default)]
pub(crate) struct Sampler {
    /// The switch at which to begin or end a sample.
    due: Cell<u64>,
    began: Cell<Option<u64>>,
}

impl Sampler {
    #[inline(always)]
    pub(crate) fn is_due(&self, switches: u64) -> bool {
        switches >= self.due.get()
    }

    /// Ends a sample, or begins one if `queued` are in the queue.
    #[cold]
    pub(crate) fn turn(&self, latency: &Latency, switches: u64, queued: usize) {
        if self.end(latency, clock::now()) || queued == 0 {
            self.due.set(switches + INTERVAL);
        } else {
            self.began.set(Some(clock::now()));
            self.due.set(switches + queued as u64);
        }
    }

    /// The queue is empty, or has been run through; false if no sample had begun.
    #[inline]
    pub(crate) fn end(&self, latency: &Latency, now: u64) -> bool {
        let began = self.began.take();
        began.inspect(|began| latency.note(now - began)).is_some()
    }
}
