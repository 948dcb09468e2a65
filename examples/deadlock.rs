//! Deadlock: two green threads that lock two mutexes in opposite order, and who names them.
//!
//! ```text
//! cargo run --release --example deadlock
//! cargo run --release --example deadlock -- --threads 5
//! ```

use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use greenloop::sync::{Arc, Barrier, Mutex};
use greenloop::{Builder, JoinHandle, inspect, killall};

/// Has green threads wait for each other's locks, and prints who names them.
#[derive(Parser)]
struct Args {
    /// How many green threads and mutexes there are in the circle
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = value_parser!(u16).range(1..=1000))]
    threads: u16,
}

fn main() -> std::io::Result<()> {
    let count = usize::from(Args::parse().threads);
    let (found, finds) = mpsc::channel();
    inspect::on_deadlock(move |deadlock| {
        // Nobody listens any more when `main` has ended.
        let _ = found.send(deadlock.to_string());
    });

    let start = Instant::now();
    let circle = circle(count)?;
    match finds.recv_timeout(Duration::from_secs(60)) {
        Ok(report) => println!("after {} ms: {report}", start.elapsed().as_millis()),
        Err(_) => println!("nobody has found it"),
    }

    // The first kill unlocks a mutex, so that a neighbour may go on before its own kill comes.
    killall(&circle, None)?;
    println!("all of them have ended");
    Ok(())
}

/// Each locks its own mutex, and then the next one's.
fn circle(count: usize) -> std::io::Result<Vec<JoinHandle<()>>> {
    let mutexes: Arc<[Mutex<()>]> = (0..count).map(|_| Mutex::new(())).collect();
    let all_hold_one = Arc::new(Barrier::new(count));
    let spawn = |number: usize| {
        let (mutexes, all_hold_one) = (mutexes.clone(), all_hold_one.clone());
        let builder = Builder::new().name(format!("philosopher {}", number + 1));
        builder.spawn(move || {
            let _left = mutexes[number].lock();
            all_hold_one.wait();
            let _right = mutexes[(number + 1) % count].lock(); // its neighbour never lets go
        })
    };
    (0..count).map(spawn).collect()
}
