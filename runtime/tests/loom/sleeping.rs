//! Idle workers: nothing that could be stolen is left while one sleeps, and a lone one is watched
//! over.

use crate::explore;
use crate::pool::{Pool, Rest};
use loom::thread;
use std::sync::Arc;

/// Explores `pool` while `act` happens beside its workers; those below `first` are busy all the
/// time.
fn explore_pool(
    preemptions: usize,
    first: usize,
    pool: impl Fn() -> Pool + Send + Sync + 'static,
    act: impl Fn(&Pool) + Send + Sync + 'static,
) {
    explore(Some(preemptions), move || {
        let pool = Arc::new(pool());
        let workers: Vec<_> = (first..pool.workers())
            .map(|worker| {
                let pool = pool.clone();
                thread::spawn(move || pool.work(worker))
            })
            .collect();
        act(&pool);
        pool.computer.leave();
        let rests = workers.into_iter().map(|worker| worker.join().unwrap());
        let rests: Vec<Rest> = vec![Rest::Busy; first].into_iter().chain(rests).collect();
        pool.assert_well(&rests);
    });
}

/// Worker 0 hogs its OS thread, on which `act` runs, and `idle` others look for work.
fn hog_beside(
    idle: usize,
    hogs: bool,
    preemptions: usize,
    act: impl Fn(&Pool) + Send + Sync + 'static,
) {
    let pool = move || Pool::new(1 + idle, 1 + idle).hogging(hogs);
    explore_pool(preemptions, 1, pool, act);
}

#[test]
fn a_lone_spawn_is_watched_over() {
    hog_beside(1, false, 2, |pool| pool.spawn(0));
}

#[test]
fn of_two_spawns_an_idle_worker_takes_one() {
    hog_beside(1, false, 2, |pool| {
        pool.spawn(0);
        pool.spawn(0);
    });
}

#[test]
fn of_two_idle_workers_one_watches() {
    hog_beside(2, false, 1, |pool| pool.spawn(0));
}

#[test]
fn two_idle_workers_share_what_a_third_spawns() {
    hog_beside(2, true, 1, |pool| (0..2).for_each(|_| pool.spawn(0)));
}

#[test]
fn a_watcher_that_finds_work_hands_the_watch_on() {
    hog_beside(2, true, 1, |pool| {
        pool.unpark(1);
        pool.spawn(0);
    });
}

#[test]
fn what_is_injected_is_run_by_its_worker_or_another() {
    explore_pool(1, 0, || Pool::new(2, 3), |pool| pool.inject(0));
}

/// A green thread of the worker is woken before, and never comes back.
#[test]
fn what_is_injected_behind_a_hog_is_watched_over() {
    explore_pool(
        1,
        0,
        || Pool::new(2, 3).hogging(true),
        |pool| {
            pool.inject(0);
            pool.unpark(0);
        },
    );
}

#[test]
fn what_is_injected_into_a_busy_worker_is_watched_over() {
    hog_beside(1, false, 2, |pool| pool.inject(0));
}

#[test]
fn a_heap_of_injected_ones_is_shared() {
    hog_beside(1, true, 2, |pool| (0..2).for_each(|_| pool.inject(0)));
}

#[test]
fn what_is_injected_into_a_lone_worker_is_run() {
    explore_pool(3, 0, || Pool::new(1, 2), |pool| pool.inject(0));
}

/// The watcher sees all others asleep and gives up, while one of them is woken and spawns.
#[test]
fn a_watch_is_given_up_only_if_all_sleep() {
    let pool = || Pool::new(2, 3).spawning().ticking();
    explore_pool(2, 0, pool, |pool| pool.unpark(0));
}
