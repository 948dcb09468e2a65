//! One micro benchmark on one runtime, as a line of JSON. Exit 2 and no output if there is none.
//!
//! ```text
//! cargo run --release --bin micro -- yield_1k --workers 2
//! cargo run --release --bin micro -- yield_1k --of tokio-ct
//! ```

use clap::Parser;
use greenloop_bench::micro::{self, Setting, run};
use greenloop_bench::{Runtime, machine};
use serde_json::Value;
use std::process::ExitCode;

/// Runs one benchmark and prints what it took, per operation
#[derive(Parser)]
struct Args {
    /// The row, as in the tables
    bench: String,
    /// Whose threads
    #[arg(long = "of", value_enum, default_value = "greenloop")]
    runtime: Runtime,
    /// How many workers; 0 leaves it to the runtime
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// Inside greenloop::run, on one thread
    #[arg(long)]
    hub: bool,
    /// Stay on this CPU
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let name = micro::all().find(|&name| name == args.bench);
    if let Some(cpu) = args.cpu {
        machine::pin_to(cpu).expect("a CPU of this machine");
    }
    let setting = Setting {
        runtime: args.runtime,
        workers: (args.workers > 0).then_some(args.workers),
        hub: args.hub,
    };
    match name.and_then(|name| run(name, setting)) {
        Some(report) => println!("{}", Value::Object(report)),
        None => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}
