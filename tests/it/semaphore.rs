//! Semaphores: gevent 1.6 `Semaphore` and `BoundedSemaphore` (barging, `wait`, native threads), and
//! 1.8's `Lock`, whose failed try yields there; `sync_gevent.rs` shows how they count.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use greenloop::sync::{Arc, BoundedSemaphore, Mutex, Semaphore};
use greenloop::{joinall, run, spawn, spawn_local, wait, yield_now};

use crate::within::{LONG, within};

const MOMENT: Duration = Duration::from_millis(5);

// 1.6: "barging allowed: releaser re-acquiring before yielding beats the waiter"; "release does not
// switch".
#[test]
fn who_releases_may_take_it_again_before_the_waiter() {
    within(LONG, || {
        run(|| {
            let order = Rc::new(RefCell::new(Vec::new()));
            let semaphore = Rc::new(Semaphore::new(1));
            semaphore.acquire();
            let (theirs, note) = (semaphore.clone(), order.clone());
            let waiter = spawn_local(move || {
                theirs.acquire();
                note.borrow_mut().push("waiter");
            });
            yield_now();
            semaphore.release();
            semaphore.acquire(); // it is free, so there is nothing to wait for
            order.borrow_mut().push("releaser");
            yield_now();
            assert!(!waiter.is_finished());
            semaphore.release();
            waiter.join().unwrap();
            assert_eq!(order.take(), ["releaser", "waiter"]);
        });
    });
}

// 1.6 `wait(timeout)`: it waits until a permit is free, and takes none.
#[test]
fn a_wait_takes_nothing_and_ends_in_time() {
    within(LONG, || {
        run(|| {
            let (empty, free) = (Semaphore::new(0), Semaphore::new(2));
            assert!(wait([&empty], Some(MOMENT), None).is_empty());
            assert_eq!(wait([&free], Some(LONG), None).len(), 1);
            assert_eq!((empty.available(), free.available()), (0, 2));
            let bounded = BoundedSemaphore::new(1);
            let permit = bounded.permit();
            assert!(wait([&bounded], Some(MOMENT), None).is_empty());
            drop(permit);
            assert_eq!(wait([&bounded], Some(LONG), None).len(), 1);
            assert!(bounded.try_acquire());
        });
    });
}

// 1.6: "over-release allowed": a release out of nothing is one more permit, and each serves one.
#[test]
fn each_release_serves_one_waiter() {
    within(LONG, || {
        run(|| {
            let semaphore = Arc::new(Semaphore::new(0));
            let waiters: Vec<_> = (0..5)
                .map(|_| {
                    let semaphore = semaphore.clone();
                    spawn(move || semaphore.acquire())
                })
                .collect();
            let count = || waiters.iter().filter(|waiter| waiter.is_finished()).count();
            for served in 1..=3 {
                yield_now();
                semaphore.release();
                (0..5).for_each(|_| yield_now());
                assert_eq!(count(), served);
            }
            (0..4).for_each(|_| semaphore.release());
            (0..5).for_each(|_| yield_now());
            assert_eq!((count(), semaphore.available()), (5, 2));
        });
    });
}

// 1.6: "works across native threads".
#[test]
fn permits_go_between_workers_hubs_and_os_threads() {
    within(LONG, || {
        let shared = Arc::new((Semaphore::new(3), AtomicUsize::new(0), AtomicUsize::new(0)));
        let work = || {
            let shared = shared.clone();
            move || {
                let (semaphore, inside, rounds) = &*shared;
                for _ in 0..300 {
                    let _permit = semaphore.permit();
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                    yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    rounds.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        let green: Vec<_> = (0..4).map(|_| spawn(work())).collect();
        let os: Vec<_> = (0..2).map(|_| std::thread::spawn(work())).collect();
        let (first, second) = (work(), work());
        let hub = std::thread::spawn(|| run(|| joinall([spawn(first), spawn(second)])));
        joinall(green).into_iter().for_each(Result::unwrap);
        os.into_iter().for_each(|thread| thread.join().unwrap());
        let ended = hub.join().unwrap();
        ended.into_iter().for_each(Result::unwrap);
        assert_eq!(shared.0.available(), 3);
        assert_eq!(shared.2.load(Ordering::SeqCst), 8 * 300);
    });
}

// 1.8: in gevent's `Lock` "a failed non-blocking acquire yields so spin-locks work". Here a try never
// yields, as in std, and a spin says so itself.
#[test]
fn a_spin_that_yields_gets_the_lock() {
    within(LONG, || {
        run(|| {
            let shared = Arc::new((Mutex::new(0), Semaphore::new(1)));
            let (mut number, permit) = (shared.0.lock().unwrap(), shared.1.permit());
            let theirs = shared.clone();
            let spinner = spawn(move || {
                let mut number = loop {
                    match theirs.0.try_lock() {
                        Ok(number) => break number,
                        Err(_) => yield_now(),
                    }
                };
                while !theirs.1.try_acquire() {
                    yield_now();
                }
                *number += 1;
            });
            (0..10).for_each(|_| yield_now());
            *number = 5;
            drop((number, permit));
            spinner.join().unwrap();
            assert_eq!(*shared.0.lock().unwrap(), 6);
        });
    });
}
