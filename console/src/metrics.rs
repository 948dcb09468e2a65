//! What the workers have done, in numbers.

use greenloop_runtime::inspect::{self, Latencies, WorkerMetrics};
use serde_json::{Value, json};

use crate::answer::Answer;

pub(crate) fn answer() -> Answer {
    let metrics = inspect::metrics();
    let workers = metrics.workers.iter().map(worker);
    Answer::json(&json!({
        "workers": workers.collect::<Vec<_>>(),
        "total": numbers(&metrics.total()),
        "live": metrics.live,
        "full": metrics.full,
        "stacks_hot": metrics.stacks_hot,
        "stacks_cold": metrics.stacks_cold,
        "blocking_threads": metrics.blocking_threads,
        "blocking_idle": metrics.blocking_idle,
        "blocking_queued": metrics.blocking_queued,
        "offences": metrics.offences,
    }))
}

fn worker(it: &WorkerMetrics) -> Value {
    let mut value = numbers(it);
    value["index"] = json!(it.index);
    value["hub"] = json!(it.is_hub);
    value
}

fn numbers(it: &WorkerMetrics) -> Value {
    json!({
        "switches": it.switches,
        "started": it.started,
        "steals": it.steals,
        "woken": it.woken,
        "polls": it.polls,
        "live": it.live,
        "queued": it.queued,
        "unstarted": it.unstarted,
        "timers": it.timers,
        "busy": it.busy.as_secs_f64(),
        "idle": it.idle.as_secs_f64(),
        "latency": latency(&it.latency),
    })
}

fn latency(it: &Latencies) -> Value {
    let part = |part| it.quantile(part).map(|it| it.as_secs_f64());
    let buckets = it.buckets();
    let buckets = buckets.map(|(bound, count)| json!([bound.map(|it| it.as_secs_f64()), count]));
    json!({
        "count": it.count(),
        "sum": it.sum().as_secs_f64(),
        "p50": part(0.5),
        "p99": part(0.99),
        "buckets": buckets.collect::<Vec<_>>(),
    })
}

/// Writes what Prometheus reads.
pub(crate) type Prometheus = fn() -> String;

#[cfg(feature = "metrics")]
pub(crate) const PROMETHEUS: Option<Prometheus> = Some(|| inspect::metrics().to_prometheus());

#[cfg(not(feature = "metrics"))]
pub(crate) const PROMETHEUS: Option<Prometheus> = None;
