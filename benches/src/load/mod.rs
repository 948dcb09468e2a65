//! The load generator: what is asked of a server, and the figures of its answers.
//!
//! It runs on one thread, checks what comes back, and ends by the clock, whatever the server does.

mod churn;
mod closed;
mod datagrams;
mod dialogue;
mod idle;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

pub use idle::hold;

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub port: u16,
    pub connections: usize,
    /// Bytes of a message.
    pub size: usize,
    /// Messages on their way on each connection.
    pub depth: usize,
    /// How long it is measured, after [`WARM_UP`].
    pub time: Duration,
    /// Requests for plain text instead of messages.
    pub http: bool,
    /// One message a connection, which is then closed and replaced.
    pub churn: bool,
    /// Datagrams instead of connections.
    pub udp: bool,
}

/// What passes before rate and latencies count.
pub const WARM_UP: Duration = Duration::from_millis(300);

/// Loads the server, and returns the figures.
///
/// # Errors
///
/// When it cannot be reached.
pub fn run(load: Load) -> io::Result<Value> {
    match load {
        Load { churn: true, .. } => churn::run(load),
        Load { udp: true, .. } => datagrams::run(load),
        _ => closed::run(load),
    }
}

impl Load {
    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

/// Answers, and how long they took.
struct Tally {
    latencies: Histogram<u64>,
    start: Instant,
    end: Instant,
    load: Load,
    /// Answers, those of the warm-up included.
    total: u64,
    errors: u64,
}

impl Tally {
    fn new(load: Load) -> Tally {
        let start = Instant::now() + WARM_UP;
        Tally {
            latencies: Histogram::new(3).expect("a precision that there is"),
            start,
            end: start + load.time,
            load,
            total: 0,
            errors: 0,
        }
    }

    fn record(&mut self, asked: Instant, now: Instant) {
        self.total += 1;
        if now >= self.start && now < self.end {
            self.latencies += (now - asked).as_nanos() as u64;
        }
    }

    /// How long it still goes on; none when it is over.
    fn left(&self) -> Option<Duration> {
        self.end.checked_duration_since(Instant::now())
    }

    fn report(&self) -> Value {
        let micros = |share| self.latencies.value_at_quantile(share) as f64 / 1e3;
        json!({
            "connections": self.load.connections,
            "size": self.load.size,
            "depth": self.load.depth,
            "total": self.total,
            "rate": (self.latencies.len() as f64 / self.load.time.as_secs_f64()).round(),
            "p50_us": micros(0.5),
            "p99_us": micros(0.99),
            "p999_us": micros(0.999),
            "errors": self.errors,
        })
    }
}
