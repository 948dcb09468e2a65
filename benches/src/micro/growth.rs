//! How cost grows: spawn, yield, timer and wake-up with few and with very many at once.

use super::rows::{Threads, spawn_batches};
use super::toolkit::Channel;
use super::{Growth, Outcome};
use crate::report::{self, Meter, Report, Took};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(super) fn run<K: Threads>(name: &str, growth: Growth, count: usize) -> Outcome {
    let rounds = growth.rounds(count);
    Ok(Some(match growth {
        Growth::Spawn => {
            let meter = Meter::start();
            let ops = spawn_batches::<K>(rounds, count)?;
            report::report(name, ops, meter.stop())
        }
        Growth::Yield => together::<K>(name, count, rounds, |_| K::yield_now())?,
        Growth::Timer => {
            let longest = longest_sleep(count);
            together::<K>(name, count, rounds, move |random| {
                K::sleep(random_part(random, longest));
            })?
        }
        Growth::Wake => wake::<K>(name, count, rounds)?,
    }))
}

impl Growth {
    /// How often each of `count` does it: so often that it can be measured, and ends soon.
    pub(super) fn rounds(self, count: usize) -> usize {
        match self {
            Growth::Spawn | Growth::Wake => (200_000 / count).max(2),
            Growth::Yield => (1_000_000 / count).clamp(2, 20_000),
            Growth::Timer => (100_000 / count).clamp(2, 500),
        }
    }
}

/// So that timers are about equally dense, whatever their number.
pub(super) fn longest_sleep(count: usize) -> Duration {
    let dense = Duration::from_micros(10) * count as u32;
    dense.clamp(Duration::from_millis(1), Duration::from_secs(2))
}

pub(super) fn random_part(random: &mut fastrand::Rng, longest: Duration) -> Duration {
    Duration::from_nanos(random.u64(0..longest.as_nanos() as u64))
}

/// From when all of `count` run to when all are done.
pub(super) struct Span {
    pub(super) count: usize,
    started: AtomicUsize,
    ended: AtomicUsize,
    begin: Mutex<Option<Meter>>,
    took: Mutex<Option<Took>>,
}

impl Span {
    pub(super) fn new(count: usize) -> Arc<Span> {
        Arc::new(Span {
            count,
            started: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            begin: Mutex::new(None),
            took: Mutex::new(None),
        })
    }

    /// One more runs.
    pub(super) fn begin(&self) {
        if self.started.fetch_add(1, Ordering::Relaxed) + 1 == self.count {
            *self.begin.lock().expect("nothing here panics") = Some(Meter::start());
            self.started.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.started.load(Ordering::Relaxed) > self.count
    }

    /// One more is done.
    pub(super) fn end(&self) {
        if self.ended.fetch_add(1, Ordering::Relaxed) + 1 == self.count {
            let begin = self.begin.lock().expect("nothing here panics").take();
            let took = begin.map(Meter::stop);
            *self.took.lock().expect("nothing here panics") = took;
        }
    }

    pub(super) fn report(&self, name: &str, rounds: usize) -> Report {
        let took = self.took.lock().expect("nothing here panics").take();
        report::report(name, self.count * rounds, took.expect("all are done"))
    }
}

/// Each of `count` takes the step so many times; spawning them does not count.
fn together<K: Threads>(
    name: &str,
    count: usize,
    rounds: usize,
    step: impl Fn(&mut fastrand::Rng) + Copy + Send + 'static,
) -> Result<Report, String> {
    let span = Span::new(count);
    let spawn = |n| {
        let span = span.clone();
        K::spawn(move || {
            let mut random = fastrand::Rng::with_seed(n as u64);
            span.begin();
            while !span.has_begun() {
                K::pause();
            }
            (0..rounds).for_each(|_| step(&mut random));
            span.end();
        })
    };
    let handles: Vec<_> = (0..count).map(spawn).collect::<Result<_, _>>()?;
    handles.into_iter().for_each(K::join);
    Ok(span.report(name, rounds))
}

/// Those who wait, in which round, and how many have come in all rounds together.
struct Waiters {
    round: AtomicUsize,
    arrived: AtomicUsize,
}

/// All of `count` are parked and woken in each round.
fn wake<K: Threads>(name: &str, count: usize, rounds: usize) -> Result<Report, String> {
    let (all_here, here) = K::Channel::new(1);
    let waiters = Arc::new(Waiters {
        round: AtomicUsize::new(0),
        arrived: AtomicUsize::new(0),
    });
    let spawn = |_| {
        let (waiters, all_here) = (waiters.clone(), all_here.clone());
        K::spawn(move || {
            for round in 0..=rounds {
                while waiters.round.load(Ordering::Acquire) < round {
                    K::park();
                }
                let arrived = waiters.arrived.fetch_add(1, Ordering::Relaxed) + 1;
                if arrived == count * (round + 1) {
                    K::Channel::send(&all_here, round);
                }
            }
        })
    };
    let handles: Vec<_> = (0..count).map(spawn).collect::<Result<_, _>>()?;
    K::Channel::receive(&here);
    let meter = Meter::start();
    for _ in 0..rounds {
        // Release pairs with the Acquire of those woken.
        waiters.round.fetch_add(1, Ordering::Release);
        handles.iter().for_each(K::unpark);
        K::Channel::receive(&here);
    }
    let report = report::report(name, count * rounds, meter.stop());
    handles.into_iter().for_each(K::join);
    Ok(report)
}
