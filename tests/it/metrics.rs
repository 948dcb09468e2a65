//! Metrics: counts that the program knows are right, and their text.

use std::time::{Duration, Instant};

use greenloop::inspect::{self, Metrics, WorkerMetrics};
use greenloop::{joinall, run, sleep, spawn, spawn_blocking, thread, yield_now};

use crate::child::{Child, this_test};
use crate::within::until;

/// The one worker of the child.
fn worker() -> WorkerMetrics {
    inspect::metrics().workers.remove(0)
}

#[test]
fn they_count_what_was_done() {
    let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", 1);
    child.passes(|| {
        let yields = 10_000;
        let all = (0..100).map(|_| spawn(move || (0..yields / 100).for_each(|_| yield_now())));
        joinall(all);
        let parked: Vec<_> = (0..10).map(|_| spawn(thread::park)).collect();
        until("they are parked", || worker().live == 10);
        let before = worker();
        assert_eq!(before.started, 110);
        assert!(before.switches >= 110 + yields, "{before:?}");
        until("it sleeps, and has said so", || worker().idle > before.idle);
        parked.iter().for_each(|it| it.thread().unpark());
        joinall(parked);
        let after = worker();
        assert!(after.woken >= 10 && after.polls > 0, "{after:?}");
        assert!(after.busy > Duration::ZERO, "{after:?}");
        let samples = after.latency.count();
        assert!(
            samples > 0 && after.latency.quantile(1.0).is_some(),
            "{after:?}"
        );
        assert_eq!(after.latency.buckets().map(|it| it.1).sum::<u64>(), samples);
        until("none lives", || inspect::metrics().live == 0);
    });
}

#[test]
fn they_tell_levels() {
    let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", 1);
    child.passes(|| {
        let hour = Duration::from_secs(3600);
        let sleepers: Vec<_> = (0..20).map(|_| spawn(move || sleep(hour))).collect();
        until("all sleep", || worker().timers == 20);
        assert_eq!(
            (worker().live, worker().queued, worker().unstarted),
            (20, 0, 0)
        );
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let job = spawn_blocking(move || ended.recv().is_err());
        until("the job runs", || {
            let all = inspect::metrics();
            all.blocking_threads == 1 && all.blocking_idle == 0
        });
        drop(end);
        job.join().unwrap();
        until("its thread is idle", || {
            inspect::metrics().blocking_idle == 1
        });
        sleepers.iter().for_each(|it| it.kill());
        until("stacks are free", || {
            let all = inspect::metrics();
            all.live == 0 && all.stacks_hot + all.stacks_cold >= 20
        });
    });
}

#[test]
fn a_long_queue_is_a_long_wait() {
    let child = Child::new(this_test!()).variable("GREENLOOP_WORKERS", 1);
    child.passes(|| {
        let start = Instant::now();
        let busy = move || {
            while start.elapsed() < Duration::from_secs(2) {
                let now = Instant::now();
                while now.elapsed() < Duration::from_micros(50) {
                    std::hint::spin_loop();
                }
                yield_now();
            }
        };
        joinall((0..40).map(|_| spawn(busy)));
        let latency = worker().latency;
        let most = latency.quantile(1.0).unwrap();
        assert!(most >= Duration::from_millis(1), "{latency:?}");
        assert!(latency.sum() >= Duration::from_millis(1));
    });
}

#[test]
fn hubs_that_come_and_go_count_on() {
    Child::new(this_test!()).passes(|| {
        let hubs = |metrics: Metrics| {
            let those = metrics.workers.into_iter().filter(|it| it.is_hub);
            those.map(|it| (it.started, it.switches)).max().unwrap()
        };
        let mut before = (0, 0);
        for _ in 0..3 {
            run(|| joinall((0..10).map(|_| spawn(|| ()))));
            let now = hubs(inspect::metrics());
            assert!(
                now.0 >= before.0 + 11 && now.1 >= before.1 + 11,
                "{before:?} {now:?}"
            );
            before = now;
        }
    });
}

#[cfg(feature = "metrics")]
#[test]
fn prometheus_reads_them() {
    spawn(|| ()).join().unwrap();
    let text = inspect::metrics().to_prometheus();
    for line in [
        "# TYPE greenloop_switches counter",
        "# TYPE greenloop_queued gauge",
        "# TYPE greenloop_latency_seconds histogram",
        "# EOF",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    let value = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap();
    let started = text
        .lines()
        .filter(|it| it.starts_with("greenloop_started_total{worker="));
    assert!(started.map(value).sum::<f64>() >= 1.0, "{text}");
    assert!(
        text.contains("greenloop_latency_seconds_bucket{le=\"+Inf\",worker=\"0\"}"),
        "{text}"
    );
}
