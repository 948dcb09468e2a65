//! `wait_queue.rs`: what a waiter was woken for is never lost by a kill or a deadline, and never
//! given twice.

use crate::clock::{NEVER, SOON};
use crate::explore;
use crate::header::Wait;
use crate::lock::Lock;
use crate::park::{Unparker, unless_killed};
use crate::wait_queue::{self, WaitQueue};
use loom::thread;
use std::sync::Arc;

/// Coins, each handed to the first who waits.
#[derive(Default)]
struct Till(Lock<Coins>);

#[derive(Default)]
struct Coins {
    free: usize,
    queue: WaitQueue,
}

impl Till {
    fn pay(&self) {
        let next = self.0.lock().hand_on();
        if let Some(next) = next {
            next.unpark();
        }
    }

    fn take(&self, deadline: u64) -> bool {
        let mut coins = self.0.lock();
        if coins.free > 0 {
            coins.free -= 1;
            return true;
        }
        wait_queue::wait(
            &self.0,
            coins,
            |coins| &coins.queue,
            deadline,
            Wait::UNPARK,
            Coins::hand_on,
        )
        .1
    }

    /// Takes a coin and pays it back; true if it got one.
    fn borrow(&self, deadline: u64) -> bool {
        let taken = unless_killed(|| self.take(deadline)) == Some(true);
        if taken {
            self.pay();
        }
        taken
    }
}

impl Coins {
    fn hand_on(&mut self) -> Option<Unparker> {
        let next = self.queue.pop();
        self.free += usize::from(next.is_none());
        next
    }
}

/// Two wait for the one coin that comes, the first of whom has `deadline`; `act` gets its waker.
fn two_wait(
    deadline: u64,
    preemptions: usize,
    act: impl Fn(&Till, Unparker) + Send + Sync + 'static,
) {
    explore(Some(preemptions), move || {
        let till = Arc::new(Till::default());
        let (one, other) = (till.clone(), till.clone());
        let one = thread::spawn(move || one.borrow(deadline));
        let other = thread::spawn(move || other.borrow(NEVER));
        act(&till, Unparker::of(one.thread()));
        one.join().unwrap();
        assert!(other.join().unwrap());
        let coins = till.0.lock();
        assert_eq!(coins.free, 1);
        assert!(coins.queue.is_empty());
    });
}

#[test]
fn what_a_killed_one_was_woken_for_goes_to_the_next() {
    two_wait(NEVER, 3, |till, one| {
        one.kill();
        till.pay();
    });
}

#[test]
fn a_kill_after_the_wake_up_takes_nothing_away() {
    two_wait(NEVER, 2, |till, one| {
        till.pay();
        one.kill();
    });
}

#[test]
fn what_comes_at_the_deadline_is_taken_or_goes_to_the_next() {
    two_wait(SOON, 3, |till, _| till.pay());
}

#[test]
fn spurious_wake_ups_leave_a_place_in_the_queue() {
    two_wait(NEVER, 2, |till, one| {
        one.unpark();
        till.pay();
    });
}
