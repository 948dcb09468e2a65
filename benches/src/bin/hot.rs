//! One hot path, so many times, on one worker: for a program that counts instructions.
//!
//! ```text
//! cargo run --release --bin hot -- spawn_join 100000
//! ../instructions                                     # all of them, counted
//! ```

use clap::Parser;
use greenloop_bench::hot;
use std::process::ExitCode;

/// Takes a hot path so many times
#[derive(Parser)]
struct Args {
    #[arg(value_parser = hot::PATHS)]
    path: String,
    times: usize,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match hot::run(&args.path, args.times) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            eprintln!("hot: {error}");
            ExitCode::FAILURE
        }
    }
}
