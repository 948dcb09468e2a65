//! Groups and pools: gevent's `pool.py`, rows of 1.3 of the specification; `pool_members.rs` and
//! `pool_map.rs` have the rest.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use greenloop::pool::{Full, Group, Pool, ThreadPool};
use greenloop::{Killed, block_on, run, sleep, spawn, spawn_blocking, thread, timeout, yield_now};

use crate::counted::Drops;
use crate::everywhere::everywhere;
use crate::within::{LONG, until, within};

const MS: Duration = Duration::from_millis(1);

/// Runs jobs side by side, and knows how many were so at most.
#[derive(Clone, Default)]
pub(crate) struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

impl Gauge {
    pub(crate) fn pass(&self) {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        sleep(MS);
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

// 1.3 `Group`: spawn, join, len; auto-discard at completion.
#[test]
fn members_leave_at_their_end() {
    everywhere(|| {
        let group = Group::new();
        assert!(group.is_empty());
        let handles = [1, 2, 3].map(|n| group.spawn(move || (thread::park(), n).1));
        assert_eq!(group.len(), 3);
        assert!(!group.join_timeout(MS));
        handles.iter().for_each(|handle| handle.thread().unpark());
        group.join();
        assert!(group.is_empty());
        assert!(
            handles.iter().all(|handle| handle.is_finished()),
            "join means the very end"
        );
        let results = handles.map(|handle| handle.join().unwrap());
        assert_eq!(results, [1, 2, 3]);
    });
}

#[test]
fn joining_an_empty_group_returns_at_once() {
    let group = Group::new();
    group.join();
    assert!(group.join_timeout(Duration::ZERO));
}

#[test]
fn a_detached_handle_leaves_a_member() {
    let group = Group::new();
    drop(group.spawn(thread::park));
    assert_eq!(group.len(), 1);
    group.kill();
    assert!(group.is_empty());
}

#[test]
fn members_that_panic_leave_too() {
    everywhere(|| {
        let pool = Pool::new(2);
        for _ in 0..10 {
            drop(pool.spawn(|| resume_unwind(Box::new("lost"))));
        }
        pool.join();
        assert_eq!((pool.len(), pool.free_count()), (0, 2));
    });
}

// 1.3 `Group.kill`.
#[test]
fn kill_ends_all_and_waits_for_their_destructors() {
    everywhere(|| {
        struct Slow(Drops);
        impl Drop for Slow {
            fn drop(&mut self) {
                sleep(5 * MS);
                drop(self.0.counted());
            }
        }
        let (group, drops) = (Group::new(), Drops::new());
        for _ in 0..5 {
            let slow = Slow(drops.clone());
            group.spawn(move || {
                let _slow = slow;
                thread::park();
            });
        }
        yield_now();
        group.kill();
        assert_eq!((group.len(), drops.count()), (0, 5));
    });
}

#[test]
fn killed_members_that_have_not_started_never_run() {
    run(|| {
        let (pool, drops) = (Pool::new(3), Drops::new());
        let handles = [(); 3].map(|()| {
            let counted = drops.counted();
            pool.spawn(move || {
                let _counted = counted;
                unreachable!("it was killed before")
            })
        });
        pool.kill();
        assert_eq!((pool.len(), pool.free_count(), drops.count()), (0, 3, 3));
        let results: Vec<Result<(), _>> = handles.map(|handle| handle.join()).into();
        assert!(
            results
                .iter()
                .all(|result| result.as_ref().unwrap_err().is::<Killed>())
        );
    });
}

// 1.3 `Group.kill`: "greenlets added meanwhile die too".
#[test]
fn kill_ends_those_that_are_added_meanwhile() {
    everywhere(|| {
        let group = Arc::new(Group::new());
        struct Respawn(Arc<Group>, usize);
        impl Drop for Respawn {
            fn drop(&mut self) {
                if self.1 > 0 {
                    let next = Respawn(self.0.clone(), self.1 - 1);
                    self.0.spawn(move || {
                        let _next = next;
                        thread::park();
                    });
                }
            }
        }
        let first = Respawn(group.clone(), 5);
        group.spawn(move || {
            let _first = first;
            thread::park();
        });
        yield_now();
        group.kill();
        assert!(group.is_empty());
    });
}

#[test]
fn kill_timeout_gives_up_on_who_goes_on() {
    everywhere(|| {
        let group = Group::new();
        let started = Arc::new(AtomicUsize::new(0));
        let theirs = started.clone();
        let stubborn = group.spawn(move || {
            let _ = std::panic::catch_unwind(|| {
                theirs.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_secs(60));
            });
            sleep(100 * MS);
        });
        until("it starts", || started.load(Ordering::SeqCst) == 1);
        assert!(!group.kill_timeout(5 * MS));
        assert_eq!(group.len(), 1);
        assert!(group.kill_timeout(Duration::from_secs(60)));
        assert!(stubborn.is_finished());
    });
}

#[test]
fn a_member_that_kills_its_group_dies_with_it() {
    everywhere(|| {
        let group = Arc::new(Group::new());
        let ours = group.clone();
        let member = group.spawn(move || ours.kill());
        assert!(member.join().unwrap_err().is::<Killed>());
        group.join();
    });
}

#[test]
fn the_end_of_a_hub_empties_the_pool() {
    let pool = Arc::new(Pool::new(3));
    let ours = pool.clone();
    run(move || {
        ours.spawn(thread::park);
        yield_now();
        ours.spawn(thread::park);
    });
    assert_eq!((pool.len(), pool.free_count()), (0, 3));
    assert_eq!(pool.apply(|| 1).unwrap(), 1);
}

// 1.3 `Pool`: spawn blocks when full; free_count, full, wait_available.
#[test]
fn spawn_waits_when_the_pool_is_full() {
    run(|| {
        let pool = Pool::new(2);
        let handles = [(); 2].map(|()| pool.spawn(thread::park));
        assert!(pool.is_full());
        assert_eq!(pool.free_count(), 0);
        let result = timeout(5 * MS, || pool.spawn(|| ()));
        assert!(result.is_err(), "an outer timeout passes through");
        assert_eq!((pool.len(), pool.free_count()), (2, 0));
        handles[0].thread().unpark();
        let third = pool.spawn(|| 3);
        assert!(handles[0].is_finished());
        assert_eq!(third.join().unwrap(), 3);
        pool.kill();
        assert_eq!(pool.free_count(), 2);
    });
}

// 1.3 `Pool.add`: `PoolFull` when it may not block, or no longer.
#[test]
fn try_spawn_and_spawn_timeout_give_the_closure_back() {
    everywhere(|| {
        let pool = Pool::new(1);
        let parked = pool.spawn(thread::park);
        let Err(Full(f)) = pool.try_spawn(|| 7) else {
            panic!("it is full")
        };
        let Err(Full(f)) = pool.spawn_timeout(f, 2 * MS) else {
            panic!("it is full")
        };
        parked.thread().unpark();
        let handle = pool.spawn_timeout(f, Duration::from_secs(60)).unwrap();
        assert_eq!(handle.join().unwrap(), 7);
        pool.join();
        assert!(pool.try_spawn(|| ()).is_ok());
    });
}

// 1.3 `Group`, `Pool`: `wait_available`, `full`.
#[test]
fn wait_available_waits_for_room() {
    everywhere(|| {
        let pool = Arc::new(Pool::new(1));
        assert_eq!(pool.wait_available(None), 1);
        let member = pool.spawn(thread::park);
        assert_eq!(pool.wait_available(Some(MS)), 0);
        let ours = pool.clone();
        let watcher = spawn(move || ours.wait_available(None));
        member.thread().unpark();
        assert_eq!(watcher.join().unwrap(), 1);
    });
}

#[test]
fn those_that_wait_for_room_are_served_in_order() {
    run(|| {
        let pool = Arc::new(Pool::new(1));
        let first = pool.spawn(thread::park);
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let spawners: Vec<_> = (0..5)
            .map(|n| {
                let (pool, order) = (pool.clone(), order.clone());
                spawn(move || drop(pool.spawn(move || order.lock().unwrap().push(n))))
            })
            .collect();
        yield_now();
        first.thread().unpark();
        greenloop::joinall(spawners);
        pool.join();
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_killed_spawner_passes_its_room_on() {
    run(|| {
        let pool = Arc::new(Pool::new(1));
        let first = pool.spawn(thread::park);
        let spawners = [(); 2].map(|()| {
            let pool = pool.clone();
            spawn(move || pool.spawn(|| 5).join().unwrap())
        });
        yield_now();
        first.thread().unpark();
        first.join().unwrap();
        // The first spawner has been handed the room, and has not run yet.
        spawners[0].kill_nowait();
        let [killed, next] = spawners;
        assert_eq!(next.join().unwrap(), 5);
        let _ = killed.join();
        pool.join();
        assert_eq!(pool.free_count(), 1);
    });
}

// 1.3 `Pool`: gevent's 0 would never run anything.
#[test]
#[should_panic(expected = "a pool of size 0")]
fn a_pool_of_size_zero_is_refused() {
    Pool::new(0);
}

#[test]
fn a_pool_is_shared_by_everybody() {
    within(LONG, || {
        let (pool, gauge) = (Arc::new(Pool::new(3)), Gauge::default());
        let users = 6;
        let sums: Vec<_> = (0..users)
            .map(|user| {
                let (pool, gauge) = (pool.clone(), gauge.clone());
                let body = move || {
                    let jobs = pool.map(0..40, move |n| {
                        gauge.pass();
                        n
                    });
                    jobs.into_iter().map(Result::unwrap).sum::<i32>()
                };
                std::thread::spawn(move || match user % 3 {
                    0 => run(body),
                    1 => spawn(body).join().unwrap(),
                    _ => body(),
                })
            })
            .collect();
        for sum in sums {
            assert_eq!(sum.join().unwrap(), 39 * 40 / 2);
        }
        assert!(gauge.most() <= 3);
        pool.join();
        assert_eq!((pool.len(), pool.free_count()), (0, 3));
    });
}

#[test]
fn killers_and_spawners_leave_every_count_exact() {
    within(LONG, || {
        let pool = Arc::new(Pool::new(4));
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                spawn(move || {
                    for n in 0..500_u64 {
                        let member = pool.spawn(move || {
                            if n % 3 == 0 {
                                thread::park();
                            }
                            yield_now();
                        });
                        match n % 3 {
                            0 => member.kill_nowait(),
                            1 => drop(member),
                            _ => drop(member.join()),
                        }
                        let _ = timeout(Duration::from_micros(n), || pool.spawn(yield_now));
                    }
                })
            })
            .collect();
        let killer = {
            let pool = pool.clone();
            spawn_blocking(move || {
                for _ in 0..100 {
                    pool.kill_timeout(MS);
                }
            })
        };
        let results = greenloop::joinall(spawners);
        assert!(results.iter().all(Result::is_ok));
        killer.join().unwrap();
        pool.kill();
        assert_eq!((pool.len(), pool.free_count()), (0, 4));
    });
}

// A kill through the pool has neither the handle nor the place in the queue: the slot was free, and
// somebody else's, while it still ended the member.
#[test]
fn a_kill_may_race_the_last_handle_of_an_unstarted_member() {
    within(LONG, || {
        let (group, done) = (Arc::new(Group::new()), Arc::new(AtomicUsize::new(0)));
        let (theirs, end) = (group.clone(), done.clone());
        let killer = std::thread::spawn(move || {
            while end.load(Ordering::SeqCst) == 0 {
                theirs.kill_timeout(Duration::ZERO);
            }
        });
        for n in 0..5_000 {
            drop(group.spawn(|| ()));
            assert_eq!(spawn(move || n).join().unwrap(), n);
        }
        done.store(1, Ordering::SeqCst);
        killer.join().unwrap();
        group.join();
    });
}

#[test]
fn a_thread_pool_runs_only_so_many_at_once() {
    everywhere(|| {
        for size in [1, 2, 3] {
            let gauge = Gauge::default();
            let theirs = gauge.clone();
            let pool = ThreadPool::new(size);
            let results = pool.map(0..12, move |n| {
                theirs.pass();
                n
            });
            let results: Vec<i32> = results.into_iter().map(Result::unwrap).collect();
            assert_eq!(results, (0..12).collect::<Vec<_>>());
            assert!(gauge.most() <= size);
            let (sender, receiver) = std::sync::mpsc::channel();
            drop(pool.spawn(move || receiver.recv().unwrap()));
            assert!(!pool.join_timeout(Duration::ZERO));
            sender.send(()).unwrap();
            pool.join();
            assert!(pool.is_empty());
            let failed = pool.spawn(|| -> () { resume_unwind(Box::new(1)) });
            assert!(failed.join().is_err());
            pool.join();
        }
    });
}

#[test]
fn members_can_be_awaited() {
    let pool = Pool::new(1);
    let member = pool.spawn(|| 5);
    assert_eq!(block_on(member).unwrap(), 5);
}
