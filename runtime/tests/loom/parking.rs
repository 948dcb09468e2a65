//! The park token: no wake-up is lost, none comes twice, and who is woken sees what was done
//! before.

use crate::explore;
use crate::stand_in::{HOME, Home, OsThread, Published};
use crate::word::{BODY, CANCELLER, KILL, NOWHERE, TOKEN, UNSTARTED, USER_TOKEN, Unpark, Word};
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;
use std::sync::Arc;

#[test]
fn a_park_returns_by_an_unpark_before_or_after_and_sees_what_it_published() {
    explore(None, || {
        let shared = Arc::new((Home::started(), Published::default()));
        let waker = shared.clone();
        let waking = thread::spawn(move || {
            waker.1.write();
            waker.0.unpark(0);
        });
        shared.0.park();
        shared.1.assert_written();
        waking.join().unwrap();
        assert_eq!(shared.0.take_inbox(), 0);
    });
}

/// The wakers' conditions are relaxed flags: the token alone orders them, also where it was set
/// already.
#[test]
fn of_two_foreign_unparks_none_is_lost_and_one_delivers() {
    explore(Some(2), || {
        let home = Arc::new(Home::started());
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let wakers = [0, 1].map(|index| {
            let (home, flags) = (home.clone(), flags.clone());
            thread::spawn(move || {
                flags[index].store(true, Relaxed);
                home.unpark(0);
            })
        });
        while !flags.iter().all(|flag| flag.load(Relaxed)) {
            home.park();
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(home.take_inbox(), 0, "nobody is woken who runs");
    });
}

#[test]
fn a_timer_and_a_foreign_unpark_wake_a_sleep_once() {
    explore(None, || {
        let shared = Arc::new((Home::started(), AtomicBool::new(false)));
        let waker = shared.clone();
        let waking = thread::spawn(move || {
            waker.1.store(true, Relaxed);
            waker.0.unpark(0);
        });
        let (home, flag) = &*shared;
        home.park_with_timer();
        while !flag.load(Relaxed) {
            home.park();
        }
        waking.join().unwrap();
        assert_eq!(home.take_inbox(), 0, "nobody is woken who runs");
    });
}

#[test]
fn a_timer_and_two_foreign_unparks_wake_a_sleep_once() {
    explore(Some(1), || {
        let home = Arc::new(Home::started());
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let wakers = [0, 1].map(|index| {
            let (home, flags) = (home.clone(), flags.clone());
            thread::spawn(move || {
                flags[index].store(true, Relaxed);
                home.unpark(0);
            })
        });
        home.park_with_timer();
        while !flags.iter().all(|flag| flag.load(Relaxed)) {
            home.park();
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert_eq!(home.take_inbox(), 0, "nobody is woken who runs");
    });
}

#[test]
fn a_wait_of_the_runtime_leaves_the_users_token() {
    explore(Some(2), || {
        let shared = Arc::new((
            Home::started(),
            AtomicBool::new(false),
            Published::default(),
        ));
        let (user, internal) = (shared.clone(), shared.clone());
        let by_user = thread::spawn(move || {
            user.2.write();
            user.0.unpark(USER_TOKEN);
        });
        let by_runtime = thread::spawn(move || {
            internal.1.store(true, Relaxed);
            internal.0.unpark(0);
        });
        let (home, flag, published) = &*shared;
        while !flag.load(Relaxed) {
            home.park();
        }
        while !home.slot.word.take(USER_TOKEN) {
            home.park();
        }
        published.assert_written();
        by_user.join().unwrap();
        by_runtime.join().unwrap();
    });
}

#[test]
fn an_unpark_before_the_start_sets_the_token_alone() {
    explore(None, || {
        let shared = Arc::new((Home::unstarted(), Published::default()));
        let waker = shared.clone();
        let waking = thread::spawn(move || {
            waker.1.write();
            waker.0.unpark(0);
        });
        assert!(shared.0.slot.word.start(HOME));
        shared.0.park();
        shared.1.assert_written();
        waking.join().unwrap();
    });
}

#[test]
fn of_start_and_cancel_one_wins() {
    explore(None, || {
        let shared = Arc::new((Home::unstarted(), Published::default()));
        let (canceller, waker) = (shared.clone(), shared.clone());
        let cancelling = thread::spawn(move || {
            let cancelled = canceller.0.slot.word.cancel(canceller.0.generation);
            if cancelled {
                canceller.1.write();
            }
            cancelled
        });
        let waking = thread::spawn(move || waker.0.unpark(0));
        let started = shared.0.slot.word.start(HOME);
        if started {
            shared.1.write();
        }
        assert_ne!(started, cancelling.join().unwrap());
        waking.join().unwrap();
        let word = shared.0.slot.word.load();
        assert_eq!(word.home(), if started { HOME } else { NOWHERE });
        assert!(word.has(TOKEN), "kept for the first park");
        assert_ne!(started, word.has(CANCELLER));
    });
}

/// `Unparker::end` against whoever starts it: it is cancelled, or finds the kill at its first wait.
#[test]
fn a_kill_is_never_missed() {
    explore(None, || {
        let home = Arc::new(Home::unstarted());
        let killer = home.clone();
        let killing = thread::spawn(move || {
            let cancelled = killer.slot.word.cancel(killer.generation);
            if !cancelled {
                killer.unpark(KILL);
            }
            cancelled
        });
        let started = home.slot.word.start(HOME);
        while started && !home.slot.word.take(KILL) {
            home.park();
        }
        assert_ne!(killing.join().unwrap(), started);
    });
}

#[test]
fn a_late_cancel_leaves_the_next_user_of_the_slot_alone() {
    explore(None, || {
        let word = Arc::new(Word::default());
        let old = word.begin(UNSTARTED, BODY, NOWHERE);
        let stale = word.clone();
        let cancelling = thread::spawn(move || stale.cancel(old));
        if word.start(HOME) {
            word.finish();
            assert!(word.release(BODY));
            word.free();
            word.begin(UNSTARTED, BODY, NOWHERE);
            assert!(word.start(HOME), "the next one was cancelled");
            assert!(!cancelling.join().unwrap());
        }
    });
}

#[test]
fn a_stale_unpark_leaves_the_next_user_of_the_slot_alone() {
    explore(None, || {
        let word = Arc::new(Word::default());
        let old = word.begin(UNSTARTED, BODY, NOWHERE);
        let stale = word.clone();
        let waking = thread::spawn(move || stale.unpark(old, NOWHERE, USER_TOKEN));
        assert!(word.start(HOME));
        word.finish();
        assert!(word.release(BODY));
        word.free();
        assert_ne!(word.begin(UNSTARTED, BODY, NOWHERE), old);
        assert!(word.start(HOME));
        assert!(word.park(), "no token has passed to the next one");
        assert_eq!(waking.join().unwrap(), Unpark::Done);
        assert!(!word.load().has(TOKEN | USER_TOKEN));
    });
}

#[test]
fn an_os_thread_is_woken_too() {
    explore(Some(2), || {
        let sleeper = Arc::new(OsThread::new());
        let flags = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        let wakers = [0, 1].map(|index| {
            let (sleeper, flags) = (sleeper.clone(), flags.clone());
            thread::spawn(move || {
                flags[index].store(true, Relaxed);
                sleeper.unpark();
            })
        });
        while !flags.iter().all(|flag| flag.load(Relaxed)) {
            sleeper.park(false);
        }
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
    });
}

#[test]
fn an_os_thread_whose_deadline_passes_misses_no_unpark() {
    explore(None, || {
        let shared = Arc::new((OsThread::new(), AtomicBool::new(false)));
        let waker = shared.clone();
        let waking = thread::spawn(move || {
            waker.1.store(true, Relaxed);
            waker.0.unpark();
        });
        shared.0.park(true);
        while !shared.1.load(Relaxed) {
            shared.0.park(false);
        }
        waking.join().unwrap();
    });
}
