//! Cycles that lead through what is done once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use greenloop::sync::{Arc, LazyLock, Mutex, Once, OnceLock};
use greenloop::{JoinHandle, run, shield, thread};

use crate::child::{Child, this_test};
use crate::deadlock_scopes::{QUIET, found, names};
use crate::hub::panic_of;
use crate::inspect::{dump_when_waiting, named};
use crate::within::{LONG, until, within};

/// Two that make their values from each other's.
#[derive(Default)]
struct Values {
    cells: [OnceLock<u32>; 2],
    begun: AtomicUsize,
}

impl Values {
    fn get(&self, me: usize) -> u32 {
        *self.cells[me].get_or_init(|| {
            self.begun.fetch_add(1, Ordering::SeqCst);
            until("both have begun", || self.begun.load(Ordering::SeqCst) == 2);
            self.get(1 - me)
        })
    }

    fn both() -> [JoinHandle<()>; 2] {
        let values = Arc::new(Values::default());
        [0, 1].map(|me| {
            let values = values.clone();
            named(["left", "right"][me], move || {
                values.get(me);
            })
        })
    }
}

#[test]
fn what_is_done_once_by_each_other() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let both = Values::both();
        let deadlock = found.recv_timeout(LONG).unwrap();
        assert_eq!(names(&deadlock), ["left", "right"]);
        for it in deadlock.members() {
            let text = it.wait().to_string();
            let (what, who) = text.split_once(" at 0x").unwrap();
            assert_eq!(what, "waiting for what runs in the once");
            assert!(who.contains(", run by green thread"), "{text}");
        }
        both.iter().for_each(JoinHandle::kill);
    });
}

#[test]
fn a_once_that_calls_itself() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let alone = named("alone", || {
            let once = Once::new();
            once.call_once(|| once.call_once(|| ()));
        });
        assert_eq!(names(&found.recv_timeout(LONG).unwrap()), ["alone"]);
        alone.kill();
        let cell = Arc::new(OnceLock::new());
        let same = cell.clone();
        let again = named("again", move || {
            same.get_or_init(|| *same.get_or_init(|| 1));
        });
        assert_eq!(names(&found.recv_timeout(LONG).unwrap()), ["again"]);
        again.kill();
        assert_eq!(
            *cell.get_or_init(|| 2),
            2,
            "whoever is killed has not run it"
        );
    });
}

#[test]
fn a_hub_that_waits_for_its_own_onces_says_so() {
    let end = Child::new(this_test!()).run(|| {
        run(|| Values::both().into_iter().for_each(|it| it.join().unwrap()));
    });
    assert!(!end.status.success());
    let told = "this `run` would wait forever";
    assert!(end.stderr.contains(told), "{end}");
    let lines = end.stderr.lines();
    let onces = lines.filter(|it| it.contains("waiting for what runs in the once at 0x"));
    assert_eq!(onces.count(), 2, "{end}");
}

static ITSELF: LazyLock<u32> = LazyLock::new(|| *ITSELF + 1);

#[test]
fn a_static_that_needs_itself() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        // Its initialiser is shielded: no kill ends it.
        let _stuck = named("stuck", || {
            LazyLock::force(&ITSELF);
        });
        assert_eq!(names(&found.recv_timeout(LONG).unwrap()), ["stuck"]);
    });
}

// The initialiser is shielded, and so is the second: nothing but the end of the hub ends them.
#[test]
fn a_hub_in_which_shielded_ones_wait_for_each_other_says_so() {
    Child::new(this_test!()).passes(|| {
        let of_a_static = panic_of(|| run(|| *ITSELF));
        let locks_twice = || {
            let mutex = Mutex::new(());
            let _held = mutex.lock();
            drop(mutex.lock());
        };
        let of_a_lock = panic_of(|| run(|| shield(locks_twice)));
        for (text, how) in [(of_a_static, ", run by "), (of_a_lock, ", held by ")] {
            assert!(text.starts_with("this `run` would wait forever"), "{text}");
            assert!(text.contains(how), "{text}");
        }
    });
}

/// Waits at its end, in a shield.
struct WaitsAtItsEnd;

impl Drop for WaitsAtItsEnd {
    fn drop(&mut self) {
        shield(|| greenloop::sleep(Duration::from_millis(5)));
        eprintln!("it has waited");
    }
}

// The end of the hub cuts the waits that could never end, and no others.
#[test]
fn shields_hold_in_what_is_left_of_a_hub_that_cannot_go_on() {
    let end = Child::new(this_test!()).run(|| {
        run(|| {
            let mutex = Mutex::new(());
            let _waits = WaitsAtItsEnd;
            let _held = mutex.lock();
            let caught = catch_unwind(AssertUnwindSafe(|| shield(|| drop(mutex.lock()))));
            assert!(caught.is_err());
            shield(|| greenloop::sleep(Duration::from_millis(5)));
            eprintln!("it has slept");
        });
    });
    assert!(end.stderr.contains("would wait forever"), "{end}");
    for line in ["it has slept", "it has waited"] {
        assert!(end.said(line), "{line}: {end}");
    }
}

#[test]
fn a_hub_waits_for_the_once_of_an_os_thread() {
    within(LONG, || {
        let once = Arc::new(Once::new());
        let (begun, begins) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let same = once.clone();
        let runs = std::thread::spawn(move || {
            // It has asked who it is, so that it has a number.
            let _me = thread::current();
            same.call_once(|| {
                begun.send(()).unwrap();
                ends.recv().unwrap();
            });
        });
        begins.recv().unwrap();
        let hub = std::thread::spawn(move || {
            let waits = move || once.call_once(|| unreachable!());
            run(move || named("waits for an OS thread", waits).join().unwrap());
        });
        drop(dump_when_waiting("waits for an OS thread"));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!hub.is_finished());
        end.send(()).unwrap();
        hub.join().unwrap();
        runs.join().unwrap();
    });
}

#[test]
fn a_once_that_goes_on_is_no_deadlock() {
    Child::new(this_test!()).passes(|| {
        let found = found();
        let once = Arc::new(Once::new());
        let same = once.clone();
        let runs = named("runs the once", move || {
            same.call_once(|| greenloop::sleep(QUIET));
        });
        let waits = named("waits for the once", move || once.call_once(|| ()));
        for it in [runs, waits] {
            it.join().unwrap();
        }
        assert!(found.try_recv().is_err());
    });
}
