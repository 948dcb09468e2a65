//! `raw_rwlock.rs`: a writer and others are never inside together, what one wrote the next one
//! sees, and nobody sleeps while the way is free, whoever dies.

use super::raw_rwlock::RawRwLock;
use crate::explore;
use crate::park::{Unparker, unless_killed};
use crate::reason::Wait;
use loom::cell::UnsafeCell;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;

struct Shared {
    lock: RawRwLock,
    value: UnsafeCell<usize>,
}

// SAFETY: that accesses to the value are ordered is what the models check.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Shared {
            lock: RawRwLock::new(),
            value: UnsafeCell::new(0),
        })
    }

    /// The value, under the lock.
    fn seen(&self) -> usize {
        // SAFETY: loom panics if a write is not ordered.
        self.value.with(|value| unsafe { *value })
    }

    /// Adds one, under the lock.
    fn add(&self) {
        // SAFETY: loom panics if another access is not ordered.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    /// True if it was not killed in the wait.
    fn read(&self) -> bool {
        let locked = unless_killed(|| self.lock.read(Wait::ANY)).is_some();
        if locked {
            self.seen();
            self.lock.unlock_read();
        }
        locked
    }

    fn write(&self) -> bool {
        let locked = unless_killed(|| self.lock.write(Wait::ANY)).is_some();
        if locked {
            self.add();
            self.lock.unlock_write();
        }
        locked
    }

    /// Nobody is inside, and so many have written.
    fn assert_free(&self, written: usize) {
        assert!(self.lock.try_write());
        assert_eq!(self.seen(), written);
        self.lock.unlock_write();
        assert!(self.lock.try_read());
    }
}

type Act = fn(&Shared) -> bool;

fn start(shared: &Arc<Shared>, act: Act) -> JoinHandle<bool> {
    let shared = shared.clone();
    thread::spawn(move || act(&shared))
}

/// `acts`, of which `writes` write, against each other.
fn together(preemptions: usize, acts: [Act; 3], writes: usize) {
    explore(Some(preemptions), move || {
        let shared = Shared::new();
        let [first, second, third] = acts;
        let others = [start(&shared, first), start(&shared, second)];
        assert!(third(&shared));
        assert!(others.into_iter().all(|it| it.join().unwrap()));
        shared.assert_free(writes);
    });
}

#[test]
fn a_writer_and_two_readers_exclude_each_other() {
    together(3, [Shared::write, Shared::read, Shared::read], 1);
}

#[test]
fn two_writers_and_a_reader_exclude_each_other() {
    together(3, [Shared::write, Shared::write, Shared::read], 2);
}

#[test]
fn who_comes_again_waits_again() {
    explore(Some(3), || {
        let shared = Shared::new();
        let other = start(&shared, |shared| shared.write() && shared.read());
        assert!(shared.read() && shared.write());
        assert!(other.join().unwrap());
        shared.assert_free(2);
    });
}

/// What is tried goes by the same rules, also past those who wait.
#[test]
fn what_is_tried_excludes_too() {
    let attempt = |shared: &Shared| {
        if shared.lock.try_write() {
            shared.add();
            shared.lock.unlock_write();
        } else if shared.lock.try_read() {
            shared.seen();
            shared.lock.unlock_read();
        }
        true
    };
    explore(Some(3), move || {
        let shared = Shared::new();
        let others = [start(&shared, Shared::write), start(&shared, attempt)];
        assert!(shared.read());
        assert!(others.into_iter().all(|it| it.join().unwrap()));
        assert!(shared.lock.try_write());
        shared.lock.unlock_write();
    });
}

fn write_and_read(shared: &Shared) -> bool {
    shared.lock.write(Wait::ANY);
    shared.add();
    shared.lock.downgrade();
    assert!(shared.seen() >= 1);
    shared.lock.unlock_read();
    true
}

#[test]
fn a_writer_that_goes_on_reading_lets_readers_in_and_writers_later() {
    together(3, [write_and_read, Shared::write, Shared::read], 2);
    together(3, [write_and_read, Shared::read, Shared::read], 1);
}

/// Readers come in before the writer that has become one leaves.
#[test]
fn readers_who_wait_come_in_by_a_downgrade() {
    explore(Some(3), || {
        let shared = Shared::new();
        shared.lock.write(Wait::ANY);
        let reading = start(&shared, Shared::read);
        shared.add();
        shared.lock.downgrade();
        assert!(reading.join().unwrap());
        shared.lock.unlock_read();
        shared.assert_free(1);
    });
}

/// Two wait for the lock, which is held for writing at first; the first of them is killed around
/// the unlock.
fn one_of_two_dies(preemptions: usize, acts: [Act; 2], act: fn(&RawRwLock, Unparker)) {
    explore(Some(preemptions), move || {
        let shared = Shared::new();
        shared.lock.write(Wait::ANY);
        let [one, other] = acts.map(|act| start(&shared, act));
        act(&shared.lock, Unparker::of(one.thread()));
        one.join().unwrap();
        assert!(other.join().unwrap());
        let written = {
            assert!(shared.lock.try_read());
            let seen = shared.seen();
            shared.lock.unlock_read();
            seen
        };
        shared.assert_free(written);
    });
}

fn kill_and_unlock(lock: &RawRwLock, one: Unparker) {
    one.kill();
    lock.unlock_write();
}

fn unlock_and_kill(lock: &RawRwLock, one: Unparker) {
    lock.unlock_write();
    one.kill();
}

#[test]
fn a_writer_killed_before_its_turn_lets_the_next_in() {
    one_of_two_dies(2, [Shared::write, Shared::write], kill_and_unlock);
    one_of_two_dies(2, [Shared::write, Shared::read], kill_and_unlock);
}

#[test]
fn a_writer_killed_at_its_turn_lets_the_next_in() {
    one_of_two_dies(2, [Shared::write, Shared::write], unlock_and_kill);
    one_of_two_dies(2, [Shared::write, Shared::read], unlock_and_kill);
}

#[test]
fn a_reader_killed_at_its_turn_lets_the_next_in() {
    one_of_two_dies(2, [Shared::read, Shared::write], unlock_and_kill);
    one_of_two_dies(2, [Shared::read, Shared::read], unlock_and_kill);
}

/// The lock is held for reading until the reader behind the writer has been inside.
#[test]
fn a_killed_writer_lets_the_readers_behind_it_in() {
    explore(Some(3), || {
        let shared = Shared::new();
        shared.lock.read(Wait::ANY);
        let writing = start(&shared, Shared::write);
        let reading = start(&shared, Shared::read);
        Unparker::of(writing.thread()).kill();
        assert!(!writing.join().unwrap(), "it is held for reading");
        assert!(reading.join().unwrap());
        shared.lock.unlock_read();
        shared.assert_free(0);
    });
}
