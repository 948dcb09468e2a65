//! `once.rs`: one runs at a time, one to its end, and all see what it did; whoever dies in it
//! leaves it to the next, and nobody asleep.

use super::once::Once;
use crate::explore;
use crate::park::{self, Killed, Unparker, unless_killed, unless_panicked};
use loom::cell::UnsafeCell;
use loom::thread;
use std::panic::resume_unwind;
use std::sync::Arc;

/// What is done once.
struct Work {
    once: Once,
    /// How often it was begun.
    begun: UnsafeCell<usize>,
    /// How often it was done to the end.
    ended: UnsafeCell<usize>,
}

// SAFETY: that accesses to the counts are ordered is what the models check.
unsafe impl Sync for Work {}
// SAFETY: as above.
unsafe impl Send for Work {}

impl Work {
    fn new() -> Arc<Self> {
        Arc::new(Work {
            once: Once::new(),
            begun: UnsafeCell::new(0),
            ended: UnsafeCell::new(0),
        })
    }

    fn begin(&self) {
        // SAFETY: loom panics if another access is not ordered.
        self.begun.with_mut(|begun| unsafe { *begun += 1 });
    }

    fn work(&self) {
        self.begin();
        // SAFETY: as in `begin`.
        self.ended.with_mut(|ended| unsafe { *ended += 1 });
    }

    fn begun(&self) -> usize {
        // SAFETY: as in `begin`.
        self.begun.with(|begun| unsafe { *begun })
    }

    fn call(&self) {
        self.once.call_once(|| self.work());
    }

    /// Says whether it ran, after a panic.
    fn force(&self) -> Option<bool> {
        let mut was_poisoned = None;
        self.once.call_once_force(|state| {
            self.work();
            was_poisoned = Some(state.is_poisoned());
        });
        was_poisoned
    }

    fn call_and_die(&self) {
        let die = || -> () {
            self.begin();
            resume_unwind(Box::new(Killed))
        };
        unless_killed(|| self.once.call_once(die));
    }

    fn call_and_panic(&self) {
        let panic = || -> () {
            self.begin();
            park::panic()
        };
        unless_panicked(|| self.once.call_once(panic));
    }

    fn assert_done(&self, begun: usize) {
        assert!(self.once.is_completed());
        assert_eq!(self.begun(), begun);
        // SAFETY: as in `begin`.
        assert_eq!(self.ended.with(|ended| unsafe { *ended }), 1);
    }
}

/// Runs `others` beside `own`.
fn beside(
    preemptions: usize,
    others: &'static [fn(&Work)],
    own: impl Fn(&Work) + Send + Sync + 'static,
) {
    explore(Some(preemptions), move || {
        let work = Work::new();
        let others: Vec<_> = others
            .iter()
            .map(|other| {
                let (other, work) = (*other, work.clone());
                thread::spawn(move || other(&work))
            })
            .collect();
        own(&work);
        others.into_iter().for_each(|it| it.join().unwrap());
    });
}

fn call_and_look(work: &Work) {
    work.call();
    work.assert_done(1);
}

#[test]
fn of_three_calls_one_runs_and_all_see_it() {
    beside(3, &[call_and_look, call_and_look], call_and_look);
}

#[test]
fn who_waits_for_the_end_sees_it() {
    beside(3, &[Work::call, Work::call], |work| {
        work.once.wait();
        work.assert_done(1);
    });
}

#[test]
fn who_finds_it_done_sees_it() {
    beside(3, &[Work::call], |work| {
        if work.once.is_completed() {
            assert_eq!(work.begun(), 1);
        }
    });
}

#[test]
fn what_a_killed_one_began_the_next_one_does() {
    beside(3, &[Work::call_and_die], |work| {
        work.call();
        assert!((1..=2).contains(&work.begun()));
        work.assert_done(work.begun());
    });
}

#[test]
fn what_a_killed_one_began_one_of_two_does() {
    beside(2, &[Work::call_and_die, Work::call], |work| {
        work.once.wait();
        work.assert_done(work.begun());
        assert!(work.begun() <= 2);
    });
}

#[test]
fn who_comes_after_a_panic_is_told() {
    beside(3, &[Work::call_and_panic], |work| {
        let was_poisoned = work.force();
        assert_eq!(was_poisoned, Some(work.begun() == 2));
        work.assert_done(work.begun());
    });
}

#[test]
fn of_two_who_come_after_a_panic_one_is_told() {
    explore(Some(2), || {
        let work = Work::new();
        work.call_and_panic();
        let other = work.clone();
        let forcing = thread::spawn(move || other.force());
        let was_poisoned = [work.force(), forcing.join().unwrap()];
        assert!(was_poisoned == [Some(true), None] || was_poisoned == [None, Some(true)]);
        work.assert_done(2);
    });
}

#[test]
fn who_waits_through_a_panic_sees_the_end() {
    explore(Some(2), || {
        let work = Work::new();
        let (one, other) = (work.clone(), work.clone());
        let waiting = thread::spawn(move || {
            one.once.wait_force();
            one.assert_done(one.begun());
        });
        let panicking = thread::spawn(move || other.call_and_panic());
        work.force();
        panicking.join().unwrap();
        waiting.join().unwrap();
    });
}

#[test]
fn who_is_killed_while_another_runs_it_leaves_the_rest_in_line() {
    explore(Some(2), || {
        let work = Work::new();
        let (one, other) = (work.clone(), work.clone());
        let dying = thread::spawn(move || unless_killed(|| one.call()));
        let calling = thread::spawn(move || call_and_look(&other));
        Unparker::of(dying.thread()).kill();
        call_and_look(&work);
        calling.join().unwrap();
        dying.join().unwrap();
    });
}
