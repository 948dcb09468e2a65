//! Sleeping: at least as long as asked, not much longer, in order, by the thousand.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use greenloop::{joinall, run, sleep, spawn, spawn_local, thread, yield_now};

use crate::within::{LONG, within};

/// What a sleep may take longer on a slow and busy machine.
const GENEROUS: Duration = Duration::from_secs(10);

// gevent 1.1 `sleep`: an absolute duration.
#[test]
fn a_sleep_lasts_as_long_as_asked() {
    fn sleeps() {
        for micros in [1, 50, 99, 100, 101, 500, 1_000, 1_001, 20_000] {
            let (start, duration) = (Instant::now(), Duration::from_micros(micros));
            sleep(duration);
            let slept = start.elapsed();
            assert!(
                slept >= duration && slept < duration + GENEROUS,
                "{slept:?}"
            );
        }
    }
    sleeps();
    spawn(sleeps).join().unwrap();
    run(sleeps);
}

#[test]
fn sleeps_are_finer_than_a_millisecond() {
    let sleeps = || {
        let quickest = (0..1000).map(|_| {
            let start = Instant::now();
            sleep(Duration::from_micros(100));
            start.elapsed()
        });
        quickest.min().unwrap()
    };
    let quickest = run(sleeps);
    assert!(quickest >= Duration::from_micros(100));
    assert!(quickest < Duration::from_micros(900), "{quickest:?}");
}

#[test]
fn ten_thousand_sleepers_sleep_side_by_side() {
    within(LONG, || {
        let start = Instant::now();
        let handles: Vec<_> = (0..10_000_u64)
            .map(|n| {
                spawn(move || {
                    let duration = Duration::from_millis(50 + n * 7919 % 200);
                    let start = Instant::now();
                    sleep(duration);
                    start.elapsed() >= duration
                })
            })
            .collect();
        assert!(joinall(handles).into_iter().all(Result::unwrap));
        // One after another: 25 minutes.
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(249) && took < GENEROUS,
            "{took:?}"
        );
    });
}

// gevent 2 #4.
#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    let order = run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = [40, 10, 30, 20]
            .into_iter()
            .map(|millis| {
                let order = order.clone();
                spawn_local(move || {
                    sleep(Duration::from_millis(millis));
                    order.borrow_mut().push(millis);
                })
            })
            .collect();
        joinall(handles);
        order.take()
    });
    assert_eq!(order, [10, 20, 30, 40]);
}

// gevent 2 #4.
#[test]
fn sleepers_of_equal_length_wake_in_the_order_in_which_they_lay_down() {
    let order = run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = (0..2_000)
            .map(|n| {
                let order = order.clone();
                spawn_local(move || {
                    sleep(Duration::from_millis(10));
                    order.borrow_mut().push(n);
                })
            })
            .collect();
        joinall(handles);
        order.take()
    });
    assert!(order.into_iter().eq(0..2_000));
}

// gevent 1.1 `sleep`: of 0, to the tail of the queue.
// gevent 2 #2.
#[test]
fn a_sleep_of_zero_is_a_yield() {
    let order = run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let handles = ["a", "b"].map(|name| {
            let order = order.clone();
            spawn_local(move || {
                for _ in 0..3 {
                    order.borrow_mut().push(name);
                    sleep(Duration::ZERO);
                }
            })
        });
        joinall(handles);
        order.take()
    });
    assert_eq!(order, ["a", "b", "a", "b", "a", "b"]);
}

#[test]
fn an_unpark_does_not_cut_a_sleep() {
    let duration = Duration::from_millis(50);
    let sleeper = spawn(move || {
        let start = Instant::now();
        sleep(duration);
        start.elapsed()
    });
    let waker = sleeper.thread().clone();
    while !sleeper.is_finished() {
        waker.unpark();
        yield_now();
    }
    assert!(sleeper.join().unwrap() >= duration);
}

#[test]
fn a_sleep_of_for_ever_ends_with_its_hub() {
    within(LONG, || {
        run(|| {
            drop(spawn(|| sleep(Duration::MAX)));
            drop(spawn(|| sleep(Duration::from_secs(u64::MAX / 4))));
            yield_now();
        });
    });
}

#[test]
fn timers_come_and_go_by_the_hundred_thousand() {
    within(LONG, || {
        // Each is cancelled by the token that is already there, or soon comes.
        let handles: Vec<_> = (0..10)
            .map(|_| {
                spawn(|| {
                    let start = Instant::now();
                    for _ in 0..10_000 {
                        thread::current().unpark();
                        thread::park_timeout(2 * GENEROUS);
                    }
                    start.elapsed() < GENEROUS
                })
            })
            .collect();
        assert!(joinall(handles).into_iter().all(Result::unwrap));
    });
}

#[test]
fn timers_cancelled_by_others_leave_the_others_intact() {
    within(LONG, || {
        run(|| {
            for round in 0..200_u64 {
                let handles: Vec<_> = (0..50_u64)
                    .map(|n| {
                        spawn_local(move || {
                            let micros = (n * 31 + round * 17) % 500 + 1;
                            let (start, duration) = (Instant::now(), Duration::from_micros(micros));
                            thread::park_timeout(duration);
                            sleep(duration);
                            start.elapsed() >= duration
                        })
                    })
                    .collect();
                yield_now();
                handles
                    .iter()
                    .step_by(3)
                    .for_each(|handle| handle.thread().unpark());
                assert!(joinall(handles).into_iter().all(Result::unwrap));
            }
        });
    });
}

/// 20,000 that take 10 µs each are in the queue when the sleep of 1 ms is over.
#[test]
fn who_has_slept_enough_does_not_wait_behind_the_queue() {
    const QUEUED: usize = 20_000;
    let (ran_before, ran) = run(|| {
        let ran = Rc::new(Cell::new(0));
        let seen = ran.clone();
        let sleeper = spawn_local(move || {
            sleep(Duration::from_millis(1));
            seen.get()
        });
        yield_now();
        let queued: Vec<_> = (0..QUEUED)
            .map(|_| {
                let ran = ran.clone();
                spawn_local(move || {
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_micros(10) {}
                    ran.set(ran.get() + 1);
                })
            })
            .collect();
        joinall(queued);
        (sleeper.join().unwrap(), ran.get())
    });
    assert_eq!(ran, QUEUED);
    assert!(ran_before < QUEUED / 2, "{ran_before} ran before it");
}

/// A thousand whose timers are due all the time, and two in the queue.
#[test]
fn a_storm_of_timers_and_the_queue_do_not_starve_each_other() {
    const YIELDS: usize = 10_000;
    let slept = within(LONG, || {
        run(|| {
            let (slept, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
            let sleepers: Vec<_> = (0..1000)
                .map(|_| {
                    let (slept, done) = (slept.clone(), done.clone());
                    spawn_local(move || {
                        while !done.get() {
                            sleep(Duration::from_nanos(1));
                            slept.set(slept.get() + 1);
                        }
                    })
                })
                .collect();
            let yields = || (0..YIELDS).for_each(|_| yield_now());
            joinall([spawn_local(yields), spawn_local(yields)]);
            let slept_meanwhile = slept.get();
            done.set(true);
            joinall(sleepers);
            slept_meanwhile
        })
    });
    // About as many as there were yields; each yield of 1,000 sleeps would make ten million.
    assert!((YIELDS / 4..20 * YIELDS).contains(&slept), "{slept}");
}
