//! Events and results: gevent 1.5 `AsyncResult`, and what both promise between threads; the rest of
//! 1.5 is in `sync_gevent.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::sync::{AsyncResult, Event};
use greenloop::{Elapsed, joinall, run, spawn, timeout, yield_now};

use crate::counted::Drops;
use crate::everywhere::{everywhere, in_hub};
use crate::within::{LONG, within};

const MS: Duration = Duration::from_millis(1);
const FAR: Duration = Duration::from_secs(60);

// `set`: wakes all who wait, in their order, and does not switch.
#[test]
fn those_who_wait_for_a_result_are_served_in_order() {
    in_hub(|| {
        let (result, order) = (Arc::new(AsyncResult::new()), Arc::new(Mutex::new(vec![])));
        let waiters = [0, 1, 2, 3].map(|number| {
            let (result, order) = (result.clone(), order.clone());
            spawn(move || {
                let value = result.get();
                order.lock().unwrap().push((number, value));
            })
        });
        yield_now();
        result.set("set").unwrap();
        assert!(order.lock().unwrap().is_empty(), "the setter goes on");
        joinall(waiters);
        assert_eq!(
            *order.lock().unwrap(),
            [0, 1, 2, 3].map(|number| (number, "set"))
        );
    });
}

// `set_exception`, `successful`, `exception`: here a `Result` that all get.
#[test]
fn a_failure_is_a_value_that_each_one_gets() {
    everywhere(|| {
        let result = Arc::new(AsyncResult::new());
        let theirs = result.clone();
        let waiter = spawn(move || theirs.get());
        result.set("six".parse::<u32>()).unwrap();
        assert_eq!(result.set(Ok(6)), Err(Ok(6)), "set once and for all");
        let failures = [waiter.join().unwrap(), result.get(), result.wait().clone()];
        assert!(failures.iter().all(Result::is_err));
        assert!(result.try_get().unwrap().is_err());
    });
}

// `get(timeout)`, `get_nowait`, `wait`: unset, they end; none of them takes the value away.
#[test]
fn a_result_that_is_not_set_ends_timed_waits_alone() {
    everywhere(|| {
        let result = Arc::new(AsyncResult::new());
        assert_eq!(result.try_get(), None);
        assert_eq!(result.wait_timeout(MS).ok(), None);
        let Elapsed { .. } = result.get_timeout(Duration::ZERO).unwrap_err();
        assert!(timeout(MS, || result.get()).is_err());
        let theirs = result.clone();
        let waiter = spawn(move || theirs.get_timeout(FAR));
        result.set(1).unwrap();
        assert_eq!(waiter.join().unwrap(), Ok(1));
        assert_eq!((result.get(), result.get()), (1, 1));
    });
}

#[test]
fn a_result_drops_its_value_once() {
    let drops = Drops::new();
    let result = AsyncResult::new();
    result.set(drops.counted()).unwrap();
    drop(result.set(drops.counted()).unwrap_err());
    assert_eq!(drops.count(), 1);
    drop(result.into_inner());
    assert_eq!(drops.count(), 2);
}

// "Threading": here they are for all threads.
#[test]
fn results_between_workers_hubs_and_os_threads() {
    within(LONG, || {
        for round in 0..200 {
            let (result, setters) = (Arc::new(AsyncResult::new()), AtomicUsize::new(0));
            let get = || {
                let result = result.clone();
                move || result.get()
            };
            let green = [spawn(get()), spawn(get())];
            let os = [(); 2].map(|()| std::thread::spawn(get()));
            let hub = get();
            let hub = std::thread::spawn(|| run(|| spawn(hub).join().unwrap()));
            std::thread::scope(|s| {
                for number in 0..2 {
                    let (result, setters) = (&result, &setters);
                    s.spawn(move || {
                        let first = result.set(2 * round + number).is_ok();
                        setters.fetch_add(usize::from(first), Ordering::SeqCst);
                    });
                }
            });
            assert_eq!(setters.load(Ordering::SeqCst), 1);
            let value = result.get();
            assert_eq!(value / 2, round);
            let mut got = joinall(green).into_iter().map(Result::unwrap);
            assert!(got.all(|got| got == value));
            assert_eq!(os.map(|thread| thread.join().unwrap()), [value; 2]);
            assert_eq!(hub.join().unwrap(), value);
        }
    });
}

// `Event`: "set and clear without a yield still wakes all", also when that is done again and again.
#[test]
fn an_event_that_is_pulsed_wakes_each_waiter_once_a_pulse() {
    in_hub(|| {
        let (event, woken) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
        let waiters = [(); 3].map(|()| {
            let (event, woken) = (event.clone(), woken.clone());
            spawn(move || {
                for _ in 0..10 {
                    event.wait();
                    woken.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        yield_now();
        for pulse in 1..=10 {
            event.set();
            event.clear();
            yield_now();
            assert_eq!(woken.load(Ordering::SeqCst), 3 * pulse);
        }
        assert!(joinall(waiters).iter().all(Result::is_ok));
    });
}
