//! Timers: a function that runs once after a delay, one that is cancelled, and one that goes on.
//!
//! ```text
//! cargo run --release --example timer
//! cargo run --release --example timer -- --after 2000 --ticks 10
//! ```

use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use greenloop::{Timer, killall};

/// Runs functions after a while.
#[derive(Parser)]
struct Args {
    /// After how many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 200)]
    #[arg(value_parser = value_parser!(u64).range(..=3_600_000))]
    after: u64,
    /// How many ticks the clock makes, four in that time
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u32).range(..=1_000))]
    ticks: u32,
}

fn main() {
    let args = Args::parse();
    let (start, after) = (Instant::now(), Duration::from_millis(args.after));

    let hello = Timer::after(after, move || {
        println!("hello, after {} ms", start.elapsed().as_millis());
        "world"
    });
    let never = Timer::after(after, || println!("this is never printed"));
    println!("cancelled in time: {}", never.cancel());
    assert!(never.join().is_err());

    tick(1, args.ticks, after / 4);
    println!(
        "the timer returned {:?}",
        hello.join().expect("it does not panic")
    );

    let later = [1, 2].map(|hour| Timer::after(Duration::from_secs(3600 * hour), || ()));
    killall(&later, None).expect("without a limit of time there is no end of it");
    println!("{} more killed", later.len());
}

/// A clock is a timer that starts the next one.
fn tick(number: u32, last: u32, pause: Duration) {
    if number > last {
        return;
    }
    let timer = Timer::after(pause, move || println!("tick {number}"));
    timer.join().expect("it does not panic");
    tick(number + 1, last, pause);
}
