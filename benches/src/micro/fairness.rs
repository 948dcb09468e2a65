//! Fairness and balance: who waits for the network beside those that compute, who is stuck behind
//! one, and where connections that stay end up.

use super::rows::Threads;
use super::{Fairness, Outcome};
use crate::report::{self, Meter, Report, add};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::hint::spin_loop;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// The spinners beside a waiter.
pub(super) const SPINNERS: usize = 100;
/// How long each spinner of `waiter_busy` computes between two yields.
pub(super) const BURST: Duration = Duration::from_micros(10);
/// How long `stuck` computes, and how many it leaves unstarted before.
pub(super) const STUCK: Duration = Duration::from_secs(2);
pub(super) const UNSTARTED: usize = 100;
pub(super) const PINGS: usize = 4000;
const PAUSE: Duration = Duration::from_micros(500);
const CONNECTIONS: usize = 1000;
const ROUNDS: usize = 5;

/// A connection of any kind.
pub(super) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Where a kind of threads listens.
pub(super) trait Sockets {
    /// Serves each connection to a free port of 127.0.0.1 in a thread of its own.
    fn serve(each: fn(&mut dyn Stream)) -> io::Result<SocketAddr>;
}

pub(super) fn run<K: Threads>(name: &str, fairness: Fairness) -> Outcome {
    let report = match fairness {
        Fairness::Waiter { busy } => waiter::<K>(name, busy),
        Fairness::Balance => balance::<K>(name),
        Fairness::Stuck => return stuck::<K>(name).map(Some),
    };
    report.map(Some).map_err(|error| error.to_string())
}

pub(super) fn compute(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        spin_loop();
    }
}

fn echo(stream: &mut dyn Stream) {
    let mut byte = [0];
    while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
}

/// An OS thread asks one green thread, while others spin.
fn waiter<K: Threads>(name: &str, busy: bool) -> io::Result<Report> {
    let address = K::serve(echo)?;
    let stop = Arc::new(AtomicBool::new(false));
    let spin = |_| {
        let stop = stop.clone();
        K::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if busy {
                    compute(BURST);
                }
                K::yield_now();
            }
        })
    };
    let spinners: Result<Vec<_>, _> = (0..SPINNERS).map(spin).collect();
    let spinners = spinners.map_err(io::Error::other)?;
    let meter = Meter::start();
    let pings = thread::spawn(move || ping(address));
    while !pings.is_finished() {
        K::sleep(Duration::from_millis(10));
    }
    let took = meter.stop();
    stop.store(true, Ordering::Relaxed);
    spinners.into_iter().for_each(K::join);
    let latencies = pings.join().expect("nothing there panics")?;
    let mut report = report::report(name, PINGS, took);
    add_latencies(&mut report, &latencies);
    Ok(report)
}

pub(super) fn add_latencies(report: &mut Report, latencies: &Histogram<u64>) {
    for (key, share) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
        add(report, key, latencies.value_at_quantile(share) as f64 / 1e3);
    }
}

/// How long each of [`PINGS`] round trips takes, in nanoseconds.
pub(super) fn ping(address: SocketAddr) -> io::Result<Histogram<u64>> {
    let mut latencies = Histogram::new(3).expect("a precision that there is");
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    for _ in 0..PINGS {
        let start = Instant::now();
        stream.write_all(&[1])?;
        stream.read_exact(&mut [0])?;
        latencies += start.elapsed().as_nanos() as u64;
        thread::sleep(PAUSE);
    }
    Ok(latencies)
}

/// The OS threads on which connections have ended.
static ENDED: Mutex<Vec<ThreadId>> = Mutex::new(Vec::new());

/// Connections that all are accepted by one, and stay.
fn balance<K: Threads>(name: &str) -> io::Result<Report> {
    let address = K::serve(|stream| {
        echo(stream);
        let mut ended = ENDED.lock().expect("nothing here panics");
        ended.push(thread::current().id());
    })?;
    let meter = Meter::start();
    let clients = thread::spawn(move || converse(address));
    let ended = || ENDED.lock().expect("nothing here panics").len();
    while !clients.is_finished() || ended() < CONNECTIONS {
        K::sleep(Duration::from_millis(10));
    }
    clients.join().expect("nothing there panics")?;
    let mut shares = HashMap::<ThreadId, usize>::new();
    for id in ENDED.lock().expect("nothing here panics").iter() {
        *shares.entry(*id).or_default() += 1;
    }
    let most = shares.into_values().max().unwrap_or(0);
    let mut report = report::report(name, CONNECTIONS, meter.stop());
    add(
        &mut report,
        "fuller_percent",
        most as f64 * 100.0 / CONNECTIONS as f64,
    );
    Ok(report)
}

fn converse(address: SocketAddr) -> io::Result<()> {
    let open = |_| TcpStream::connect(address);
    let mut streams = (0..CONNECTIONS).map(open).collect::<io::Result<Vec<_>>>()?;
    for _ in 0..ROUNDS {
        for stream in &mut streams {
            stream.write_all(&[1])?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut [0])?;
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// One spawns others, and computes: how late do they begin?
fn stuck<K: Threads>(name: &str) -> Result<Report, String> {
    let meter = Meter::start();
    let spawn = |_| {
        let spawned = Instant::now();
        K::spawn(move || spawned.elapsed())
    };
    let unstarted: Vec<_> = (0..UNSTARTED).map(spawn).collect::<Result<_, _>>()?;
    compute(STUCK);
    let delays: Vec<Duration> = unstarted.into_iter().map(K::join).collect();
    let mut report = report::report(name, UNSTARTED, meter.stop());
    add_delay(&mut report, &delays);
    Ok(report)
}

pub(super) fn add_delay(report: &mut Report, delays: &[Duration]) {
    let most = delays.iter().max().expect("some were spawned");
    add(report, "delay_max_ms", most.as_secs_f64() * 1e3);
}
