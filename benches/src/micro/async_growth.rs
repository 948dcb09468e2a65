//! The rows of growth as tokio's tasks.

use super::Growth;
use super::async_rows::{join, spawn_batches};
use super::growth::{Span, longest_sleep, random_part};
use crate::report::{self, Meter, Report};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::{spawn, yield_now};
use tokio::time::sleep;

pub(super) async fn run(name: &str, growth: Growth, count: usize) -> Report {
    let rounds = growth.rounds(count);
    match growth {
        Growth::Spawn => {
            let meter = Meter::start();
            let ops = spawn_batches(rounds, count).await;
            report::report(name, ops, meter.stop())
        }
        Growth::Yield => together(name, count, rounds, None).await,
        Growth::Timer => together(name, count, rounds, Some(longest_sleep(count))).await,
        Growth::Wake => wake(name, count, rounds).await,
    }
}

/// Each of `count` yields so many times, or sleeps; spawning them does not count.
async fn together(name: &str, count: usize, rounds: usize, longest: Option<Duration>) -> Report {
    let span = Span::new(count);
    let task = |n, span: Arc<Span>| async move {
        let mut random = fastrand::Rng::with_seed(n as u64);
        span.begin();
        while !span.has_begun() {
            yield_now().await;
        }
        for _ in 0..rounds {
            match longest {
                Some(longest) => sleep(random_part(&mut random, longest)).await,
                None => yield_now().await,
            }
        }
        span.end();
    };
    let handles: Vec<_> = (0..count).map(|n| spawn(task(n, span.clone()))).collect();
    for handle in handles {
        join(handle).await;
    }
    span.report(name, rounds)
}

/// All of `count` wait and are woken in each round.
async fn wake(name: &str, count: usize, rounds: usize) -> Report {
    let (all_here, mut here) = mpsc::channel(1);
    let arrived = Arc::new(AtomicUsize::new(0));
    let gates: Vec<_> = (0..count).map(|_| Arc::new(Notify::new())).collect();
    let wait = |gate: &Arc<Notify>| {
        let (gate, arrived, all_here) = (gate.clone(), arrived.clone(), all_here.clone());
        spawn(async move {
            for round in 1..=rounds {
                gate.notified().await;
                if arrived.fetch_add(1, Ordering::Relaxed) + 1 == count * round {
                    all_here.send(()).await.expect("somebody receives");
                }
            }
        })
    };
    let handles: Vec<_> = gates.iter().map(wait).collect();
    sleep(Duration::from_millis(50)).await;
    let meter = Meter::start();
    for _ in 0..rounds {
        gates.iter().for_each(|gate| gate.notify_one());
        here.recv().await;
    }
    let report = report::report(name, count * rounds, meter.stop());
    for handle in handles {
        join(handle).await;
    }
    report
}
