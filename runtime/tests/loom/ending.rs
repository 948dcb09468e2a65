//! The end of a green thread: whoever waits for it hears of it, the result is dropped once, and the
//! slot freed once, when nobody uses it any more.

use crate::clock::{NEVER, SOON};
use crate::explore;
use crate::header::Wait;
use crate::lock::Lock;
use crate::park::{Unparker, unless_killed};
use crate::stand_in::{HOME, Home};
use crate::wait_queue::{self, WaitQueue};
use crate::word::{BODY, CANCELLER, FINISHED, HANDLE, LOOKER, NOWHERE, UNSTARTED, WATCHED, Word};
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

/// A slot with the fields that body, handle and canceller share.
struct Spawned {
    word: Word,
    generation: u32,
    end: Lock<WaitQueue>,
    room: UnsafeCell<Room>,
    /// Read by whoever uses the slot, written by who frees it.
    in_use: UnsafeCell<bool>,
    results_gone: AtomicUsize,
    freed: AtomicUsize,
}

// SAFETY: that accesses to the cells are ordered is what the models check.
unsafe impl Sync for Spawned {}
// SAFETY: as above.
unsafe impl Send for Spawned {}

impl Spawned {
    fn new(flags: u64) -> Arc<Self> {
        let word = Word::default();
        let generation = word.begin(UNSTARTED, flags | BODY, NOWHERE);
        Arc::new(Spawned {
            word,
            generation,
            end: Lock::default(),
            room: UnsafeCell::new(Room::Closure),
            in_use: UnsafeCell::new(true),
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

    fn use_slot(&self) {
        // SAFETY: as in `replace_room`.
        assert!(self.in_use.with(|in_use| unsafe { *in_use }), "freed");
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
        self.use_slot();
        self.replace_room(Room::Closure, Room::Result);
        let before = self.word.finish_for_handle().unwrap_or_else(|| {
            self.drop_result();
            self.word.finish()
        });
        if before.has(WATCHED) {
            self.tell_of_end();
        }
        self.use_slot();
    }

    /// `link::tell_of_end`.
    fn tell_of_end(&self) {
        self.use_slot();
        self.end.lock().wake_all();
    }

    fn drop_result(&self) {
        self.replace_room(Room::Result, Room::Empty);
        self.results_gone.fetch_add(1, Relaxed);
    }

    /// `JoinHandle::release`, `Worker::release` and `Header::clear`.
    fn release(&self, flag: u64) {
        if self.word.release(flag) {
            self.replace_room(Room::Empty, Room::Empty);
            assert!(self.end.lock().is_empty());
            // SAFETY: as in `replace_room`.
            self.in_use.with_mut(|in_use| unsafe { *in_use = false });
            self.word.free();
            self.freed.fetch_add(1, Relaxed);
        }
    }

    fn is_finished(&self) -> bool {
        self.word.load().state() == FINISHED
    }

    /// `JoinHandle::wait_until`.
    fn wait_until(&self, deadline: u64) -> bool {
        if self.is_finished() {
            return true;
        }
        let end = self.end.lock();
        if !self.word.watch() {
            return true;
        }
        let why = Wait::UNPARK;
        wait_queue::wait_released(&self.end, end, |end| end, deadline, why, |_| None)
            || self.is_finished()
    }

    /// `JoinHandle::join`.
    fn join(&self) {
        assert!(self.wait_until(NEVER));
        self.take_result();
    }

    /// `JoinHandle::into_result`.
    fn take_result(&self) {
        assert!(self.is_finished());
        self.drop_result();
        self.release(HANDLE);
    }

    /// `JoinHandle::drop`.
    fn drop_handle(&self) {
        if !self.word.detach() {
            self.drop_result();
            self.release(HANDLE);
        }
    }

    /// `spawn::cancel`.
    fn cancel(&self) {
        if self.word.cancel(self.generation) {
            self.end();
            self.release(CANCELLER);
        }
    }
}

/// Runs the body against `owner`, which uses the handle up.
fn body_against(preemptions: Option<usize>, owner: impl Fn(&Spawned) + Send + Sync + 'static) {
    all_against(preemptions, HANDLE, &[Spawned::run], owner);
}

/// Runs `others` against `owner`; together they use the handle up, if `flags` say that there is one.
fn all_against(
    preemptions: Option<usize>,
    flags: u64,
    others: &'static [fn(&Spawned)],
    owner: impl Fn(&Spawned) + Send + Sync + 'static,
) {
    explore(preemptions, move || {
        let spawned = Spawned::new(flags);
        let run = |other: &fn(&Spawned)| {
            let (other, spawned) = (*other, spawned.clone());
            thread::spawn(move || other(&spawned))
        };
        let others: Vec<_> = others.iter().map(run).collect();
        owner(&spawned);
        others.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(spawned.results_gone.load(Relaxed), 1);
        assert_eq!(spawned.freed.load(Relaxed), 1);
    });
}

#[test]
fn a_joiner_is_told_or_woken() {
    body_against(Some(3), Spawned::join);
}

#[test]
fn of_two_who_wait_each_is_told_or_woken() {
    let wait = |spawned: &Spawned| assert!(spawned.wait_until(NEVER));
    explore(Some(1), move || {
        let spawned = Spawned::new(HANDLE);
        let (body, other) = (spawned.clone(), spawned.clone());
        let running = thread::spawn(move || body.run());
        let waiting = thread::spawn(move || wait(&other));
        wait(&spawned);
        waiting.join().unwrap();
        spawned.take_result();
        running.join().unwrap();
        assert_eq!(spawned.freed.load(Relaxed), 1);
    });
}

#[test]
fn a_dropped_handle_leaves_the_result_to_one_of_both() {
    body_against(None, Spawned::drop_handle);
}

#[test]
fn a_joiner_that_gives_up_leaves_the_result_to_one_of_both() {
    body_against(Some(3), |spawned| {
        spawned.wait_until(SOON);
        spawned.drop_handle();
    });
}

#[test]
fn a_joiner_may_come_back_after_giving_up() {
    body_against(Some(3), |spawned| {
        spawned.wait_until(SOON);
        spawned.join();
    });
}

#[test]
fn a_joiner_that_is_killed_leaves_its_place() {
    body_against(Some(3), |spawned| {
        Unparker::current().kill();
        unless_killed(|| spawned.wait_until(NEVER));
        spawned.drop_handle();
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

/// A group cancels a member without holding its handle; the worker finds it cancelled.
#[test]
fn a_detached_one_is_not_freed_while_it_is_being_cancelled() {
    all_against(None, 0, &[Spawned::run], Spawned::cancel);
}

#[test]
fn one_cancelled_by_a_group_is_not_freed_before_its_end_is_told() {
    all_against(
        Some(1),
        HANDLE,
        &[Spawned::run, Spawned::cancel],
        |spawned| {
            spawned.wait_until(SOON);
            spawned.join();
        },
    );
}

/// A dump: holds the slot, reads what does not change, and lets go of it.
fn look(spawned: &Spawned) {
    if spawned.word.hold().is_some() {
        spawned.use_slot();
        spawned.release(LOOKER);
    }
}

#[test]
fn one_who_looks_keeps_the_slot_of_a_detached_one() {
    all_against(None, 0, &[Spawned::run], look);
}

#[test]
fn one_who_looks_keeps_the_slot_of_a_joined_one() {
    all_against(Some(2), HANDLE, &[Spawned::run, look], Spawned::join);
}

#[test]
fn one_who_looks_keeps_the_slot_when_the_handle_is_dropped() {
    all_against(Some(2), HANDLE, &[Spawned::run, look], Spawned::drop_handle);
}

#[test]
fn one_who_looks_keeps_the_slot_of_a_cancelled_one() {
    all_against(Some(2), 0, &[Spawned::run, look], Spawned::cancel);
}

#[test]
fn one_who_looks_again_never_holds_a_free_slot() {
    all_against(None, 0, &[Spawned::run], |spawned| {
        look(spawned);
        look(spawned);
    });
}

/// While it is held, it is parked and woken as ever.
#[test]
fn one_who_looks_takes_no_wake_up_away() {
    explore(Some(3), || {
        let home = Arc::new(Home::started());
        let (looker, waker) = (home.clone(), home.clone());
        let looking = thread::spawn(move || {
            let held = looker.slot.word.hold();
            assert!(held.is_some(), "it has not ended");
            assert!(!looker.slot.word.release(LOOKER), "its body is known");
        });
        let waking = thread::spawn(move || waker.unpark(0));
        home.park();
        looking.join().unwrap();
        waking.join().unwrap();
        assert!(!home.slot.word.load().has(LOOKER));
        assert_eq!(home.take_inbox(), 0);
    });
}
