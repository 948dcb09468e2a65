//! A plain-text HTTP server on 127.0.0.1, on the runtime of choice; a signal ends it.
//!
//! ```text
//! cargo run --release --bin http -- 9000 2 --of tokio
//! cargo run --release --bin http -- 9000 1 --of may
//! ```

use clap::Parser;
use greenloop_bench::{Runtime, machine, serve::http};
use std::process::ExitCode;

/// Answers every request with a greeting
#[derive(Parser)]
struct Args {
    port: u16,
    /// How many threads serve, where the runtime lets one choose
    workers: usize,
    /// Whose threads
    #[arg(long = "of", value_enum, default_value = "tokio")]
    runtime: Runtime,
    /// Stay on this CPU
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        machine::pin_to(cpu).expect("a CPU of this machine");
    }
    match http::serve(args.runtime, args.port, args.workers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http: {error}");
            ExitCode::FAILURE
        }
    }
}
