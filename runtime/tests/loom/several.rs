//! `IWait` and `Ready`: of several things each is told once, none is missed, and no place stays in
//! a queue.

use crate::clock::NEVER;
use crate::explore;
use crate::header::Wait;
use crate::lock::Lock;
use crate::park::{Unparker, unless_killed};
use crate::wait_queue::{self, WaitQueue};
use crate::waitable::{self, Linkable, PlaceRef};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

/// What happens once, told as the end of a green thread is (`link::tell_of_end`).
#[derive(Default)]
struct Gate(Lock<State>);

#[derive(Default)]
struct State {
    is_open: bool,
    queue: WaitQueue,
}

impl Gate {
    fn open(&self) {
        self.0.lock().is_open = true;
        loop {
            let waiter = self.0.lock().queue.pop();
            let Some(waiter) = waiter else { break };
            waiter.unpark();
        }
    }

    fn wait(&self) {
        let state = self.0.lock();
        if !state.is_open {
            wait_queue::wait(
                &self.0,
                state,
                |state| &state.queue,
                NEVER,
                Wait::UNPARK,
                |_| None,
            );
        }
    }

    fn is_left_alone(&self) -> bool {
        self.0.lock().queue.is_empty()
    }
}

impl Linkable for Gate {
    fn is_ready(&self) -> bool {
        self.0.lock().is_open
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        let state = self.0.lock();
        if !state.is_open {
            // SAFETY: the caller's word.
            unsafe { state.queue.push(place.0) };
        }
        !state.is_open
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.0.lock().queue.remove(place.0) };
    }
}

type Gates = Arc<[Gate; 2]>;

/// The numbers of the gates that are told to be open, in order.
fn told(gates: &Gates, timeout: Option<Duration>, count: Option<usize>) -> Vec<usize> {
    let number = |gate: &Gate| usize::from(std::ptr::eq(gate, &raw const gates[1]));
    let told = waitable::wait(gates.iter(), timeout, count);
    assert!(told.iter().all(|gate| gate.is_ready()));
    told.into_iter().map(number).collect()
}

/// Both gates are opened, each by its own thread, while `act` runs.
fn both_open(preemptions: usize, act: fn(&Gates)) {
    explore(Some(preemptions), move || {
        let gates = Gates::default();
        let opening = [0, 1].map(|number| {
            let gates = gates.clone();
            thread::spawn(move || gates[number].open())
        });
        act(&gates);
        assert!(gates.iter().all(Gate::is_left_alone), "a place is left");
        opening.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn each_of_two_is_told_once() {
    both_open(2, |gates| {
        let mut told = told(gates, None, None);
        told.sort_unstable();
        assert_eq!(told, [0, 1]);
    });
}

#[test]
fn who_wants_the_first_leaves_the_other() {
    both_open(2, |gates| assert_eq!(told(gates, None, Some(1)).len(), 1));
}

#[test]
fn any_of_two_is_found() {
    both_open(2, |gates| {
        let number = waitable::wait_any(&[&gates[0], &gates[1]]);
        assert!(gates[number].is_ready());
    });
}

#[test]
fn who_gives_up_may_come_back() {
    both_open(2, |gates| {
        assert!(told(gates, Some(Duration::from_secs(1)), None).len() <= 2);
        assert_eq!(told(gates, None, None).len(), 2);
    });
}

#[test]
fn who_is_killed_leaves_all_places() {
    both_open(2, |gates| {
        Unparker::current().kill();
        unless_killed(|| told(gates, None, None));
    });
}

#[test]
fn what_comes_in_a_known_order_is_told_in_it() {
    explore(Some(2), || {
        let gates = Gates::default();
        let theirs = gates.clone();
        let opening = thread::spawn(move || theirs.iter().rev().for_each(Gate::open));
        let told = told(&gates, None, None);
        opening.join().unwrap();
        // Both may have been open when they were linked.
        assert!(told == [1, 0] || told == [0, 1]);
        assert!(gates.iter().all(Gate::is_left_alone));
    });
}

/// One waits for one thing, beside another who waits for several.
#[test]
fn who_waits_for_one_and_who_waits_for_several_are_both_told() {
    explore(Some(2), || {
        let gates = Gates::default();
        let (one, other) = (gates.clone(), gates.clone());
        let waiting = thread::spawn(move || one[1].wait());
        let opening = thread::spawn(move || other.iter().for_each(Gate::open));
        assert_eq!(told(&gates, None, None).len(), 2);
        opening.join().unwrap();
        waiting.join().unwrap();
        assert!(gates.iter().all(Gate::is_left_alone));
    });
}
