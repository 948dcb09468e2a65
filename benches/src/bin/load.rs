//! Loads an echo server on 127.0.0.1, checks every byte, and prints rate and latencies as a line of JSON.
//!
//! ```text
//! cargo run --release --bin load -- 9000 --connections 64 --seconds 3
//! ```

use clap::Parser;
use greenloop_bench::load::{self, Load};
use greenloop_bench::machine;
use std::process::ExitCode;
use std::time::Duration;

/// Keeps an echo server busy for a while
#[derive(Parser)]
struct Args {
    port: u16,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Bytes of a message
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    size: u32,
    /// Messages on their way on each connection
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// How long to measure
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Stay on this CPU
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        machine::pin_to(cpu).expect("a CPU of this machine");
    }
    let result = load::run(Load {
        port: args.port,
        connections: args.connections,
        size: args.size as usize,
        depth: args.depth,
        time: Duration::from_secs_f64(args.seconds),
    });
    match result {
        Ok(figures) => println!("{figures}"),
        Err(error) => {
            eprintln!("load: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
