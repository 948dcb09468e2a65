//! The rows, written once for all that is called like a thread: spawned, joined, parked.

use super::fairness::{self, Sockets};
use super::growth;
use super::toolkit::{self, Toolkit};
use super::{Outcome, Row, SLEEPERS, SPAWN_ROUNDS, SPAWNS, Setting, YIELDS};
use crate::report::{self, Memory, Meter, Report, add_overshoot};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A kind of threads.
pub(super) trait Threads: Toolkit + Sockets + Sized + 'static {
    type Handle<T: Send + 'static>;

    /// By how much the rows are shorter, for threads that are slow.
    const WEIGHT: usize = 1;

    /// Runs `driver` where a program of this kind would: on one of its own threads.
    fn drive(
        setting: Setting,
        driver: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Result<Outcome, String>;

    fn spawn<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self::Handle<T>, String>;
    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T;
    fn yield_now();
    fn sleep(time: Duration);
    fn park();
    fn unpark<T: Send + 'static>(handle: &Self::Handle<T>);

    /// Lets those that have just been spawned run.
    fn pause() {
        Self::yield_now();
    }

    /// Runs a row.
    fn run(name: &'static str, row: Row, setting: Setting) -> Outcome {
        Self::drive(setting, move || run::<Self>(name, row))?
    }
}

fn run<K: Threads>(name: &str, row: Row) -> Outcome {
    let meter = Meter::start();
    let ops = match row {
        Row::SpawnSeq => spawn_one_by_one::<K>(SPAWNS / K::WEIGHT)?,
        Row::SpawnBatches(size) => spawn_batches::<K>(SPAWN_ROUNDS / K::WEIGHT, size)?,
        Row::SpawnJoin(count) => spawn_join::<K>(count)?,
        Row::Yield(count) => yields::<K>(count, YIELDS / K::WEIGHT / count)?,
        Row::Sleep => return sleepers::<K>(name, SLEEPERS / K::WEIGHT).map(Some),
        Row::Park(count) => return park::<K>(name, count).map(Some),
        Row::Grow(growth, count) => return growth::run::<K>(name, growth, count),
        Row::Fair(fairness) => return fairness::run::<K>(name, fairness),
        Row::Tool(tool) => match toolkit::run::<K>(tool)? {
            Some(ops) => ops,
            None => return Ok(None),
        },
        Row::Switch => return Ok(None),
    };
    Ok(Some(report::report(name, ops, meter.stop())))
}

fn spawn_one_by_one<K: Threads>(count: usize) -> Result<usize, String> {
    for n in 0..count {
        K::join(K::spawn(move || black_box(n))?);
    }
    Ok(count)
}

pub(super) fn spawn_batches<K: Threads>(rounds: usize, size: usize) -> Result<usize, String> {
    for _ in 0..rounds {
        spawn_join::<K>(size)?;
    }
    Ok(rounds * size)
}

fn spawn_join<K: Threads>(count: usize) -> Result<usize, String> {
    let spawn = |n| K::spawn(move || black_box(n));
    let handles: Vec<_> = (0..count).map(spawn).collect::<Result<_, _>>()?;
    handles.into_iter().for_each(|handle| {
        K::join(handle);
    });
    Ok(count)
}

/// `count` that yield to each other, `each` times; spawning them is included.
fn yields<K: Threads>(count: usize, each: usize) -> Result<usize, String> {
    let spawn = |_| K::spawn(move || (0..each).for_each(|_| K::yield_now()));
    let handles: Vec<_> = (0..count).map(spawn).collect::<Result<_, _>>()?;
    handles.into_iter().for_each(K::join);
    Ok(count * each)
}

fn sleepers<K: Threads>(name: &str, count: usize) -> Result<Report, String> {
    let mut random = fastrand::Rng::with_seed(42);
    let meter = Meter::start();
    let spawn = |_| {
        let time = Duration::from_millis(random.u64(1..=1000));
        K::spawn(move || {
            let start = Instant::now();
            K::sleep(time);
            start.elapsed().saturating_sub(time).as_micros() as u64
        })
    };
    let handles: Vec<_> = (0..count).map(spawn).collect::<Result<_, _>>()?;
    let late = handles.into_iter().map(K::join).collect();
    let took = meter.stop();
    let mut report = report::report(name, count, took);
    add_overshoot(&mut report, late, took);
    Ok(report)
}

/// Where all wait until it is opened.
struct Gate {
    is_open: AtomicBool,
    waiting: AtomicUsize,
}

fn park<K: Threads>(name: &str, count: usize) -> Result<Report, String> {
    static GATE: Gate = Gate {
        is_open: AtomicBool::new(false),
        waiting: AtomicUsize::new(0),
    };
    let before = Memory::now();
    let meter = Meter::start();
    let spawn = |_| K::spawn(|| GATE.wait::<K>());
    let handles: Vec<_> = (0..count).map(spawn).collect::<Result<_, _>>()?;
    while GATE.waiting.load(Ordering::Relaxed) < count {
        K::pause();
    }
    let mut report = report::report(name, count, meter.stop());
    K::sleep(Duration::from_millis(100));
    before.add_growth(&mut report, count);
    let meter = Meter::start();
    GATE.is_open.store(true, Ordering::Release);
    handles.iter().for_each(K::unpark);
    handles.into_iter().for_each(K::join);
    let each = meter.stop().wall as f64 / count as f64;
    report::add(&mut report, "wake_join_ns_per_task", each);
    Ok(report)
}

impl Gate {
    fn wait<K: Threads>(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Acquire pairs with the Release of whoever opens it.
        while !self.is_open.load(Ordering::Acquire) {
            K::park();
        }
    }
}
