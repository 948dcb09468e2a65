//! Metrics as the text that Prometheus reads.

use super::metrics::{Latencies, Metrics, WorkerMetrics};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;

impl Metrics {
    /// The metrics in the text format of Prometheus and OpenMetrics: their names begin with
    /// `greenloop_`, those of a worker have the label `worker`, times are in seconds. Needs the
    /// feature `metrics`.
    ///
    /// # Examples
    ///
    /// ```
    /// greenloop::spawn(|| ()).join().unwrap();
    /// let text = greenloop::inspect::metrics().to_prometheus();
    /// assert!(text.contains("\ngreenloop_started_total{worker=\"0\"} "));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Snapshot(self.clone())));
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("a string takes all");
        out
    }
}

#[derive(Debug)]
struct Snapshot(Metrics);

type Count = fn(&WorkerMetrics) -> u64;
type Level = fn(&WorkerMetrics) -> usize;
type Time = fn(&WorkerMetrics) -> f64;

const COUNTS: [(&str, &str, Count); 5] = [
    ("switches", "Switches to green threads", |it| it.switches),
    ("started", "Green threads that have started", |it| {
        it.started
    }),
    ("steals", "Successful searches at other workers", |it| {
        it.steals
    }),
    ("woken", "Wake-ups by other threads", |it| it.woken),
    ("polls", "Looks at the descriptors", |it| it.polls),
];

const TIMES: [(&str, &str, Time); 2] = [
    ("busy_seconds", "Time at work", |it| it.busy.as_secs_f64()),
    ("idle_seconds", "Time asleep", |it| it.idle.as_secs_f64()),
];

const LEVELS: [(&str, &str, Level); 4] = [
    ("live", "Started green threads", |it| it.live),
    ("queued", "Green threads that could run", |it| it.queued),
    ("unstarted", "Closures that any worker may start", |it| {
        it.unstarted
    }),
    ("timers", "Waits with a deadline", |it| it.timers),
];

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, count) in COUNTS {
            self.each_worker(
                &mut encoder,
                name,
                help,
                MetricType::Counter,
                |it, mut to| to.encode_counter::<NoLabelSet, _, u64>(&count(it), None),
            )?;
        }
        for (name, help, time) in TIMES {
            self.each_worker(
                &mut encoder,
                name,
                help,
                MetricType::Counter,
                |it, mut to| to.encode_counter::<NoLabelSet, _, u64>(&time(it), None),
            )?;
        }
        for (name, help, level) in LEVELS {
            self.each_worker(&mut encoder, name, help, MetricType::Gauge, |it, mut to| {
                to.encode_gauge(&signed(level(it)))
            })?;
        }
        let help = "Time from being able to run to running, sampled";
        let name = "latency_seconds";
        self.each_worker(&mut encoder, name, help, MetricType::Histogram, |it, to| {
            histogram(&it.latency, to)
        })?;
        self.encode_process(&mut encoder)
    }
}

impl Snapshot {
    fn each_worker(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        kind: MetricType,
        write: impl Fn(&WorkerMetrics, MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let name = format!("greenloop_{name}");
        let mut metric = encoder.encode_descriptor(&name, help, None, kind)?;
        self.0.workers.iter().try_for_each(|it| {
            let labels = [("worker", it.index.to_string())];
            write(it, metric.encode_family(&labels)?)
        })
    }

    fn encode_process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let all = &self.0;
        let levels = [
            ("full", "Full green threads", all.full),
            ("stacks_hot", "Free stacks with memory", all.stacks_hot),
            ("stacks_cold", "Free stacks without memory", all.stacks_cold),
            (
                "blocking_threads",
                "Threads of the blocking pool",
                all.blocking_threads,
            ),
            ("blocking_idle", "Those that are idle", all.blocking_idle),
            (
                "blocking_queued",
                "Jobs that wait for one",
                all.blocking_queued,
            ),
        ];
        for (name, help, level) in levels {
            let name = format!("greenloop_{name}");
            let mut metric = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&signed(level))?;
        }
        let help = "Workers held for too long, as the monitor saw";
        let name = "greenloop_offences";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&all.offences, None)
    }
}

fn signed(level: usize) -> i64 {
    i64::try_from(level).unwrap_or(i64::MAX)
}

fn histogram(latency: &Latencies, mut to: MetricEncoder<'_>) -> fmt::Result {
    let bound =
        |bound: Option<std::time::Duration>| bound.map_or(f64::INFINITY, |it| it.as_secs_f64());
    let buckets: Vec<_> = latency.buckets().map(|it| (bound(it.0), it.1)).collect();
    to.encode_histogram::<NoLabelSet>(latency.sum().as_secs_f64(), latency.count(), &buckets, None)
}
