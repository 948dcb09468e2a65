//! `condvar.rs`, over the real mutex: no notification is lost between the unlock and the wait, nor
//! with one who dies or gives up.

use super::condvar::Condvar;
use super::mutex::{Mutex, MutexGuard};
use crate::explore;
use crate::park::{Unparker, unless_killed};
use loom::thread::{self, JoinHandle};
use std::sync::{Arc, LockResult};
use std::time::Duration;

/// Coins that are taken by whoever is notified of them.
#[derive(Default)]
struct Till {
    coins: Mutex<usize>,
    paid: Condvar,
}

impl Till {
    fn lock(&self) -> MutexGuard<'_, usize> {
        sound(self.coins.lock())
    }

    fn pay(&self) {
        *self.lock() += 1;
        self.paid.notify_one();
    }

    fn pay_both(&self) {
        *self.lock() += 2;
        self.paid.notify_all();
    }

    fn take(&self) {
        let mut coins = sound(self.paid.wait_while(self.lock(), |coins| *coins == 0));
        *coins -= 1;
    }

    /// Waits once; takes a coin only if it was notified, and nobody was quicker.
    fn take_soon(&self) -> bool {
        let coins = self.lock();
        if *coins > 0 {
            return take_one(coins);
        }
        let wait = self.paid.wait_timeout(coins, Duration::from_secs(1));
        let (coins, result) = wait.map_err(drop).unwrap();
        !result.timed_out() && *coins > 0 && take_one(coins)
    }
}

fn take_one(mut coins: MutexGuard<'_, usize>) -> bool {
    *coins -= 1;
    true
}

fn sound<T>(result: LockResult<T>) -> T {
    result.map_err(drop).expect("no panic, no poison")
}

fn start<T: 'static>(till: &Arc<Till>, act: fn(&Till) -> T) -> JoinHandle<T> {
    let till = till.clone();
    thread::spawn(move || act(&till))
}

#[test]
fn a_notification_after_the_unlock_finds_the_one_who_waits() {
    explore(Some(4), || {
        let till = Arc::new(Till::default());
        let taking = start(&till, Till::take);
        till.pay();
        taking.join().unwrap();
        assert_eq!(*till.lock(), 0);
    });
}

/// Notified with the mutex held: who is woken waits for that.
#[test]
fn a_notification_under_the_mutex_is_not_lost() {
    explore(Some(3), || {
        let till = Arc::new(Till::default());
        let taking = start(&till, Till::take);
        let mut coins = till.lock();
        *coins += 1;
        till.paid.notify_one();
        drop(coins);
        taking.join().unwrap();
        assert_eq!(*till.lock(), 0);
    });
}

fn two_take(preemptions: usize, act: fn(&Till)) {
    explore(Some(preemptions), move || {
        let till = Arc::new(Till::default());
        let taking = [start(&till, Till::take), start(&till, Till::take)];
        act(&till);
        taking.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(*till.lock(), 0);
    });
}

#[test]
fn two_notifications_serve_two() {
    two_take(1, |till| {
        till.pay();
        till.pay();
    });
}

#[test]
fn a_notification_of_all_reaches_all() {
    two_take(2, Till::pay_both);
}

/// Two wait for a coin, and `act` gets the waker of the first, which may die of it. A second coin
/// comes if the first has gone to that one.
fn one_dies(preemptions: usize, act: fn(&Till, Unparker)) {
    explore(Some(preemptions), move || {
        let till = Arc::new(Till::default());
        let one = start(&till, |till| unless_killed(|| till.take()).is_some());
        let other = start(&till, Till::take);
        act(&till, Unparker::of(one.thread()));
        if one.join().unwrap() {
            till.pay();
        }
        other.join().unwrap();
        assert_eq!(*till.lock(), 0);
    });
}

#[test]
fn a_kill_before_the_notification_takes_nothing_away() {
    one_dies(2, |till, one| {
        one.kill();
        till.pay();
    });
}

#[test]
fn what_a_dying_one_was_notified_of_goes_to_the_next() {
    one_dies(2, |till, one| {
        till.pay();
        one.kill();
    });
}

/// It has come back from the queue, and dies in the wait for the mutex.
#[test]
fn one_that_dies_in_the_wait_for_the_mutex_passes_its_notification_on() {
    one_dies(2, |till, one| {
        let mut coins = till.lock();
        *coins += 1;
        till.paid.notify_one();
        // A yield lets the others come to their wait, and is no preemption.
        thread::yield_now();
        one.kill();
        thread::yield_now();
        drop(coins);
    });
}

#[test]
fn one_notified_at_its_deadline_says_so_or_leaves_it_to_the_next() {
    explore(Some(2), || {
        let till = Arc::new(Till::default());
        let one = start(&till, Till::take_soon);
        let other = start(&till, Till::take);
        till.pay();
        if one.join().unwrap() {
            till.pay();
        }
        other.join().unwrap();
        assert_eq!(*till.lock(), 0);
    });
}
