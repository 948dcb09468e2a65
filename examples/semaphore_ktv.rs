//! A semaphore: thirteen guests, and four rooms to sing karaoke in.
//!
//! ```text
//! cargo run --release --example semaphore_ktv
//! cargo run --release --example semaphore_ktv -- --guests 6 --rooms 2
//! ```
//!
//! The semaphore is a bounded one: to give back a room that nobody has taken is an error.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::sync::BoundedSemaphore;
use greenloop::{scope, sleep};

/// Guests take turns in a few rooms.
#[derive(Parser)]
struct Args {
    /// How many guests
    #[arg(long, value_name = "N", default_value_t = 13)]
    #[arg(value_parser = value_parser!(u32).range(..=10_000))]
    guests: u32,
    /// How many rooms
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    rooms: u32,
}

fn main() {
    let args = Args::parse();
    let rooms = BoundedSemaphore::new(args.rooms as usize);
    let (singing, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    scope(|s| {
        for guest in 1..=args.guests {
            let (rooms, singing, most) = (&rooms, &singing, &most);
            s.spawn(move || {
                let _room = rooms.permit(); // waits until one is free, gives it back when dropped
                let now = singing.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                println!(
                    "guest {guest} sings ({now} of {} rooms are taken)",
                    args.rooms
                );
                sleep(Duration::from_millis(fastrand::u64(20..=80)));
                println!("guest {guest} leaves");
                singing.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    let most = most.into_inner();
    println!(
        "{} guests have sung, never more than {most} at once",
        args.guests
    );
    if let Err(error) = rooms.release() {
        println!("one room too many given back: {error}");
    }
}
