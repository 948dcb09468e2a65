//! The rows of fairness as tokio's tasks.

use super::Fairness;
use super::async_rows::join;
use super::fairness::{
    BURST, PINGS, SPINNERS, STUCK, UNSTARTED, add_delay, add_latencies, compute, ping,
};
use crate::report::{self, Meter, Report};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{spawn, yield_now};
use tokio::time::sleep;

/// None for what says nothing of tasks, which change their threads.
pub(super) async fn run(name: &str, fairness: Fairness) -> Option<Report> {
    match fairness {
        Fairness::Waiter { busy } => match waiter(name, busy).await {
            Ok(report) => Some(report),
            Err(error) => Some(report::failure(name, &error.to_string())),
        },
        Fairness::Balance => None,
        Fairness::Stuck => Some(stuck(name).await),
    }
}

async fn waiter(name: &str, busy: bool) -> io::Result<Report> {
    let address = serve().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let spinner = |stop: Arc<AtomicBool>| async move {
        while !stop.load(Ordering::Relaxed) {
            if busy {
                compute(BURST);
            }
            yield_now().await;
        }
    };
    let spinners: Vec<_> = (0..SPINNERS)
        .map(|_| spawn(spinner(stop.clone())))
        .collect();
    let meter = Meter::start();
    let pings = std::thread::spawn(move || ping(address));
    while !pings.is_finished() {
        sleep(Duration::from_millis(10)).await;
    }
    let took = meter.stop();
    stop.store(true, Ordering::Relaxed);
    for spinner in spinners {
        join(spinner).await;
    }
    let latencies = pings.join().expect("nothing there panics")?;
    let mut report = report::report(name, PINGS, took);
    add_latencies(&mut report, &latencies);
    Ok(report)
}

async fn serve() -> io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&byte).await?;
        }
        io::Result::Ok(())
    });
    Ok(address)
}

async fn stuck(name: &str) -> Report {
    let meter = Meter::start();
    let task = |spawned: Instant| async move { spawned.elapsed() };
    let unstarted: Vec<_> = (0..UNSTARTED)
        .map(|_| spawn(task(Instant::now())))
        .collect();
    compute(STUCK);
    let mut delays = Vec::with_capacity(UNSTARTED);
    for handle in unstarted {
        delays.push(join(handle).await);
    }
    let mut report = report::report(name, UNSTARTED, meter.stop());
    add_delay(&mut report, &delays);
    report
}
