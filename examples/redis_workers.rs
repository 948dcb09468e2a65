//! Many consumers of a Redis list in one process: the blocking crate `redis`, on green threads.
//!
//! ```text
//! cargo run --release --features monkey --example redis_workers    # a server at 127.0.0.1:6379
//! cargo run --release --features monkey --example redis_workers -- \
//!     --redis redis://127.0.0.1:6379/ --workers 1000 --jobs 100000
//! ```
//!
//! Each worker has a connection of its own, and waits in `BLPOP` for a job. Nothing here is written
//! for green threads but `spawn` and `joinall`.

#[path = "common/redis_server.rs"]
mod redis_server;

use std::error::Error;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Parser, value_parser};
use greenloop::{JoinHandle, joinall, monkey, spawn};
use indicatif::ProgressBar;
use redis::{Commands, Connection, RedisError};
use redis_server::RedisServer;

const PRODUCERS: u32 = 10;

/// What a worker that takes it from the list ends at.
const END: u32 = 0;

/// Does jobs that come through a Redis list, each of them once.
#[derive(Parser)]
struct Args {
    /// Where the Redis server is
    #[arg(long, value_name = "URL", default_value = "redis://127.0.0.1/")]
    redis: String,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// How many jobs
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = value_parser!(u32).range(..=10_000_000))]
    jobs: u32,
}

/// What producers and workers share.
struct Shop {
    server: RedisServer,
    list: String,
    jobs: u32,
    progress: ProgressBar, // draws only when standard error is a terminal
}

fn main() -> ExitCode {
    run(&Args::parse()).unwrap_or_else(|error| {
        eprintln!("redis_workers: {error}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    monkey::patch_all()?;
    let shop = Arc::new(Shop {
        server: RedisServer::new(&args.redis)?,
        list: format!("greenloop:jobs:{:016x}", fastrand::u64(..)),
        jobs: args.jobs,
        progress: ProgressBar::new(args.jobs.into()),
    });
    let mut connection = shop.server.connect()?;
    let start = Instant::now();
    let workers = start_all(args.workers, &shop, |shop, _| shop.work());
    all(start_all(PRODUCERS, &shop, Shop::produce))?;
    shop.send_home(&mut connection, args.workers)?;
    let done = all(workers);
    shop.progress.finish_and_clear();
    shop.take_away(&mut connection)?;
    let mut done = done?.concat();
    done.sort_unstable();
    println!(
        "{} of {} jobs done by {} workers in {:.2} s",
        done.len(),
        args.jobs,
        args.workers,
        start.elapsed().as_secs_f64()
    );
    let is_each_once = done.into_iter().eq(1..=args.jobs);
    Ok(ExitCode::from(u8::from(!is_each_once)))
}

fn start_all<T: Send + 'static>(
    count: u32,
    shop: &Arc<Shop>,
    f: fn(&Shop, u32) -> Result<T, String>,
) -> Vec<JoinHandle<Result<T, String>>> {
    let start = |number| {
        let shop = shop.clone();
        spawn(move || f(&shop, number))
    };
    (0..count).map(start).collect()
}

/// What all of them return, or the first error.
fn all<T>(handles: Vec<JoinHandle<Result<T, String>>>) -> Result<Vec<T>, String> {
    let ended = joinall(handles).into_iter();
    ended
        .map(|result| result.unwrap_or_else(|payload| resume_unwind(payload)))
        .collect()
}

impl Shop {
    /// Does jobs until one is the end, and returns which.
    fn work(&self) -> Result<Vec<u32>, String> {
        let mut connection = self.server.connect()?;
        let mut done = Vec::new();
        loop {
            // Ten seconds, so that a server that has vanished is told from one without jobs.
            let next: Result<Option<(String, u32)>, RedisError> =
                connection.blpop(&self.list, 10.0);
            match next.map_err(|error| self.server.lost(&error))? {
                Some((_, END)) => return Ok(done),
                Some((_, job)) => done.push(job),
                None => continue,
            }
            self.progress.inc(1);
        }
    }

    /// Puts every tenth job, a hundred at a time.
    fn produce(&self, number: u32) -> Result<(), String> {
        let mut connection = self.server.connect()?;
        let jobs: Vec<u32> = (number + 1..=self.jobs)
            .step_by(PRODUCERS as usize)
            .collect();
        for some in jobs.chunks(100) {
            let put: Result<(), RedisError> = connection.rpush(&self.list, some);
            put.map_err(|error| self.server.lost(&error))?;
        }
        Ok(())
    }

    fn send_home(&self, connection: &mut Connection, workers: u32) -> Result<(), String> {
        let ends = vec![END; workers as usize];
        let put: Result<(), RedisError> = connection.rpush(&self.list, ends);
        put.map_err(|error| self.server.lost(&error))
    }

    /// Nothing is left in the list, unless a worker failed.
    fn take_away(&self, connection: &mut Connection) -> Result<(), String> {
        let taken: Result<(), RedisError> = connection.del(&self.list);
        taken.map_err(|error| self.server.lost(&error))
    }
}
