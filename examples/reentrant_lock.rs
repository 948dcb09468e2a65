//! Locks: a counter that goes wrong without one, and ten green threads that take one lock twice.
//!
//! ```text
//! cargo run --release --example reentrant_lock
//! cargo run --release --example reentrant_lock -- --threads 1000
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::sync::{Mutex, ReentrantMutex};
use greenloop::{joinall, run, scope, sleep, spawn_local, yield_now};

/// Counts without a lock, with a Mutex, and with a ReentrantMutex that is taken twice.
#[derive(Parser)]
struct Args {
    /// How many green threads count
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    threads: u32,
}

fn main() {
    let Args { threads } = Args::parse();
    println!(
        "without a lock: {} of {threads}",
        run(move || count_unlocked(threads))
    );
    println!("with a Mutex: {} of {threads}", count_locked(threads));

    let lock = ReentrantMutex::new(Cell::new(0)); // a Cell: several guards see it at once
    scope(|s| {
        for number in 1..=threads {
            let lock = &lock;
            s.spawn(move || outer(number, lock));
        }
    });
    println!(
        "with a ReentrantMutex, taken twice: {} of {threads}",
        lock.into_inner().get()
    );
}

/// Everybody reads before anybody writes. On one hub this is not a data race, only wrong.
fn count_unlocked(threads: u32) -> u32 {
    let counter = Rc::new(Cell::new(0));
    joinall((0..threads).map(|_| {
        let counter = counter.clone();
        spawn_local(move || {
            let before = counter.get();
            yield_now();
            counter.set(before + 1);
        })
    }));
    counter.get()
}

fn count_locked(threads: u32) -> u32 {
    let counter = Mutex::new(0);
    scope(|s| {
        for _ in 0..threads {
            s.spawn(|| {
                let mut counter = counter.lock().unwrap();
                let before = *counter;
                yield_now(); // the others come to the lock, and wait there
                *counter = before + 1;
            });
        }
    });
    counter.into_inner().unwrap()
}

/// Holds the lock while it calls `inner`, which takes it as well: with a `Mutex`, a deadlock.
fn outer(number: u32, lock: &ReentrantMutex<Cell<u32>>) {
    let counter = lock.lock();
    let before = counter.get();
    sleep(Duration::from_micros(100));
    inner(lock);
    println!(
        "thread {number} found {before} and leaves {}",
        counter.get()
    );
}

fn inner(lock: &ReentrantMutex<Cell<u32>>) {
    let counter = lock.lock();
    counter.set(counter.get() + 1);
}
