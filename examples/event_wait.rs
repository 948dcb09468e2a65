//! An event: two workers wait for "redis ready", and complain every so often, until main sets it.
//!
//! ```text
//! cargo run --release --example event_wait
//! cargo run --release --example event_wait -- --ready-after 3000 --interval 1000
//! ```
//!
//! And a dinner: those who have come wait for an event that the last one sets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::sync::Event;
use greenloop::{scope, sleep};

/// Workers that wait for a server, and friends who wait for each other.
#[derive(Parser)]
struct Args {
    /// After how many milliseconds the server is ready
    #[arg(long, value_name = "MS", default_value_t = 350)]
    #[arg(value_parser = value_parser!(u64).range(..=3_600_000))]
    ready_after: u64,
    /// How many milliseconds a worker waits before it complains
    #[arg(long, value_name = "MS", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u64).range(1..=3_600_000))]
    interval: u64,
}

fn main() {
    let args = Args::parse();
    let ready = Event::new();
    scope(|s| {
        for worker in ["worker 1", "worker 2"] {
            let ready = &ready;
            s.spawn(move || connect(worker, ready, Duration::from_millis(args.interval)));
        }
        println!("main: redis is starting");
        sleep(Duration::from_millis(args.ready_after));
        println!("main: redis is ready");
        ready.set(); // wakes everybody who waits, and whoever comes later does not wait
    });
    dinner(&["Anna", "Ben", "Clara", "David", "Eva"]);
}

fn connect(worker: &str, ready: &Event, interval: Duration) {
    while !ready.wait_timeout(interval) {
        println!("{worker}: redis is still not ready");
    }
    println!("{worker}: redis is ready, connecting");
}

fn dinner(friends: &[&str]) {
    let (all_here, missing) = (Event::new(), AtomicUsize::new(friends.len()));
    scope(|s| {
        for friend in friends {
            let (all_here, missing) = (&all_here, &missing);
            s.spawn(move || {
                sleep(Duration::from_millis(fastrand::u64(1..=100)));
                println!("{friend} has come");
                match missing.fetch_sub(1, Ordering::Relaxed) {
                    1 => all_here.set(),
                    _ => all_here.wait(),
                };
                println!("{friend} starts to eat");
            });
        }
    });
}
