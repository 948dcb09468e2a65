//! Waiting for several at once, and killing them: gevent 1.1 `joinall`, `wait`, `iwait`, `killall`,
//! and 1.2 `get` and `join` with a timeout.

use std::iter;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::sync::{AsyncResult, Event};
use greenloop::{
    JoinHandle, Killed, Waitable, iwait, joinall, joinall_timeout, killall, shield, sleep, spawn,
    thread, timeout, wait, wait_any, yield_now,
};

use crate::counted::Drops;
use crate::everywhere::{everywhere, in_hub};

const MS: Duration = Duration::from_millis(1);
const FAR: Duration = Duration::from_secs(60);

/// Three that are parked; each returns its number.
fn parked() -> [JoinHandle<usize>; 3] {
    [0, 1, 2].map(|number| spawn(move || (thread::park(), number).1))
}

/// Ends them in an order that is not theirs.
fn end_in_order(handles: &[JoinHandle<usize>], order: &[usize]) {
    for number in order {
        handles[*number].thread().unpark();
        while !handles[*number].is_finished() {
            yield_now();
        }
    }
}

/// The places of `some` in `all`.
fn places(all: &[JoinHandle<usize>], some: Vec<&JoinHandle<usize>>) -> Vec<usize> {
    let place = |one: &JoinHandle<usize>| all.iter().position(|other| std::ptr::eq(one, other));
    some.into_iter().filter_map(place).collect()
}

// gevent: "list of finished in completion order, including failed ones".
#[test]
fn wait_returns_all_that_ended_in_the_order_of_their_ends() {
    in_hub(|| {
        let delays = [30, 10, 20];
        let handles = delays.map(|delay| {
            spawn(move || {
                sleep(delay * MS);
                if delay == 10 {
                    resume_unwind(Box::new("failed"));
                }
                delay as usize
            })
        });
        assert_eq!(places(&handles, wait(&handles, None, None)), [1, 2, 0]);
        let failed = joinall(handles).into_iter().map(|result| result.is_err());
        assert_eq!(failed.collect::<Vec<_>>(), [false, true, false]);
    });
}

// gevent: "never kills leftovers"; "count=0 → [], count>len ok"; "dup entries counted".
#[test]
fn wait_counts_and_leaves_the_others_alone() {
    in_hub(|| {
        let handles = parked();
        end_in_order(&handles, &[2]);
        assert!(wait(&handles, None, Some(0)).is_empty());
        assert_eq!(places(&handles, wait(&handles, None, Some(1))), [2]);
        assert_eq!(places(&handles, wait(&handles, Some(MS), Some(9))), [2]);
        let twice = [&handles[2], &handles[2], &handles[0]];
        assert_eq!(places(&handles, wait(twice, Some(MS), None)), [2, 2]);
        assert!(wait(Vec::<JoinHandle<()>>::new(), None, None).is_empty());
        assert!(!handles[0].is_finished() && !handles[1].is_finished());
        end_in_order(&handles, &[0, 1]);
        let twice = [&handles[0], &handles[1], &handles[0]];
        assert_eq!(wait(twice, None, None).len(), 3);
        assert_eq!(wait(&handles, None, Some(9)).len(), 3);
        let results = joinall(handles).into_iter().map(Result::unwrap);
        assert_eq!(results.collect::<Vec<_>>(), [0, 1, 2]);
    });
}

// gevent: "`timeout=0` still lets already-runnable ones finish"; "`join(0)` gives a spawned one a
// chance to run".
#[test]
fn no_time_still_lets_those_run_that_can() {
    let ready = || [0, 1, 2].map(|number| spawn(move || number));
    in_hub(move || {
        let handles = ready();
        let ended = wait(&handles, Some(Duration::ZERO), None);
        assert_eq!(places(&handles, ended), [0, 1, 2]);
    });
    in_hub(move || {
        let ended = joinall_timeout(ready(), Duration::ZERO);
        assert!(ended.into_iter().all(|result| result.is_ok()));
    });
    in_hub(move || {
        let [.., last] = ready();
        assert_eq!(last.join_timeout(Duration::ZERO).unwrap().unwrap(), 2);
    });
    in_hub(|| {
        let running = [(); 3].map(|()| spawn(thread::park));
        yield_now();
        assert!(killall(&running, Some(Duration::ZERO)).is_ok());
    });
}

// A timer that was due at once was served in turn with the queue, and so before some of it.
#[test]
fn a_wait_without_time_is_not_served_before_the_queue() {
    in_hub(|| {
        for count in (1..10).cycle().take(100) {
            let mut ready: Vec<_> = (0..count).map(|_| spawn(|| ())).collect();
            let last = ready.pop().unwrap();
            assert!(last.join_timeout(Duration::ZERO).is_ok(), "{count}");
        }
    });
}

#[test]
fn no_time_is_no_time_for_one_that_waits() {
    everywhere(|| {
        let handles = parked();
        assert!(wait(&handles, Some(Duration::ZERO), None).is_empty());
        assert!(wait(&handles, Some(MS), None).is_empty());
        killall(&handles, None).unwrap();
    });
}

// gevent 1.2 `get`: expiry → an error, "the target is not killed"; `join`: None.
#[test]
fn a_join_whose_time_is_over_leaves_its_target_alone() {
    everywhere(|| {
        let [handle, ..] = parked();
        let handle = handle.join_timeout(Duration::ZERO).unwrap_err();
        let handle = handle.join_timeout(2 * MS).unwrap_err();
        assert!(!handle.is_finished());
        handle.thread().unpark();
        assert_eq!(handle.join_timeout(FAR).unwrap().unwrap(), 0);
    });
}

#[test]
fn joinall_timeout_tells_results_and_leftovers_apart() {
    everywhere(|| {
        let [first, second, third] = parked();
        let failed = spawn(|| resume_unwind(Box::new("failed")));
        first.thread().unpark();
        third.thread().unpark();
        wait([&first, &third, &failed], None, None);
        let ended = joinall_timeout([first, second, third, failed], 5 * MS);
        let [first, second, third, failed] = ended.try_into().unwrap();
        let second = second.unwrap_err();
        assert!(!second.is_finished(), "it is not killed");
        second.thread().unpark();
        let numbers = [first.unwrap(), second.join(), third.unwrap()];
        assert_eq!(numbers.map(Result::unwrap), [0, 1, 2]);
        assert!(failed.unwrap().is_err());
    });
}

// gevent `joinall(raise_error)`: the "first failure in time, at once, others keep running".
#[test]
fn the_first_failure_is_found_while_others_go_on() {
    everywhere(|| {
        let (go_on, last) = (Arc::new(Event::new()), Arc::new(AsyncResult::new()));
        let (theirs, told) = (go_on.clone(), last.clone());
        let slow = spawn(move || {
            theirs.wait();
            told.set("went on").unwrap();
        });
        let failing = spawn(|| {
            sleep(2 * MS);
            resume_unwind(Box::new("failed"));
        });
        let mut ends = iwait([slow, spawn(|| ()), failing]).map(JoinHandle::join);
        let failure = ends.find_map(Result::err).unwrap();
        assert_eq!(failure.downcast_ref(), Some(&"failed"));
        drop(ends);
        go_on.set();
        assert_eq!(last.get(), "went on");
    });
}

// gevent `iwait`: "links all up front".
#[test]
fn iwait_sees_what_ends_while_nobody_asks() {
    in_hub(|| {
        let handles = parked();
        let mut ends = iwait(&handles);
        end_in_order(&handles, &[2, 0, 1]);
        let bystander = spawn(|| ());
        let order: Vec<_> = ends.by_ref().collect();
        assert_eq!(places(&handles, order), [2, 0, 1]);
        assert!(!bystander.is_finished(), "what is ready is told at once");
        assert!(ends.next().is_none());
    });
}

// gevent `iwait`: "context manager unlinks leftovers".
#[test]
fn a_dropped_iwait_leaves_no_place_behind() {
    everywhere(|| {
        let (event, handles) = (Arc::new(Event::new()), parked());
        for _ in 0..100 {
            let objects: [&dyn Waitable; 4] = [&handles[0], &*event, &handles[1], &handles[2]];
            let mut some = iwait(objects);
            assert!(timeout(Duration::ZERO, || some.next()).is_err());
            drop(some);
        }
        let theirs = event.clone();
        let waiter = spawn(move || theirs.wait());
        event.set();
        waiter.join().unwrap();
        end_in_order(&handles, &[1, 0, 2]);
        assert_eq!(joinall(handles).len(), 3);
    });
}

// gevent `iwait`: "timeout just ends iteration".
#[test]
fn a_timeout_of_iwait_loses_nothing() {
    everywhere(|| {
        let handles = parked();
        let mut ends = iwait(&handles);
        assert!(timeout(2 * MS, || ends.next()).is_err());
        handles[1].thread().unpark();
        let first = timeout(FAR, || ends.next()).unwrap();
        assert!(std::ptr::eq(first.unwrap(), &handles[1]));
        assert!(timeout(2 * MS, || ends.next()).is_err());
        killall(&handles, None).unwrap();
        assert_eq!(ends.count(), 2);
    });
}

#[test]
fn one_that_is_killed_in_an_iwait_leaves_no_place_behind() {
    in_hub(|| {
        let event = Arc::new(Event::new());
        for _ in 0..10 {
            let theirs = event.clone();
            let waiter = spawn(move || iwait([&*theirs]).count());
            yield_now();
            waiter.kill();
            assert!(waiter.join().unwrap_err().is::<Killed>());
        }
        event.set();
        assert_eq!(wait_any(&[&*event]), 0);
    });
}

// gevent `wait`: "objects = anything … list in readiness order".
#[test]
fn things_of_every_kind_are_waited_for_together() {
    in_hub(|| {
        let (event, result) = (Event::new(), AsyncResult::new());
        let handle = spawn(thread::park);
        greenloop::scope(|s| {
            s.spawn(|| {
                result.set(1).unwrap();
                yield_now();
                handle.thread().unpark();
                yield_now();
                event.set();
            });
            let objects: [&dyn Waitable; 3] = [&event, &handle, &result];
            let [first, second, third] = wait(objects, None, None).try_into().ok().unwrap();
            assert!(std::ptr::addr_eq(first, &result));
            assert!(std::ptr::addr_eq(second, &handle));
            assert!(std::ptr::addr_eq(third, &event));
        });
    });
}

/// Notes its number when it is dropped.
struct Note(usize, Arc<Mutex<Vec<usize>>>);

impl Drop for Note {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
    }
}

// gevent `killall`: "not-started ones never run; then throws into each in order; any iterable".
#[test]
fn killall_ends_each_in_order_whatever_its_state() {
    in_hub(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let notes = [0, 1, 2].map(|number| Note(number, order.clone()));
        let mut handles: Vec<_> = notes
            .into_iter()
            .map(|note| {
                spawn(move || {
                    let note = note;
                    thread::park();
                    note.0
                })
            })
            .collect();
        handles.push(spawn(|| 7));
        yield_now();
        let drops = Drops::new();
        let owned = drops.counted();
        handles.push(spawn(move || {
            drop(owned);
            unreachable!("it was killed before it could run")
        }));
        killall(handles.iter().rev(), None).unwrap();
        assert_eq!(*order.lock().unwrap(), [2, 1, 0]);
        assert_eq!(drops.count(), 1);
        let results = joinall(handles).into_iter().map(Result::ok);
        assert_eq!(
            results.collect::<Vec<_>>(),
            [None, None, None, Some(7), None]
        );
        assert!(killall(iter::empty::<&JoinHandle<()>>(), None).is_ok());
    });
}

// gevent `killall`: "raises Timeout on timeout", and what has been killed dies all the same.
#[test]
fn killall_goes_on_after_its_time_is_over() {
    everywhere(|| {
        let (go_on, begun) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (theirs, told) = (go_on.clone(), begun.clone());
        let stubborn = spawn(move || {
            shield(|| {
                told.set();
                theirs.wait();
            });
            sleep(FAR);
        });
        begun.wait();
        let handles = [stubborn, spawn(thread::park)];
        assert!(killall(&handles, Some(2 * MS)).is_err());
        assert!(!handles[0].is_finished());
        go_on.set();
        let results = joinall(handles).into_iter();
        assert!(results.flat_map(Result::err).all(|end| end.is::<Killed>()));
    });
}
