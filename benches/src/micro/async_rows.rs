//! The rows as tokio's tasks.

use super::{Outcome, Row, SLEEPERS, SPAWN_ROUNDS, SPAWNS, Setting, YIELDS};
use super::{async_fairness, async_growth, async_toolkit};
use crate::Runtime;
use crate::report::{self, Memory, Meter, Report, add_overshoot};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, spawn, yield_now};
use tokio::time::sleep;

pub(super) fn run(name: &'static str, row: Row, setting: Setting) -> Outcome {
    let mut builder = match setting.runtime {
        Runtime::TokioCt => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if let Some(workers) = setting.workers {
        builder.worker_threads(workers);
    }
    let runtime = builder
        .enable_time()
        .enable_io()
        .build()
        .map_err(|error| error.to_string())?;
    // A task of its own, so that it runs on a worker.
    let driver = runtime.block_on(async move { spawn(drive(name, row)).await });
    driver.map_err(|error| error.to_string())
}

async fn drive(name: &str, row: Row) -> Option<Report> {
    let meter = Meter::start();
    let ops = match row {
        Row::SpawnSeq => spawn_one_by_one().await,
        Row::SpawnBatches(size) => spawn_batches(SPAWN_ROUNDS, size).await,
        Row::SpawnJoin(count) => spawn_join(count).await,
        Row::Yield(count) => yields(count).await,
        Row::Sleep => return Some(sleepers(name).await),
        Row::Park(count) => return Some(park(name, count).await),
        Row::Grow(growth, count) => return Some(async_growth::run(name, growth, count).await),
        Row::Fair(fairness) => return async_fairness::run(name, fairness).await,
        Row::Tool(tool) => async_toolkit::run(tool).await,
        Row::Switch => return None,
    };
    Some(report::report(name, ops, meter.stop()))
}

pub(super) async fn join<T>(handle: JoinHandle<T>) -> T {
    handle.await.expect("nothing here panics")
}

async fn spawn_one_by_one() -> usize {
    for n in 0..SPAWNS {
        join(spawn(async move { black_box(n) })).await;
    }
    SPAWNS
}

pub(super) async fn spawn_batches(rounds: usize, size: usize) -> usize {
    for _ in 0..rounds {
        spawn_join(size).await;
    }
    rounds * size
}

async fn spawn_join(count: usize) -> usize {
    let spawn = |n| spawn(async move { black_box(n) });
    let handles: Vec<_> = (0..count).map(spawn).collect();
    for handle in handles {
        join(handle).await;
    }
    count
}

async fn yields(count: usize) -> usize {
    let each = YIELDS / count;
    let task = move || async move {
        for _ in 0..each {
            yield_now().await;
        }
    };
    let handles: Vec<_> = (0..count).map(|_| spawn(task())).collect();
    for handle in handles {
        join(handle).await;
    }
    count * each
}

async fn sleepers(name: &str) -> Report {
    let mut random = fastrand::Rng::with_seed(42);
    let meter = Meter::start();
    let task = |time| async move {
        let start = Instant::now();
        sleep(time).await;
        start.elapsed().saturating_sub(time).as_micros() as u64
    };
    let times = (0..SLEEPERS).map(|_| Duration::from_millis(random.u64(1..=1000)));
    let handles: Vec<_> = times.map(|time| spawn(task(time))).collect();
    let mut late = Vec::with_capacity(SLEEPERS);
    for handle in handles {
        late.push(join(handle).await);
    }
    let took = meter.stop();
    let mut report = report::report(name, SLEEPERS, took);
    add_overshoot(&mut report, late, took);
    report
}

async fn park(name: &str, count: usize) -> Report {
    let before = Memory::now();
    let shared = Arc::new((Notify::new(), AtomicUsize::new(0)));
    let meter = Meter::start();
    let task = |shared: Arc<(Notify, AtomicUsize)>| async move {
        let opened = shared.0.notified();
        shared.1.fetch_add(1, Ordering::Relaxed);
        opened.await;
    };
    let handles: Vec<_> = (0..count).map(|_| spawn(task(shared.clone()))).collect();
    while shared.1.load(Ordering::Relaxed) < count {
        yield_now().await;
    }
    let mut report = report::report(name, count, meter.stop());
    sleep(Duration::from_millis(100)).await;
    before.add_growth(&mut report, count);
    let meter = Meter::start();
    shared.0.notify_waiters();
    for handle in handles {
        join(handle).await;
    }
    let each = meter.stop().wall as f64 / count as f64;
    report::add(&mut report, "wake_join_ns_per_task", each);
    report
}
