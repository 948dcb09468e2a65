//! Looks many names up, ten at a time, for two seconds at most, and tells how many came through.
//!
//! ```text
//! cargo run --release --example dns_mass_resolve                           # localhost, 1000 times
//! cargo run --release --example dns_mass_resolve -- crates.io rust-lang.org no-such-name.invalid
//! cargo run --release --example dns_mass_resolve -- --at-once 1 --times 100 crates.io
//! ```
//!
//! The system's resolver blocks, so it works on the pool of OS threads behind `spawn_blocking`, while
//! the green threads wait. What is not finished when the time is over is killed.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use greenloop::pool::Pool;
use greenloop::{spawn_blocking, timeout};

/// Resolves names concurrently.
#[derive(Parser)]
struct Args {
    /// How many lookups at once
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(1..=10_000))]
    at_once: u32,
    /// How many milliseconds all of them may take
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    #[arg(value_parser = value_parser!(u64).range(..=3_600_000))]
    timeout: u64,
    /// How often to look each name up [default: 1, and 1000 for localhost]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    times: Option<u32>,
    /// The names [default: localhost]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

fn main() {
    let mut args = Args::parse();
    let mut times = args.times.unwrap_or(1);
    if args.names.is_empty() {
        args.names = vec!["localhost".into()];
        times = args.times.unwrap_or(1000);
    }
    let total = args.names.len() * times as usize;
    let finished = Arc::new(AtomicUsize::new(0));
    let pool = Pool::new(args.at_once as usize);

    let start = Instant::now();
    let in_time = timeout(Duration::from_millis(args.timeout), || {
        for name in args.names.iter().cycle().take(total) {
            let (name, finished) = (name.clone(), finished.clone());
            // Waits while the pool is full.
            pool.spawn(move || {
                match resolve(&name) {
                    Ok(addresses) if times == 1 => println!("{name} = {addresses:?}"),
                    Ok(_) => {}
                    Err(error) => eprintln!("{name}: {error}"),
                }
                finished.fetch_add(1, Ordering::Relaxed);
            });
        }
        pool.join();
    });
    pool.kill();
    let (finished, took) = (finished.load(Ordering::Relaxed), start.elapsed());
    let end = if in_time.is_ok() {
        "all done"
    } else {
        "time is up"
    };
    println!(
        "finished {finished} of {total} in {:.2} s: {end}",
        took.as_secs_f64()
    );
}

fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    let name = name.to_owned();
    let lookup = spawn_blocking(move || {
        let addresses = (name.as_str(), 0).to_socket_addrs()?;
        Ok(addresses.map(|address| address.ip()).collect())
    });
    lookup.join().expect("the resolver does not panic")
}
