//! `timeout`: identity, nesting, and that nothing is left of it. Rows of gevent's 1.9 `Timeout`, and
//! of its section 2: 3 (a spinner), 5, 11 and 12. `timeout_calls.rs` has 1.9's other row.

use greenloop::{run, shield, sleep, spawn, thread, timeout, yield_now};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(10);

/// The same on an OS thread, on a worker and on a hub.
fn everywhere(test: fn()) {
    test();
    spawn(test).join().unwrap();
    run(test);
}

#[test]
fn a_wait_is_cut() {
    everywhere(|| {
        let start = Instant::now();
        assert!(timeout(SHORT, || sleep(LONG)).is_err());
        assert!(timeout(SHORT, thread::park).is_err());
        assert!(timeout(SHORT, || drop(spawn(thread::park).join())).is_err());
        assert!(start.elapsed() >= 3 * SHORT && start.elapsed() < LONG);
    });
}

#[test]
fn what_is_done_in_time_is_ok() {
    everywhere(|| {
        assert_eq!(
            timeout(LONG, || {
                sleep(SHORT);
                3
            }),
            Ok(3)
        )
    });
}

// gevent.md section 2, row 11.
#[test]
fn the_shorter_outer_one_passes_through_the_inner_one() {
    everywhere(|| {
        let outer = timeout(SHORT, || {
            let inner = timeout(LONG, || sleep(LONG));
            unreachable!("the inner one gave {inner:?}");
        });
        assert!(outer.is_err());
    });
}

#[test]
fn the_shorter_inner_one_leaves_the_outer_one_pending() {
    everywhere(|| {
        let outer = timeout(5 * SHORT, || {
            assert!(timeout(SHORT, || sleep(LONG)).is_err());
            sleep(LONG);
        });
        assert!(outer.is_err());
    });
}

#[test]
fn of_two_equal_ones_the_outer_one_fires() {
    everywhere(|| {
        let outer = timeout(Duration::ZERO, || {
            let _ = timeout(Duration::ZERO, thread::park);
            unreachable!("the inner one has not taken it");
        });
        assert!(outer.is_err());
        sleep(SHORT); // and nothing is left
    });
}

// gevent.md section 2, row 12: an inner wait with a timeout of its own does not swallow it.
#[test]
fn an_outer_one_ends_waits_with_timeouts_of_their_own() {
    everywhere(|| {
        assert!(timeout(SHORT, || thread::park_timeout(LONG)).is_err());
        assert!(timeout(SHORT, || drop(spawn(thread::park).join_timeout(LONG))).is_err());
    });
}

#[test]
fn nothing_is_left_of_it() {
    everywhere(|| {
        assert_eq!(timeout(SHORT, || 1), Ok(1));
        sleep(3 * SHORT);
        assert!(timeout(SHORT, || sleep(LONG)).is_err());
        sleep(3 * SHORT);
    });
}

#[test]
fn swallowed_it_is_told_all_the_same() {
    everywhere(|| {
        let result = timeout(SHORT, || {
            std::panic::catch_unwind(|| sleep(LONG)).unwrap_err();
            sleep(SHORT); // it is not thrown a second time
            "swallowed"
        });
        assert!(result.is_err());
    });
}

// 1.9: "None = never".
#[test]
fn one_of_for_ever_never_fires() {
    everywhere(|| assert_eq!(timeout(Duration::MAX, || sleep(SHORT)), Ok(())));
}

// 1.9: "0 … no effect without a switch".
#[test]
fn code_that_does_not_wait_is_not_cut() {
    everywhere(|| assert_eq!(timeout(Duration::ZERO, || 5), Ok(5)));
}

// 1.9: "powerless over CPU-bound code: an already expired one fires only at the next" wait.
#[test]
fn one_that_ran_out_in_a_computation_fires_at_the_next_wait() {
    everywhere(|| {
        let mut computed = false;
        let result = timeout(SHORT, || {
            let start = Instant::now();
            while start.elapsed() < 2 * SHORT {
                std::hint::spin_loop();
            }
            computed = true;
            sleep(LONG);
            unreachable!("the sleep is cut");
        });
        assert!(computed && result.map(|(): ()| ()).is_err());
    });
}

// 1.9: in gevent "`sleep(0)` doesn't count"; here a yield is a wait like any other.
#[test]
fn a_yield_counts_as_a_wait() {
    run(|| assert!(timeout(Duration::ZERO, yield_now).is_err()));
}

// 1.9: "raised in the greenlet that called start(), wherever it is parked".
#[test]
fn it_cuts_the_waits_of_its_own_thread_alone() {
    everywhere(|| {
        let mut child = None;
        let result = timeout(SHORT, || {
            child = Some(spawn(|| {
                sleep(5 * SHORT);
                "not cut"
            }));
            sleep(LONG);
        });
        assert!(result.is_err());
        assert_eq!(child.unwrap().join().unwrap(), "not cut");
    });
}

#[test]
fn a_spinner_is_cut() {
    run(|| {
        let spin = || loop {
            yield_now();
        };
        assert!(timeout::<()>(SHORT, spin).is_err());
    });
}

#[test]
fn a_shield_holds_it_back() {
    everywhere(|| {
        let mut reached = false;
        let result = timeout(SHORT, || {
            shield(|| sleep(2 * SHORT));
            reached = true;
            sleep(LONG);
        });
        assert!(reached && result.is_err());
    });
}

#[test]
fn a_panic_inside_goes_on() {
    everywhere(|| {
        let caught = std::panic::catch_unwind(|| timeout(LONG, || std::panic::panic_any(7)));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&7));
    });
}

#[test]
fn a_kill_passes_through() {
    let handle = spawn(|| {
        let _ = timeout(LONG, || sleep(LONG));
        unreachable!("a kill is no timeout");
    });
    handle.kill();
    assert!(handle.join().unwrap_err().is::<greenloop::Killed>());
}
