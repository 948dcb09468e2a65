//! `Lot`: who waits for what lies at an address; the kernel's futex, for green threads.
//!
//! A table of queues, by key. A node lies on its waiter's stack; a wake-up takes it out under the
//! lock of its bucket. Keys are addresses of the program's own objects (a futex word, a mutex), or
//! descriptors. Green threads and OS threads may wait side by side.
//!
//! No wake-up is lost: the waiter counts itself, fences and looks at the object; the waker changes
//! the object, fences and looks at the count.

use crate::kernel;
use greenloop_runtime::foreign::{self, Lock, Waker};
use libc::timespec;
use std::cell::Cell;
use std::ops::RangeInclusive;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

const BUCKETS: usize = 256;

static LOT: [Bucket; BUCKETS] = [const { Bucket::new() }; BUCKETS];

#[repr(align(64))]
struct Bucket {
    /// How many are queued, or about to be.
    waiting: AtomicUsize,
    queue: Lock<Queue>,
}

/// First come, first served.
struct Queue {
    first: Cell<Option<NonNull<Node>>>,
    last: Cell<Option<NonNull<Node>>>,
}

// SAFETY: its nodes are touched under the lock that it lies in, and stay valid until they have been
// taken out.
unsafe impl Send for Queue {}

struct Node {
    key: Key,
    /// A wake-up finds it if they have a bit in common.
    bits: u32,
    waker: Waker,
    queued: Cell<bool>,
    /// The bits of the wake-up that has found it.
    woken_by: Cell<u32>,
    before: Cell<Option<NonNull<Node>>>,
    after: Cell<Option<NonNull<Node>>>,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Key {
    /// A word, by the rules of futex(2).
    Futex(usize),
    /// An object of the C library: a mutex, a condition variable.
    Object(usize),
    /// The end of a descriptor.
    Descriptor(i32),
}

/// Why a wait has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Woken,
    TimedOut,
    /// What is waited for was there already.
    Refused,
}

/// All bits: a wake-up for everybody, a waiter for every wake-up.
pub(crate) const ANY: u32 = u32::MAX;

/// Waits for a wake-up of `key`, or `deadline`. `still` is asked once the caller is counted: if it
/// says no, there is no wait. Kills have to wait.
pub(crate) fn wait(key: Key, bits: u32, deadline: u64, still: impl FnOnce() -> bool) -> Outcome {
    let place = Place::new(key, bits);
    // SAFETY: it stays on this frame.
    if !unsafe { place.enter(still) } {
        return Outcome::Refused;
    }
    place.wait(deadline, || false)
}

/// Wakes up to `count` of those who wait for `key`, in order, if they have one of `bits`; says how
/// many.
pub(crate) fn wake(key: Key, count: usize, bits: u32) -> usize {
    // Pairs with the fence in `Place::enter`: either the waiter sees what the caller has changed,
    // or it is counted here.
    fence(Ordering::SeqCst);
    let bucket = bucket(key);
    // Who comes back while this goes on is not woken again.
    let count = count.min(bucket.waiting.load(Ordering::Relaxed));
    let mut woken = 0;
    while woken < count {
        // One at a time: who is woken may need the lock.
        let Some(waker) = bucket.take(key, bits) else {
            break;
        };
        waker.wake();
        woken += 1;
    }
    woken
}

/// Makes those who wait for `key` look again: a wake-up for no reason.
pub(crate) fn wake_all(key: Key) -> usize {
    wake(key, usize::MAX, ANY)
}

/// May somebody wait for `key`? A hint: for another key, or not any more.
pub(crate) fn is_waited_for(key: Key) -> bool {
    bucket(key).waiting.load(Ordering::Relaxed) != 0
}

/// Wakes those who wait for the end of one of `fds`. For a single one nothing is allocated.
pub(crate) fn wake_descriptors(fds: RangeInclusive<i32>, bits: u32) {
    if fds.start() == fds.end() {
        wake(Key::Descriptor(*fds.start()), usize::MAX, bits);
        return;
    }
    for fd in descriptors_within(&fds) {
        wake(Key::Descriptor(fd), usize::MAX, bits);
    }
}

/// Those of `fds` that somebody waits for.
fn descriptors_within(fds: &RangeInclusive<i32>) -> Vec<i32> {
    // As in `wake`.
    fence(Ordering::SeqCst);
    let mut found = Vec::new();
    for bucket in &LOT {
        if bucket.waiting.load(Ordering::Relaxed) == 0 {
            continue;
        }
        let queue = bucket.queue.lock();
        let mut next = queue.first.get();
        while let Some(at) = next {
            // SAFETY: it is in this queue, hence valid until it has been taken out.
            let node = unsafe { at.as_ref() };
            if let Key::Descriptor(fd) = node.key
                && fds.contains(&fd)
            {
                found.push(fd);
            }
            next = node.after.get();
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// A place in the lot, given up on drop.
pub(crate) struct Place(Node);

impl Place {
    pub(crate) fn new(key: Key, bits: u32) -> Self {
        Place(Node {
            key,
            bits,
            waker: Waker::current(),
            queued: Cell::new(false),
            woken_by: Cell::new(0),
            before: Cell::new(None),
            after: Cell::new(None),
        })
    }

    /// Takes the place, unless `still` says no.
    ///
    /// # Safety
    ///
    /// It is entered once, and from now on neither moved nor forgotten.
    pub(crate) unsafe fn enter(&self, still: impl FnOnce() -> bool) -> bool {
        let bucket = bucket(self.0.key);
        let queue = bucket.queue.lock();
        bucket.waiting.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if still() {
            queue.push(NonNull::from(&self.0));
            return true;
        }
        bucket.waiting.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Waits here for a wake-up or `deadline`, on a green or OS thread. It also ends, as by time,
    /// if `is_over` says so, which is asked after wake-ups for another place of the caller's.
    pub(crate) fn wait(&self, deadline: u64, is_over: impl Fn() -> bool) -> Outcome {
        // A light green thread's other code must not run meanwhile, nor may a signal handler switch
        // stacks: they block their worker.
        let blocks = foreign::is_green() && !foreign::may_wait();
        loop {
            if blocks {
                block_a_little(deadline);
            } else {
                foreign::park(deadline);
            }
            if !self.is_queued() {
                return Outcome::Woken;
            }
            if foreign::now() >= deadline || is_over() {
                return if self.leave() {
                    Outcome::TimedOut
                } else {
                    Outcome::Woken
                };
            }
        }
    }

    /// Has nobody woken it?
    pub(crate) fn is_queued(&self) -> bool {
        let _queue = bucket(self.0.key).queue.lock();
        self.0.queued.get()
    }

    /// Gives the place up; false if a wake-up has come for it.
    pub(crate) fn leave(&self) -> bool {
        let bucket = bucket(self.0.key);
        let queue = bucket.queue.lock();
        let queued = self.0.queued.get();
        if queued {
            queue.remove(NonNull::from(&self.0));
            bucket.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        queued
    }

    /// The bits of the wake-up that has come for it. To be asked after [`Place::leave`].
    pub(crate) fn woken_by(&self) -> u32 {
        self.0.woken_by.get()
    }
}

/// Blocks the OS thread itself for a millisecond, or until `deadline`.
fn block_a_little(deadline: u64) {
    let left = deadline.saturating_sub(foreign::now());
    let time = timespec {
        tv_sec: 0,
        tv_nsec: left.min(1_000_000) as _,
    };
    let time = (&raw const time).expose_provenance();
    // SAFETY: a valid time; the time left is not asked for.
    unsafe { kernel::call(libc::SYS_nanosleep, [time, 0]) };
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Bucket {
    const fn new() -> Self {
        Bucket {
            waiting: AtomicUsize::new(0),
            queue: Lock::new(Queue {
                first: Cell::new(None),
                last: Cell::new(None),
            }),
        }
    }

    /// Takes the first one out that waits for `key` with one of `bits`.
    fn take(&self, key: Key, bits: u32) -> Option<Waker> {
        let queue = self.queue.lock();
        let mut next = queue.first.get();
        while let Some(at) = next {
            // SAFETY: it is in this queue, hence valid until it has been taken out.
            let node = unsafe { at.as_ref() };
            if node.key == key && node.bits & bits != 0 {
                let waker = node.waker;
                node.woken_by.set(bits);
                queue.remove(at);
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return Some(waker);
            }
            next = node.after.get();
        }
        None
    }
}

impl Queue {
    fn push(&self, at: NonNull<Node>) {
        // SAFETY: the caller's own node, valid until it is taken out.
        let node = unsafe { at.as_ref() };
        node.queued.set(true);
        node.after.set(None);
        node.before.set(self.last.replace(Some(at)));
        match node.before.get() {
            // SAFETY: a neighbour is in this queue, hence valid.
            Some(before) => unsafe { before.as_ref() }.after.set(Some(at)),
            None => self.first.set(Some(at)),
        }
    }

    fn remove(&self, at: NonNull<Node>) {
        // SAFETY: it is in this queue, hence valid.
        let node = unsafe { at.as_ref() };
        node.queued.set(false);
        let (before, after) = (node.before.take(), node.after.take());
        match before {
            // SAFETY: a neighbour is in this queue, hence valid.
            Some(before) => unsafe { before.as_ref() }.after.set(after),
            None => self.first.set(after),
        }
        match after {
            // SAFETY: as above.
            Some(after) => unsafe { after.as_ref() }.before.set(before),
            None => self.last.set(before),
        }
    }
}

fn bucket(key: Key) -> &'static Bucket {
    let word = match key {
        Key::Futex(address) => address >> 2,
        Key::Object(address) => address >> 3,
        Key::Descriptor(fd) => fd as usize,
    };
    // Fibonacci hashing (Knuth, TAOCP volume 3, section 6.4).
    let hash = (word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    &LOT[(hash >> 56) as usize]
}
