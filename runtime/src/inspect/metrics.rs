//! `Metrics`: what workers, stacks and the blocking pool have done and have, in numbers.

use super::monitor;
use crate::blocking;
use crate::clock;
use crate::header::{self, Kind};
use crate::latency::BUCKETS;
use crate::remote::{self, Remote, Role};
use crate::stack;
use crate::word::{PARKED, RUNNING};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Numbers of the runtime, as of about one moment; those of a worker may be some switches old.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Each worker, and each hub that there is or was.
    pub workers: Vec<WorkerMetrics>,
    /// Green threads that have started and not ended.
    pub live: usize,
    /// Of those, [full](super::Kind::Full) ones.
    pub full: usize,
    /// Free stacks that still have their memory, or were never used and set aside by a worker.
    pub stacks_hot: usize,
    /// Free stacks whose memory was given back.
    pub stacks_cold: usize,
    /// OS threads of the blocking pool.
    pub blocking_threads: usize,
    /// Of those, such that have nothing to do.
    pub blocking_idle: usize,
    /// Jobs that wait for a thread of the blocking pool.
    pub blocking_queued: usize,
    /// [Offences](super::offences) that the monitor has seen.
    pub offences: u64,
}

/// Numbers of one worker or hub; counts and times are those of all hubs that had its index.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Its [index](super::Worker::index).
    pub index: usize,
    /// Is it the hub of a [`run`](crate::run), or was it the last time?
    pub is_hub: bool,
    /// Switches to green threads.
    pub switches: u64,
    /// Spawned green threads that have started here; `unstarted` ones have yet to.
    pub started: u64,
    /// How often it has found unstarted ones at another worker.
    pub steals: u64,
    /// Wake-ups of its green threads by other threads.
    pub woken: u64,
    /// How often it has looked at its descriptors.
    pub polls: u64,
    /// Green threads that have started here and not ended.
    pub live: usize,
    /// Green threads that wait for their turn.
    pub queued: usize,
    /// Closures that wait here, and that any worker may start.
    pub unstarted: usize,
    /// Timers: sleeps and other waits with a deadline.
    pub timers: usize,
    /// The time in which it had something to do, or looked for it.
    pub busy: Duration,
    /// The time in which it slept.
    pub idle: Duration,
    /// How long green threads that could run waited for their turn.
    pub latency: Latencies,
}

/// A histogram of times, of a sample in about a thousand switches.
///
/// Each says how long one would have waited that had become ready just then. That a sleeping worker
/// has to wake up first is not in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Latencies {
    counts: [u64; BUCKETS],
    sum: u64,
}

impl Latencies {
    /// The upper bound of each bucket, none for the last, and how many samples lie in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        let bound = |index| (index < BUCKETS - 1).then(|| Duration::from_micros(1_u64 << index));
        (self.counts.iter().enumerate()).map(move |(index, count)| (bound(index), *count))
    }

    /// How many samples there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all samples.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The upper bound of the bucket in which the sample lies that is greater than this part of
    /// them; none without samples, and if that is the last bucket.
    ///
    /// # Panics
    ///
    /// If `part` is not between 0 and 1.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        assert!((0.0..=1.0).contains(&part), "{part} is no part of 1");
        let rank = (self.count() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        let mut buckets = self.buckets();
        buckets.find_map(|(bound, count)| {
            seen += count;
            (seen >= rank).then_some(bound)
        })?
    }

    /// Adds the samples of another one.
    pub fn add(&mut self, other: &Latencies) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

/// Takes the numbers. Callable from every thread; never waits, and asks no worker.
///
/// # Examples
///
/// ```
/// use greenloop::inspect;
///
/// greenloop::joinall((0..10).map(|_| greenloop::spawn(|| ())));
/// let all = inspect::metrics().total();
/// assert!(all.started >= 10 && all.switches >= 10);
/// ```
pub fn metrics() -> Metrics {
    let now = clock::now();
    let mut metrics = Metrics::default();
    remote::for_each(|it| metrics.workers.push(worker(it, now)));
    metrics.live = metrics.workers.iter().map(|it| it.live).sum();
    let stacks = stack::usage();
    metrics.stacks_cold = stacks.cold;
    // What is neither in use nor in a depot is kept by a worker, with its memory.
    metrics.stacks_hot = stacks.used.saturating_sub(stacks.cold + metrics.live);
    let (threads, idle, queued) = blocking::count();
    metrics.blocking_threads = threads;
    metrics.blocking_idle = idle;
    metrics.blocking_queued = queued;
    metrics.offences = monitor::offences();
    header::for_each_slot(|it| {
        let lives = matches!(it.word.load().state(), RUNNING | PARKED);
        metrics.full += usize::from(lives && it.kind() == Kind::Full);
    });
    metrics
}

fn worker(remote: &Remote, now: u64) -> WorkerMetrics {
    let counts = &remote.counts;
    let count = |it: &std::sync::atomic::AtomicU64| it.load(Ordering::Relaxed);
    let (busy, idle) = counts.times(now);
    let (samples, sum) = remote.latency.read();
    WorkerMetrics {
        index: remote.index,
        is_hub: counts.role() != Role::Worker,
        switches: count(&counts.switches),
        started: count(&counts.started),
        steals: count(&counts.steals),
        woken: count(&counts.woken),
        polls: count(&counts.polls),
        live: counts.live.load(Ordering::Relaxed),
        queued: counts.queued.load(Ordering::Relaxed),
        unstarted: remote.injector.len() + remote.stealer.len(),
        timers: counts.timers.load(Ordering::Relaxed),
        busy: Duration::from_nanos(busy),
        idle: Duration::from_nanos(idle),
        latency: Latencies {
            counts: samples,
            sum,
        },
    }
}

impl Metrics {
    /// The sums over all workers and hubs; the index and kind mean nothing then.
    pub fn total(&self) -> WorkerMetrics {
        let mut all = WorkerMetrics::default();
        for it in &self.workers {
            all.switches += it.switches;
            all.started += it.started;
            all.steals += it.steals;
            all.woken += it.woken;
            all.polls += it.polls;
            all.live += it.live;
            all.queued += it.queued;
            all.unstarted += it.unstarted;
            all.timers += it.timers;
            all.busy += it.busy;
            all.idle += it.idle;
            all.latency.add(&it.latency);
        }
        all
    }
}
