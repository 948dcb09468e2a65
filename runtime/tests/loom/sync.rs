//! `permits.rs`, under mutexes and semaphores: nobody passes without a permit, none is lost, and
//! nobody sleeps while one is free.

#[path = "notifying.rs"]
mod notifying;
#[path = "once_only.rs"]
mod once_only;
#[path = "reading.rs"]
mod reading;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "parts of the face are not modelled"
)]
#[path = "../../src/sync/condvar.rs"]
mod condvar;
#[allow(dead_code, unreachable_pub, reason = "as for `condvar.rs`")]
#[path = "../../src/sync/mutex.rs"]
mod mutex;
#[allow(
    dead_code,
    unreachable_pub,
    unfulfilled_lint_expectations,
    reason = "as for `condvar.rs`; and clippy expects less of what is not exported"
)]
#[path = "../../src/sync/once.rs"]
mod once;
#[allow(dead_code, reason = "only the mutex is modelled")]
#[path = "../../src/sync/owned.rs"]
mod owned;
#[path = "../../src/sync/permits.rs"]
mod permits;
#[allow(dead_code, reason = "as for `condvar.rs`")]
#[path = "../../src/sync/poison.rs"]
mod poison;
#[path = "../../src/sync/raw_rwlock.rs"]
mod raw_rwlock;

use self::permits::Permits;
use crate::clock::{self, NEVER, NOW, SOON};
use crate::explore;
use crate::header::Wait;
use crate::park::{self, Unparker, unless_killed};
use crate::wait_queue::Waiter;
use crate::waitable::{Linkable, PlaceRef};
use loom::cell::UnsafeCell;
use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;

/// As `runtime/src/sync/mod.rs` has it.
pub(crate) fn is_over(deadline: u64) -> bool {
    deadline != NEVER && clock::now() >= deadline
}

/// A mutex, and what it protects.
struct Protected {
    permits: Permits,
    value: UnsafeCell<usize>,
}

// SAFETY: that accesses to the value are ordered is what the models check.
unsafe impl Sync for Protected {}
// SAFETY: as above.
unsafe impl Send for Protected {}

impl Protected {
    fn new() -> Arc<Self> {
        Arc::new(Protected {
            permits: Permits::new(1),
            value: UnsafeCell::new(0),
        })
    }

    /// Adds one under the lock, if that is to be had; says whether it was.
    fn add(&self, deadline: u64) -> bool {
        let acquired = unless_killed(|| self.permits.acquire(deadline, Wait::UNPARK)) == Some(true);
        if acquired {
            // SAFETY: loom panics if another access is not ordered.
            self.value.with_mut(|value| unsafe { *value += 1 });
            assert!(self.permits.release(1));
        }
        acquired
    }

    fn assert_free(&self, value: usize) {
        assert_eq!(self.permits.available(), 1);
        assert!(self.add(NOW));
        // SAFETY: as in `add`.
        assert_eq!(self.value.with(|value| unsafe { *value }), value + 1);
    }
}

#[test]
fn a_mutex_excludes_and_orders_two() {
    explore(Some(3), || {
        let shared = Protected::new();
        let other = shared.clone();
        let adding = thread::spawn(move || (other.add(NEVER), other.add(NEVER)));
        assert!(shared.add(NEVER));
        adding.join().unwrap();
        shared.assert_free(3);
    });
}

#[test]
fn a_mutex_excludes_three() {
    explore(Some(2), || {
        let shared = Protected::new();
        let others = [shared.clone(), shared.clone()];
        let adding = others.map(|it| thread::spawn(move || it.add(NEVER)));
        assert!(shared.add(NEVER));
        assert!(adding.into_iter().all(|it| it.join().unwrap()));
        shared.assert_free(3);
    });
}

/// Two wait for the lock, which is held at first, and `act` gets the waker of the first of them.
fn two_wait(preemptions: usize, act: fn(&Permits, Unparker)) {
    explore(Some(preemptions), move || {
        let shared = Protected::new();
        assert!(shared.permits.try_acquire());
        let (one, other) = (shared.clone(), shared.clone());
        let one = thread::spawn(move || one.add(NEVER));
        let other = thread::spawn(move || other.add(NEVER));
        act(&shared.permits, Unparker::of(one.thread()));
        let killed = !one.join().unwrap();
        assert!(other.join().unwrap());
        shared.assert_free(2 - usize::from(killed));
    });
}

#[test]
fn a_kill_before_a_release_takes_no_permit_away() {
    two_wait(2, |permits, one| {
        one.kill();
        assert!(permits.release(1));
    });
}

/// Whoever was woken may be overtaken, and is killed in its second queue.
#[test]
fn a_kill_of_one_who_was_overtaken_takes_no_permit_away() {
    two_wait(1, |permits, one| {
        assert!(permits.release(1));
        let overtakes = permits.try_acquire();
        one.kill();
        assert!(!overtakes || permits.release(1));
    });
}

/// Both are overtaken; the permit is handed to the one who has noticed and is still there.
#[test]
fn a_kill_of_one_leaves_the_other_in_line() {
    two_wait(1, |permits, one| {
        let mut is_held = true;
        // A yield lets the others come to their wait, and is no preemption.
        thread::yield_now();
        for _ in 0..2 {
            assert!(!is_held || permits.release(1));
            is_held = permits.try_acquire();
        }
        thread::yield_now();
        one.kill();
        assert!(!is_held || permits.release(1));
    });
}

#[test]
fn who_is_woken_at_its_deadline_takes_the_permit_or_leaves_it() {
    explore(None, || {
        let shared = Protected::new();
        assert!(shared.permits.try_acquire());
        let other = shared.clone();
        let adding = thread::spawn(move || other.add(SOON));
        assert!(shared.permits.release(1));
        let added = adding.join().unwrap();
        shared.assert_free(usize::from(added));
    });
}

#[test]
fn two_permits_serve_two_who_wait() {
    explore(Some(2), || {
        let permits = Arc::new(Permits::new(0));
        let others = [permits.clone(), permits.clone()];
        let acquiring = others.map(|it| thread::spawn(move || it.acquire(NEVER, Wait::UNPARK)));
        (0..2).for_each(|_| assert!(permits.release(Permits::MAX)));
        assert!(acquiring.into_iter().all(|it| it.join().unwrap()));
        assert_eq!(permits.available(), 0);
    });
}

#[test]
fn who_watches_hears_of_a_free_permit() {
    explore(None, || {
        let permits = Arc::new(Permits::new(0));
        let other = permits.clone();
        let releasing = thread::spawn(move || other.release(Permits::MAX));
        let waiter = Waiter::new(Unparker::current());
        let place = PlaceRef(NonNull::from(&waiter));
        // SAFETY: it stays on this frame until it is unlinked below.
        if unsafe { permits.link(place) } {
            park::park(NEVER, Wait::UNPARK);
        }
        assert!(permits.is_ready());
        // SAFETY: it is valid, and was linked to this or never.
        unsafe { permits.unlink(place) };
        assert!(releasing.join().unwrap());
    });
}
