//! Tries an echo server: many connections at once, every byte checked, every answer timed.
//!
//! ```text
//! cargo run --release --example gevent_server                     # in one terminal
//! cargo run --release --example echo_client -- 127.0.0.1:16000    # in another
//! cargo run --release --example echo_client -- 127.0.0.1:16000 --connections 1000 --size 4096
//! ```
//!
//! For thousands of connections let both programs open as many files first: `ulimit -n 20000`.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, value_parser};
use greenloop::net::TcpStream;
use greenloop::{joinall, spawn};
use indicatif::ProgressBar;

/// No connect, read or write waits longer for the server than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes may be on their way at once: less than any socket's buffer holds.
const PIECE: usize = 8 * 1024;

/// Sends messages to an echo server on many connections at once and checks what comes back.
#[derive(Parser)]
struct Args {
    /// The server, as HOST:PORT
    #[arg(value_name = "ADDR")]
    address: String,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    connections: u32,
    /// How many messages on each
    #[arg(long, value_name = "M", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many bytes in a message
    #[arg(long, value_name = "B", default_value_t = 64)]
    #[arg(value_parser = value_parser!(u32).range(1..=1 << 24))]
    size: u32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let server = match args.address.to_socket_addrs().map(|mut found| found.next()) {
        Ok(Some(server)) => server,
        Ok(None) => return fail(&format!("{} has no address", args.address)),
        Err(error) => return fail(&format!("{}: {error}", args.address)),
    };
    let (rounds, size) = (args.rounds, args.size as usize);
    let progress = ProgressBar::new(args.connections.into()); // draws only on a terminal

    // All connect first, so that they are open at the same time; then all talk.
    let connected = joinall((0..args.connections).map(|_| spawn(move || connect(server))));
    let start = Instant::now();
    let talked = joinall(connected.into_iter().zip(0..).map(|(connected, number)| {
        let progress = progress.clone();
        spawn(move || {
            let latencies = talk(connected.unwrap()?, number, rounds, size);
            progress.inc(1);
            latencies
        })
    }));
    let took = start.elapsed();
    progress.finish_and_clear();

    let mut latencies = Vec::new();
    let mut failures = BTreeMap::new();
    for outcome in talked {
        match outcome.unwrap() {
            Ok(of_one) => latencies.extend(of_one),
            Err(error) => *failures.entry(error.to_string()).or_insert(0) += 1,
        }
    }
    report(latencies, took);
    for (error, count) in &failures {
        fail(&format!(
            "{count} of {} connections failed: {error}",
            args.connections
        ));
    }
    ExitCode::from(u8::from(!failures.is_empty()))
}

fn fail(message: &str) -> ExitCode {
    eprintln!("echo_client: {message}");
    ExitCode::FAILURE
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends `rounds` messages and returns how long each was away.
fn talk(
    mut stream: TcpStream,
    number: usize,
    rounds: u32,
    size: usize,
) -> io::Result<Vec<Duration>> {
    let mut echoed = vec![0; size];
    let mut latencies = Vec::new();
    for round in 0..rounds as usize {
        let message: Vec<u8> = (0..size).map(|at| (number + round + at) as u8).collect();
        let start = Instant::now();
        exchange(&mut stream, &message, &mut echoed)?;
        latencies.push(start.elapsed());
        if echoed != message {
            return Err(io::Error::other("what came back is not what was sent"));
        }
    }
    Ok(latencies)
}

/// Piece by piece, so that neither side ever waits for the other to read first.
fn exchange(stream: &mut TcpStream, message: &[u8], echoed: &mut [u8]) -> io::Result<()> {
    for (sent, received) in message.chunks(PIECE).zip(echoed.chunks_mut(PIECE)) {
        stream.write_all(sent)?;
        stream.read_exact(received)?;
    }
    Ok(())
}

fn report(mut latencies: Vec<Duration>, took: Duration) {
    latencies.sort_unstable();
    let requests = latencies.len();
    let percentile = |p| {
        latencies
            .get(requests * p / 100)
            .map_or(0.0, Duration::as_secs_f64)
    };
    println!(
        "{requests} requests in {:.2} s: {:.0} requests/s, p50 {:.3} ms, p99 {:.3} ms",
        took.as_secs_f64(),
        requests as f64 / took.as_secs_f64(),
        percentile(50) * 1e3,
        percentile(99) * 1e3,
    );
}
