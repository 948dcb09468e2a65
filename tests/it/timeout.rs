//! `timeout`: identity, nesting, and that nothing is left of it.

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

#[test]
fn code_that_does_not_wait_is_not_cut() {
    everywhere(|| assert_eq!(timeout(Duration::ZERO, || 5), Ok(5)));
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
