//! `apply` and the maps of groups and pools: rows of 1.3 of the specification, and pools of size 1,
//! 2, 3, 10 and without bound for each of map, imap and imap_unordered.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use greenloop::pool::{Group, Pool};
use greenloop::{Killed, run, sleep, thread, timeout, yield_now};

use crate::counted::Drops;
use crate::everywhere::everywhere;
use crate::pool::Gauge;
use crate::within::until;

const MS: Duration = Duration::from_millis(1);

/// A pool of each size; 0 stands for one without bound.
const SIZES: [usize; 5] = [1, 2, 3, 10, 0];

fn with_pool<T>(size: usize, f: impl FnOnce(&Group) -> T) -> T {
    match size {
        0 => f(&Group::new()),
        size => f(&Pool::new(size)),
    }
}

// 1.3 `apply`: spawn and get; from a member, inline.
#[test]
fn apply_runs_inline_from_a_member() {
    everywhere(|| {
        let pool = Arc::new(Pool::new(1));
        let ours = pool.clone();
        let nested = pool.apply(move || {
            let me = thread::current().id();
            let deeper = ours.clone();
            let inner = ours.apply(move || deeper.apply(|| thread::current().id()).unwrap());
            inner.unwrap() == me
        });
        assert!(nested.unwrap());
        let panicked = pool.apply(|| -> () { resume_unwind(Box::new(3)) });
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&3));
        assert!(pool.apply(|| ()).is_ok());
    });
}

#[test]
fn apply_inline_returns_panics_and_passes_kills() {
    run(|| {
        let pool = Arc::new(Pool::new(1));
        let ours = pool.clone();
        let member = pool.spawn(move || {
            let result = ours.apply(|| -> () { resume_unwind(Box::new(3)) });
            assert!(result.is_err());
            let _ = ours.apply(|| sleep(Duration::from_secs(60)));
            unreachable!("the kill is the member's, not the inner call's");
        });
        yield_now();
        pool.kill();
        let payload = member.join().map(|(): ()| ()).unwrap_err();
        assert!(payload.is::<Killed>());
    });
}

#[test]
fn pools_nest() {
    everywhere(|| {
        let (outer, inner) = (Pool::new(2), Arc::new(Pool::new(2)));
        let sums = outer.map(0..10, move |n| {
            let parts = inner.map(0..5, move |m| {
                yield_now();
                n * m
            });
            parts.into_iter().map(Result::unwrap).sum::<i32>()
        });
        let sums: Vec<i32> = sums.into_iter().map(Result::unwrap).collect();
        assert_eq!(sums, (0..10).map(|n| n * 10).collect::<Vec<_>>());
    });
}

// 1.3 the matrix: sizes × (map, imap, imap_unordered).
#[test]
fn map_keeps_order_and_size() {
    everywhere(|| {
        for size in SIZES {
            let gauge = Gauge::default();
            let theirs = gauge.clone();
            let results = with_pool(size, |pool| {
                let results = pool.map(0..30, move |n| {
                    theirs.pass();
                    n * 2
                });
                pool.join();
                results
            });
            let results: Vec<i32> = results.into_iter().map(Result::unwrap).collect();
            assert_eq!(results, (0..30).map(|n| n * 2).collect::<Vec<_>>());
            assert!(
                size == 0 || gauge.most() <= size,
                "{} of {size}",
                gauge.most()
            );
        }
    });
}

#[test]
fn imap_keeps_order_and_size() {
    everywhere(|| {
        for size in SIZES {
            for maxsize in [None, Some(1), Some(4)] {
                let gauge = Gauge::default();
                let theirs = gauge.clone();
                let results = with_pool(size, |pool| {
                    let job = move |n: u64| {
                        theirs.pass();
                        sleep(MS * (n % 3) as u32);
                        n
                    };
                    pool.imap(0..12, job, maxsize)
                        .map(Result::unwrap)
                        .collect::<Vec<_>>()
                });
                assert_eq!(results, (0..12).collect::<Vec<_>>());
                assert!(
                    size == 0 || gauge.most() <= size,
                    "{} of {size}",
                    gauge.most()
                );
            }
        }
    });
}

#[test]
fn imap_unordered_returns_all_and_keeps_the_size() {
    everywhere(|| {
        for size in SIZES {
            for maxsize in [None, Some(1), Some(4)] {
                let gauge = Gauge::default();
                let theirs = gauge.clone();
                let mut results = with_pool(size, |pool| {
                    let job = move |n: u64| {
                        theirs.pass();
                        n
                    };
                    pool.imap_unordered(0..12, job, maxsize)
                        .map(Result::unwrap)
                        .collect::<Vec<_>>()
                });
                if size != 1 {
                    results.sort_unstable();
                }
                assert_eq!(results, (0..12).collect::<Vec<_>>());
                assert!(
                    size == 0 || gauge.most() <= size,
                    "{} of {size}",
                    gauge.most()
                );
            }
        }
    });
}

// 1.3 `imap_unordered`: completion order.
#[test]
fn imap_unordered_goes_by_completion() {
    run(|| {
        let delays = [60, 20, 40, 1].map(|n| n * MS);
        let results = Group::new().imap_unordered(delays, |delay| (sleep(delay), delay).1, None);
        let results: Vec<_> = results.map(Result::unwrap).collect();
        assert_eq!(results, [MS, 20 * MS, 40 * MS, 60 * MS]);
    });
}

// 1.3 `map`: "spawns all first, an early failure does not cancel the rest".
#[test]
fn a_failure_stops_no_other_of_a_map() {
    everywhere(|| {
        for size in SIZES {
            let ran = Arc::new(AtomicUsize::new(0));
            let count = ran.clone();
            let results = with_pool(size, |pool| {
                pool.map(0..10, move |n| {
                    count.fetch_add(1, Ordering::SeqCst);
                    match n {
                        0 => resume_unwind(Box::new("first")),
                        n => n,
                    }
                })
            });
            assert!(results[0].is_err() && results[1..].iter().all(Result::is_ok));
            assert_eq!(ran.load(Ordering::SeqCst), 10);
        }
    });
}

// 1.3 `imap`: "per-item exception raised by next(), iteration can continue after it".
#[test]
fn iteration_goes_on_after_an_error() {
    fn odd(n: i32) -> i32 {
        if n % 2 == 0 {
            resume_unwind(Box::new(n));
        }
        n
    }
    everywhere(|| {
        for size in SIZES {
            let read = |results: greenloop::pool::IMap<i32>| {
                let values = results.map(|result| {
                    result.unwrap_or_else(|payload| -payload.downcast_ref::<i32>().unwrap())
                });
                values.collect::<Vec<_>>()
            };
            let ordered = with_pool(size, |pool| read(pool.imap(0..6, odd, None)));
            assert_eq!(ordered, [0, 1, -2, 3, -4, 5]);
            let mut unordered =
                with_pool(size, |pool| read(pool.imap_unordered(0..6, odd, Some(2))));
            unordered.sort_unstable();
            assert_eq!(unordered, [-4, -2, 0, 1, 3, 5]);
        }
    });
}

// 1.3 `imap`: "Exception in the input iterator ends it".
#[test]
fn a_panic_of_the_items_is_the_last_result() {
    everywhere(|| {
        let items = (0..5).map(|n| match n {
            2 => resume_unwind(Box::new("items")),
            n => n,
        });
        let mut results = Group::new().imap(items, |n| n, Some(1));
        assert_eq!(results.next().unwrap().unwrap(), 0);
        assert_eq!(results.next().unwrap().unwrap(), 1);
        let payload = results.next().unwrap().unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"items"));
        assert!(results.next().is_none());
        assert!(results.next().is_none());
    });
}

// 1.3 `imap`: "maxsize bounds finished-but-unread results".
#[test]
fn imap_runs_ahead_by_no_more_than_maxsize() {
    for ordered in [true, false] {
        run(move || {
            let taken = Arc::new(AtomicUsize::new(0));
            let count = taken.clone();
            let items = (0..).inspect(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            });
            let group = Group::new();
            let mut results = match ordered {
                true => group.imap(items, |n: u32| n, Some(3)),
                false => group.imap_unordered(items, |n: u32| n, Some(3)),
            };
            sleep(5 * MS);
            // One more item than there is room for results lies ready.
            assert_eq!(taken.load(Ordering::SeqCst), 4);
            assert_eq!(results.next().unwrap().unwrap(), 0);
            sleep(5 * MS);
            assert_eq!(taken.load(Ordering::SeqCst), 5);
            drop(results);
            sleep(5 * MS);
            assert_eq!(taken.load(Ordering::SeqCst), 5, "nobody reads any more");
        });
    }
}

#[test]
fn a_timeout_of_the_reader_loses_no_result() {
    everywhere(|| {
        for ordered in [true, false] {
            let group = Group::new();
            let job = |n: u32| (sleep(10 * MS), n).1;
            let mut results = match ordered {
                true => group.imap(0..5, job, Some(1)),
                false => group.imap_unordered(0..5, job, Some(1)),
            };
            let mut read = Vec::new();
            loop {
                match timeout(3 * MS, || results.next()) {
                    Ok(Some(result)) => read.push(result.unwrap()),
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
            assert_eq!(read, [0, 1, 2, 3, 4]);
        }
    });
}

#[test]
fn killed_members_of_an_imap_are_errors() {
    run(|| {
        for ordered in [true, false] {
            let pool = Pool::new(2);
            let park = |_: u32| thread::park();
            let mut results = match ordered {
                true => pool.imap(0..2, park, None),
                false => pool.imap_unordered(0..2, park, None),
            };
            yield_now();
            pool.kill();
            for _ in 0..2 {
                assert!(results.next().unwrap().unwrap_err().is::<Killed>());
            }
            assert!(results.next().is_none());
        }
    });
}

// 1.3 `imap`: results that nobody reads.
#[test]
fn dropped_results_are_dropped_once() {
    everywhere(|| {
        let drops = Drops::new();
        let ours = drops.clone();
        let group = Group::new();
        let mut results = group.imap(0..10, move |_| ours.counted(), None);
        drop(results.next());
        drop(results);
        group.join();
        until("the unread ones are dropped", || drops.count() > 0);
        let mapped = group.map(0..10, {
            let ours = drops.clone();
            move |_| ours.counted()
        });
        let before = drops.count();
        drop(mapped);
        assert_eq!(drops.count(), before + 10);
    });
}

#[test]
fn an_imap_may_feed_on_its_own_results() {
    everywhere(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        sender.send(0).unwrap();
        let items = std::iter::from_fn(move || {
            loop {
                match receiver.try_recv() {
                    Ok(item) => break Some(item),
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => break None,
                    Err(std::sync::mpsc::TryRecvError::Empty) => sleep(MS),
                }
            }
        });
        let mut results = Pool::new(2).imap(items, |n: u32| n + 1, None);
        for n in 1..=5 {
            let result = results.next().unwrap().unwrap();
            assert_eq!(result, n);
            sender.send(result).unwrap();
        }
        drop(sender);
        assert_eq!(results.next().unwrap().unwrap(), 6);
        assert!(results.next().is_none());
    });
}
