//! An echo server on 127.0.0.1, on the runtime of choice; a signal ends it.
//!
//! ```text
//! cargo run --release --bin echo -- 9000 2
//! cargo run --release --bin echo -- 9000 1 --of may
//! cargo run --release --bin echo -- 9000 1 --udp
//! ```

use clap::Parser;
use greenloop_bench::serve::{echo, udp};
use greenloop_bench::{Runtime, machine};
use std::process::ExitCode;

/// Sends back whatever it receives
#[derive(Parser)]
struct Args {
    port: u16,
    /// How many threads serve, where the runtime lets one choose
    workers: usize,
    /// Whose threads
    #[arg(long = "of", value_enum, default_value = "greenloop")]
    runtime: Runtime,
    /// Datagrams instead of connections
    #[arg(long)]
    udp: bool,
    /// Stay on this CPU
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        machine::pin_to(cpu).expect("a CPU of this machine");
    }
    let serve = if args.udp { udp::serve } else { echo::serve };
    match serve(args.runtime, args.port, args.workers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}
