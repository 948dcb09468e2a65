//! Producers and consumers: cooks put buns on a counter that holds few, guests take them off.
//!
//! ```text
//! cargo run --release --example producer_consumer
//! cargo run --release --example producer_consumer -- --cooks 1 --guests 5   # hungry guests
//! cargo run --release --example producer_consumer -- --counter 1            # cooks that wait
//! ```
//!
//! The counter is a `Queue`: `put` waits while it is full, `get` while it is empty, and `shutdown`
//! tells the guests that nothing will come any more.

use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::queue::{GetTimeoutError, PutTimeoutError, Queue};
use greenloop::{joinall, scope, sleep};

/// How long anybody waits at the counter before complaining.
const PATIENCE: Duration = Duration::from_millis(40);

/// Cooks bake buns, guests eat them, over a counter of limited size.
#[derive(Parser)]
struct Args {
    /// How many cooks
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    cooks: u32,
    /// How many guests
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    guests: u32,
    /// How many buns each cook bakes
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(..=1_000))]
    buns: u32,
    /// How many buns the counter holds
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    counter: u32,
}

fn main() {
    let args = Args::parse();
    let counter = &Queue::bounded(args.counter as usize);
    let eaten: u32 = scope(|s| {
        let guests: Vec<_> = (1..=args.guests)
            .map(|guest| s.spawn(move || eat(guest, counter)))
            .collect();
        joinall((1..=args.cooks).map(|cook| s.spawn(move || bake(cook, args.buns, counter))));
        counter.shutdown(false); // the guests still take what is left
        joinall(guests).into_iter().map(Result::unwrap).sum()
    });
    println!("{} buns baked, {eaten} eaten", args.cooks * args.buns);
}

/// Bakes so many, and complains when there is no room for a bun.
fn bake(cook: u32, buns: u32, counter: &Queue<String>) {
    for number in 1..=buns {
        pause();
        let mut bun = format!("bun {number} of cook {cook}");
        println!("cook {cook} has baked {bun}");
        while let Err(error) = counter.put_timeout(bun, PATIENCE) {
            match error {
                PutTimeoutError::Timeout(same) => bun = same,
                PutTimeoutError::ShutDown(_) => return,
            }
            println!("cook {cook} finds no room on the counter");
        }
    }
}

/// Eats until nothing will come any more, and complains when nothing comes for a while.
fn eat(guest: u32, counter: &Queue<String>) -> u32 {
    let mut eaten = 0;
    loop {
        match counter.get_timeout(PATIENCE) {
            Ok(bun) => {
                println!("guest {guest} eats {bun}");
                eaten += 1;
                pause();
            }
            Err(GetTimeoutError::Timeout) => println!("guest {guest} drums on the table"),
            Err(GetTimeoutError::ShutDown) => return eaten,
        }
    }
}

fn pause() {
    sleep(Duration::from_millis(fastrand::u64(1..=50)));
}
