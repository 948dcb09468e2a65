//! Everything at once for five minutes: fails if something is lost, or if memory grows.
//!
//! ```text
//! cargo run --release --bin soak
//! cargo run --release --bin soak -- --seconds 30 --workers 1
//! ```

use clap::Parser;
use greenloop_bench::soak;
use std::process::ExitCode;
use std::time::Duration;

/// Echoes, churns, sleeps, kills and serves, and counts
#[derive(Parser)]
struct Args {
    /// How long
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..))]
    seconds: u64,
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match soak::run(Duration::from_secs(args.seconds), args.workers) {
        Ok(lines) => {
            println!("{}", lines.join("\n"));
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("soak: {problem}");
            ExitCode::FAILURE
        }
    }
}
