//! A joinable queue: workers serve for ever, and yet the program knows when all the work is done.
//!
//! ```text
//! cargo run --release --example joinable_queue
//! cargo run --release --example joinable_queue -- --workers 10 --producers 2 --jobs 50
//! ```
//!
//! Whoever gets a job says `task_done` after it; `join` waits until that was said for every job put.
//! Then the workers, which wait for jobs that will never come, are killed: Python's daemon threads.

use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::queue::Queue;
use greenloop::{joinall, killall, scope, sleep};

/// Several producers and workers that end by themselves.
#[derive(Parser)]
struct Args {
    /// How many producers
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    producers: u32,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// How many jobs each producer puts
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = value_parser!(u32).range(..=1_000))]
    jobs: u32,
}

/// Which job of which producer.
struct Job {
    producer: u32,
    number: u32,
}

fn main() {
    let args = Args::parse();
    let queue = &Queue::new();
    scope(|s| {
        let workers: Vec<_> = (1..=args.workers)
            .map(|worker| s.spawn(move || work(worker, queue)))
            .collect();
        let produce = |producer| move || produce(producer, args.jobs, queue);
        joinall((1..=args.producers).map(|producer| s.spawn(produce(producer))));
        println!("all jobs are put, {} are not done", queue.unfinished());
        queue.join();
        println!("all {} jobs are done", args.producers * args.jobs);
        killall(&workers, None).expect("without a limit of time there is no end of it");
        joinall(workers); // so that the scope knows that their end was meant
    });
    if let Err(error) = queue.task_done() {
        println!("once more is an error: {error}");
    }
}

fn produce(producer: u32, jobs: u32, queue: &Queue<Job>) {
    for number in 1..=jobs {
        pause(10);
        queue
            .put(Job { producer, number })
            .expect("it is never shut down");
    }
}

/// Works until it is killed.
fn work(worker: u32, queue: &Queue<Job>) {
    for Job { producer, number } in queue {
        println!("worker {worker} takes job {number} of producer {producer}");
        pause(40);
        queue.task_done().expect("once a job");
    }
}

fn pause(most: u64) {
    sleep(Duration::from_millis(fastrand::u64(1..=most)));
}
