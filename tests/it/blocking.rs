//! `spawn_blocking`: a bounded pool of OS threads, beside which the workers go on.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use greenloop::{
    Killed, Runtime, joinall, run, sleep, spawn, spawn_blocking, spawn_local, thread, yield_now,
};

use crate::child::{Child, this_test};
use crate::counted::Drops;
use crate::within::{LONG, until, within};

/// How many threads of the pool this process has.
fn pool_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    // The kernel keeps fifteen bytes of a name.
    names
        .filter(|name| name.trim() == "greenloop-block")
        .count()
}

#[test]
fn results_come_back_from_everywhere() {
    assert_eq!(spawn_blocking(|| 1).join().unwrap(), 1);
    assert_eq!(
        spawn(|| spawn_blocking(|| 2).join().unwrap())
            .join()
            .unwrap(),
        2
    );
    assert_eq!(run(|| spawn_blocking(|| 3).join().unwrap()), 3);
    let nested = spawn_blocking(|| spawn_blocking(|| 4).join().unwrap());
    assert_eq!(nested.join().unwrap(), 4);
    let results = joinall((0..500).map(|n| spawn_blocking(move || n)));
    assert!(results.into_iter().map(Result::unwrap).eq(0..500));
}

#[test]
fn panics_reach_join_and_harm_no_thread_of_the_pool() {
    let results = joinall((0..100).map(|n| {
        spawn_blocking(move || {
            if n % 2 == 0 {
                std::panic::resume_unwind(Box::new(n));
            }
            n
        })
    }));
    for (n, result) in (0..100).zip(results) {
        match result {
            Ok(value) => assert!(value == n && n % 2 == 1),
            Err(payload) => assert_eq!(payload.downcast_ref(), Some(&n)),
        }
    }
    assert_eq!(spawn_blocking(|| 1).join().unwrap(), 1);
}

#[test]
fn a_job_is_no_green_thread_and_its_waits_block_the_pool_s_thread() {
    let job = spawn_blocking(|| {
        assert_eq!(std::thread::current().name(), Some("greenloop-blocking"));
        let (start, delay) = (Instant::now(), Duration::from_millis(5));
        sleep(delay);
        yield_now();
        assert!(start.elapsed() >= delay);
        thread::current().unpark();
        thread::park();
        assert!(std::panic::catch_unwind(|| spawn_local(|| ()).join()).is_err());
        spawn(|| 5).join().unwrap()
    });
    assert_eq!(job.join().unwrap(), 5);
}

#[test]
fn results_and_closures_are_dropped_exactly_once() {
    let drops = Drops::new();
    for n in 0..1000 {
        let (closure, result) = (drops.counted(), drops.counted());
        let job = spawn_blocking(move || {
            drop(closure);
            result
        });
        if n % 2 == 0 {
            drop(job.join());
        }
    }
    until("all are dropped", || drops.count() >= 2000);
    joinall((0..100).map(|_| spawn_blocking(|| ())));
    assert_eq!(drops.count(), 2000);
}

#[test]
fn blocked_jobs_hold_up_no_worker() {
    const JOBS: usize = 64;
    within(LONG, || {
        let meeting = Arc::new(Barrier::new(JOBS + 1));
        let jobs: Vec<_> = (0..JOBS)
            .map(|_| {
                let meeting = meeting.clone();
                spawn(move || spawn_blocking(move || meeting.wait()).join().map(drop))
            })
            .collect();
        // None of them can end yet, and green threads come and go.
        let others = joinall((0..1000).map(|_| {
            spawn(|| {
                yield_now();
                sleep(Duration::from_micros(100));
            })
        }));
        assert!(others.iter().all(Result::is_ok));
        assert!(!jobs.iter().any(thread::JoinHandle::is_finished));
        meeting.wait();
        assert!(joinall(jobs).into_iter().all(|job| job.unwrap().is_ok()));
    });
}

#[test]
fn a_job_holds_up_no_sibling_of_its_joiner() {
    within(LONG, || {
        run(|| {
            let (sender, receiver) = mpsc::channel();
            let job = spawn_blocking(move || receiver.recv().unwrap());
            let sibling = spawn(move || sender.send(9).unwrap());
            assert_eq!(job.join().unwrap(), 9);
            sibling.join().unwrap();
        });
    });
}

#[test]
fn the_pool_is_bounded() {
    Child::new(this_test!()).passes(|| {
        let builder = Runtime::builder().blocking_threads(3);
        builder.start().unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..60).map(|n| {
            let (now, most) = (now.clone(), most.clone());
            spawn_blocking(move || {
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(2));
                now.fetch_sub(1, Ordering::SeqCst);
                n
            })
        });
        let results = joinall(jobs);
        assert!(results.into_iter().map(Result::unwrap).eq(0..60));
        assert_eq!(most.load(Ordering::SeqCst), 3);
        assert_eq!(pool_threads(), 3);
    });
}

#[test]
fn jobs_wait_their_turn_in_order() {
    Child::new(this_test!()).passes(|| {
        Runtime::builder().blocking_threads(1).start().unwrap();
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        joinall((0..100).map(|n| {
            let order = order.clone();
            spawn_blocking(move || order.lock().unwrap().push(n))
        }));
        assert!(order.lock().unwrap().iter().copied().eq(0..100));
    });
}

#[test]
fn idle_threads_of_the_pool_end_and_new_ones_come() {
    Child::new(this_test!()).passes(|| {
        let meeting = Arc::new(Barrier::new(10));
        let jobs = (0..10).map(|_| {
            let meeting = meeting.clone();
            spawn_blocking(move || meeting.wait())
        });
        assert!(joinall(jobs).iter().all(Result::is_ok));
        assert!(pool_threads() >= 10);
        let start = Instant::now();
        until("the pool is empty", || {
            std::thread::sleep(Duration::from_millis(20));
            pool_threads() == 0
        });
        assert!(start.elapsed() < Duration::from_secs(20));
        assert_eq!(spawn_blocking(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn idle_threads_of_the_pool_are_used_again() {
    Child::new(this_test!()).passes(|| {
        for _ in 0..1000 {
            spawn_blocking(|| ()).join().unwrap();
        }
        // A thread that has just answered may not be idle yet when the next job comes.
        assert!(pool_threads() <= 100, "{} threads", pool_threads());
    });
}

#[test]
fn a_hub_that_ends_leaves_its_job_running() {
    within(LONG, || {
        let (sender, receiver) = mpsc::channel();
        let drops = Drops::new();
        let counted = drops.counted();
        let joiner = run(|| {
            let job = spawn_blocking(move || {
                let _counted = counted;
                receiver.recv().unwrap()
            });
            let joiner = spawn(move || job.join().unwrap());
            yield_now();
            joiner
        });
        assert!(joiner.join().unwrap_err().is::<Killed>());
        assert_eq!(drops.count(), 0, "the job still runs");
        sender.send(()).unwrap();
        until("the job ends", || drops.count() == 1);
    });
}
