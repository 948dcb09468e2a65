//! Stress: ten million yields, a million spawns and a million foreign unparks, counted exactly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use greenloop::{joinall, run, sleep, spawn, spawn_blocking, thread, yield_now};

use crate::within::within;

/// What each of these may take on a slow and busy machine, without optimisation.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn ten_million_yields() {
    const GREEN_THREADS: u64 = 1_000;
    const YIELDS: u64 = 5_000;
    fn yielding() -> u64 {
        let count = Arc::new(AtomicU64::new(0));
        let handles: Vec<_> = (0..GREEN_THREADS)
            .map(|_| {
                let count = count.clone();
                spawn(move || {
                    for _ in 0..YIELDS {
                        yield_now();
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        assert!(joinall(handles).iter().all(Result::is_ok));
        count.load(Ordering::Relaxed)
    }
    within(LIMIT, || {
        let in_a_hub = std::thread::spawn(|| run(yielding));
        let on_workers = yielding();
        assert_eq!(on_workers + in_a_hub.join().unwrap(), 10_000_000);
    });
}

#[test]
fn a_million_spawns() {
    const SPAWNERS: u64 = 100;
    const SPAWNS: u64 = 9_000;
    const FROM_OUTSIDE: u64 = 100_000;
    fn spawning(count: &Arc<AtomicU64>, spawns: u64) {
        // A hundred at a time, every other one detached.
        for batch in 0..spawns / 100 {
            let handles = (0..100).filter_map(|n| {
                let count = count.clone();
                let handle = spawn(move || count.fetch_add(1, Ordering::Relaxed));
                ((batch + n) % 2 == 0).then_some(handle)
            });
            assert!(joinall(handles).iter().all(Result::is_ok));
        }
    }
    within(LIMIT, || {
        let count = Arc::new(AtomicU64::new(0));
        let theirs = count.clone();
        let outside = std::thread::spawn(move || spawning(&theirs, FROM_OUTSIDE));
        let spawners = (0..SPAWNERS).map(|_| {
            let count = count.clone();
            spawn(move || spawning(&count, SPAWNS))
        });
        assert!(joinall(spawners).iter().all(Result::is_ok));
        outside.join().unwrap();
        crate::within::until("the detached ones end", || {
            count.load(Ordering::Relaxed) >= 1_000_000
        });
        joinall((0..100).map(|_| spawn(yield_now)));
        assert_eq!(count.load(Ordering::Relaxed), 1_000_000);
    });
}

#[test]
fn a_million_unparks_from_foreign_threads() {
    const GREEN_THREADS: usize = 500;
    const UNPARKS: u64 = 500;
    const FOREIGN: u64 = 4;
    /// Takes what is left there until it has got all.
    fn take(given: &AtomicU64) -> u64 {
        let mut taken = 0;
        while taken < FOREIGN * UNPARKS {
            taken += given.swap(0, Ordering::SeqCst);
            if taken % 3 == 0 {
                thread::park_timeout(LIMIT);
            } else {
                thread::park();
            }
            // The last one's token is found, or lies there: the loop looks once more.
            taken += given.swap(0, Ordering::SeqCst);
        }
        taken
    }
    within(LIMIT, || {
        let given: Arc<[AtomicU64]> = (0..GREEN_THREADS).map(|_| AtomicU64::new(0)).collect();
        let handles: Vec<_> = (0..GREEN_THREADS)
            .map(|n| {
                let given = given.clone();
                spawn(move || take(&given[n]))
            })
            .collect();
        let parked: Arc<[_]> = handles
            .iter()
            .map(|handle| handle.thread().clone())
            .collect();
        let foreign: Vec<_> = (0..FOREIGN)
            .map(|_| {
                let (given, parked) = (given.clone(), parked.clone());
                std::thread::spawn(move || {
                    for _ in 0..UNPARKS {
                        for (given, parked) in given.iter().zip(parked.iter()) {
                            given.fetch_add(1, Ordering::SeqCst);
                            parked.unpark();
                        }
                    }
                })
            })
            .collect();
        let taken = joinall(handles).into_iter().map(Result::unwrap);
        assert_eq!(taken.sum::<u64>(), 1_000_000);
        foreign.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn everything_at_once() {
    within(LIMIT, || {
        let worlds: Vec<_> = (0..20_u64)
            .map(|world| {
                spawn(move || {
                    let mut sum = 0;
                    for round in 0..50 {
                        let slow = spawn(move || {
                            sleep(Duration::from_micros(world * 10 + round));
                            1
                        });
                        let parked = spawn(|| {
                            thread::park_timeout(Duration::from_micros(100));
                            1
                        });
                        parked.thread().unpark();
                        let job = spawn_blocking(|| 1);
                        let lost = spawn(|| -> u64 { std::panic::resume_unwind(Box::new(1_u64)) });
                        let chain = spawn(|| spawn(|| spawn(|| 1).join().unwrap()).join().unwrap());
                        let lost = *lost.join().unwrap_err().downcast::<u64>().unwrap();
                        let rest = joinall([slow, parked, job, chain]);
                        sum += lost + rest.into_iter().map(Result::unwrap).sum::<u64>();
                    }
                    sum
                })
            })
            .collect();
        let hub = std::thread::spawn(|| {
            (0..200)
                .map(|n| run(move || spawn(move || n).join().unwrap()))
                .sum::<u64>()
        });
        let sums = joinall(worlds).into_iter().map(Result::unwrap);
        assert_eq!(sums.sum::<u64>(), 20 * 50 * 5);
        assert_eq!(hub.join().unwrap(), 199 * 200 / 2);
    });
}
