//! Loads a server on 127.0.0.1, checks what comes back, and prints figures as a line of JSON.
//!
//! ```text
//! cargo run --release --bin load -- 9000 --connections 64 --seconds 3
//! cargo run --release --bin load -- 9000 --churn
//! cargo run --release --bin load -- 9000 --udp
//! cargo run --release --bin load -- 8000 --http --depth 16
//! cargo run --release --bin load -- 9000 --idle 10000   # holds them until standard input ends
//! ```

use clap::Parser;
use greenloop_bench::load::{self, Load};
use greenloop_bench::machine;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// Keeps a server busy for a while
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
    /// Ask for plain text by HTTP
    #[arg(long, conflicts_with_all = ["churn", "idle"])]
    http: bool,
    /// Close each connection after one answer, and open another
    #[arg(long, conflicts_with = "idle")]
    churn: bool,
    /// Send datagrams
    #[arg(long, conflicts_with_all = ["http", "churn", "idle"])]
    udp: bool,
    /// Hold so many connections, without any load
    #[arg(long, value_name = "COUNT")]
    idle: Option<usize>,
    /// Stay on this CPU
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        machine::pin_to(cpu).expect("a CPU of this machine");
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> io::Result<()> {
    if let Some(count) = args.idle {
        return load::hold(args.port, count);
    }
    let figures = load::run(Load {
        port: args.port,
        connections: args.connections,
        size: args.size as usize,
        depth: args.depth,
        time: Duration::from_secs_f64(args.seconds),
        http: args.http,
        churn: args.churn,
        udp: args.udp,
    })?;
    println!("{figures}");
    Ok(())
}
