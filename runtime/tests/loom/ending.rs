//! The end of a green thread: whoever joins hears of it, the result is dropped once, and the slot
//! freed once after it.

use crate::explore;
use crate::stand_in::{HOME, OsThread};
use crate::word::{BODY, FINISHED, HANDLE, JOINER, NOWHERE, UNSTARTED, Word};
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What the room of a slot holds.
#[derive(PartialEq, Eq, Debug)]
enum Room {
    Empty,
    Closure,
    Result,
}

/// A slot with the fields that body and handle share, and the OS thread that holds the handle.
struct Spawned {
    word: Word,
    joiner: UnsafeCell<bool>,
    room: UnsafeCell<Room>,
    owner: OsThread,
    results_gone: AtomicUsize,
    freed: AtomicUsize,
}

// SAFETY: that accesses to the cells are ordered is what the models check.
unsafe impl Sync for Spawned {}
// SAFETY: as above.
unsafe impl Send for Spawned {}

impl Spawned {
    fn new() -> Arc<Self> {
        let word = Word::default();
        word.begin(UNSTARTED, HANDLE | BODY, NOWHERE);
        Arc::new(Spawned {
            word,
            joiner: UnsafeCell::new(false),
            room: UnsafeCell::new(Room::Closure),
            owner: OsThread::new(),
            results_gone: AtomicUsize::new(0),
            freed: AtomicUsize::new(0),
        })
    }

    fn replace_room(&self, expected: Room, new: Room) {
        // SAFETY: loom panics if another access is not ordered.
        let before = self
            .room
            .with_mut(|room| std::mem::replace(unsafe { &mut *room }, new));
        assert_eq!(before, expected);
    }

    /// `Worker::start`, `spawn::body` and `Worker::retire`; or the slot is given up if it was
    /// cancelled.
    fn run(&self) {
        if self.word.start(HOME) {
            self.end();
        }
        self.release(BODY);
    }

    /// Leaves a result, then `spawn::finish`.
    fn end(&self) {
        self.replace_room(Room::Closure, Room::Result);
        let before = self.word.finish();
        if !before.has(HANDLE) {
            self.drop_result();
        }
        if before.has(JOINER) {
            // SAFETY: as in `replace_room`.
            assert!(self.joiner.with(|joiner| unsafe { *joiner }));
            self.owner.unpark();
        }
    }

    fn drop_result(&self) {
        self.replace_room(Room::Result, Room::Empty);
        self.results_gone.fetch_add(1, Relaxed);
    }

    /// `JoinHandle::release`, `Worker::release` and `Header::clear`.
    fn release(&self, flag: u64) {
        if self.word.release(flag) {
            self.replace_room(Room::Empty, Room::Empty);
            self.set_joiner(false);
            self.word.free();
            self.freed.fetch_add(1, Relaxed);
        }
    }

    fn is_finished(&self) -> bool {
        self.word.load().state() == FINISHED
    }

    fn set_joiner(&self, set: bool) {
        // SAFETY: as in `replace_room`.
        self.joiner.with_mut(|joiner| unsafe { *joiner = set });
    }

    /// `JoinHandle::join`.
    fn join(&self) {
        if self.announce() {
            while !self.is_finished() {
                self.owner.park(false);
            }
            assert!(!self.word.clear_joiner());
        }
        self.drop_result();
        self.release(HANDLE);
    }

    /// The first half of `JoinHandle::wait`: false if the end has come.
    fn announce(&self) -> bool {
        if self.is_finished() {
            return false;
        }
        self.set_joiner(true);
        self.word.set_joiner()
    }

    /// `JoinHandle::drop`.
    fn drop_handle(&self) {
        if !self.word.detach() {
            self.drop_result();
            self.release(HANDLE);
        }
    }

    /// Whoever holds the handle cancels.
    fn cancel(&self) {
        if self.word.cancel() {
            self.end();
        }
    }
}

/// Runs the body against `owner`, which uses the handle up.
fn body_against(preemptions: Option<usize>, owner: impl Fn(&Spawned) + Send + Sync + 'static) {
    explore(preemptions, move || {
        let spawned = Spawned::new();
        let body = spawned.clone();
        let running = thread::spawn(move || body.run());
        owner(&spawned);
        running.join().unwrap();
        assert_eq!(spawned.results_gone.load(Relaxed), 1);
        assert_eq!(spawned.freed.load(Relaxed), 1);
    });
}

#[test]
fn a_joiner_is_told_or_woken() {
    body_against(Some(3), Spawned::join);
}

#[test]
fn a_dropped_handle_leaves_the_result_to_one_of_both() {
    body_against(None, Spawned::drop_handle);
}

#[test]
fn a_joiner_that_gives_up_leaves_the_result_to_one_of_both() {
    body_against(None, |spawned| {
        if spawned.announce() {
            spawned.word.clear_joiner();
        }
        spawned.drop_handle();
    });
}

#[test]
fn a_joiner_may_come_back_after_giving_up() {
    body_against(Some(3), |spawned| {
        if spawned.announce() {
            spawned.word.clear_joiner();
        }
        spawned.join();
    });
}

#[test]
fn a_cancelled_one_is_joined_like_any_other() {
    body_against(Some(3), |spawned| {
        spawned.cancel();
        spawned.join();
    });
}

#[test]
fn a_cancelled_one_whose_handle_is_dropped_is_freed_once() {
    body_against(None, |spawned| {
        spawned.cancel();
        spawned.drop_handle();
    });
}
