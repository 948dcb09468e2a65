//! A web server of several processes on one port, each of which says its number.
//!
//! ```text
//! cargo run --release --example prefork_server -- --workers 4   # 127.0.0.1:16023
//! curl http://127.0.0.1:16023/                                  # the number of a process
//! curl http://127.0.0.1:16023/slow                              # the same, a second later
//! kill -9 NUMBER                                                # another one comes
//! kill -HUP MASTER                                              # new ones; no client is refused
//! kill MASTER                                                   # or Ctrl-C: answers all, and ends
//! systemd-socket-activate -l 16023 target/release/examples/prefork_server
//! ```

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{self, ExitCode};
use std::time::Duration;

use clap::Parser;
use greenloop::net::{Inherited, StreamServer, TcpListener, TcpStream};
use greenloop::prefork::{Prefork, Worker};
use greenloop::{Runtime, sleep};

/// How long a worker may answer once it is to stop; its master waits a second longer.
const GRACE: Duration = Duration::from_secs(10);

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest request, in bytes.
const LONGEST: u64 = 16 * 1024;

/// Serves the number of the process that answers.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT, unless a socket is handed over; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16023")]
    address: String,
    /// How many processes
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    workers: u16,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match Worker::take() {
        Ok(Some(worker)) => serve(&worker),
        Ok(None) => lead(&args),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prefork_server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The master: has the listener, and sees to the workers.
fn lead(args: &Args) -> io::Result<()> {
    let listener = listen(&args.address)?;
    println!("listening on {}", listener.local_addr()?);
    let prefork = Prefork::new(args.workers.into()).socket(listener);
    prefork.drain(GRACE + Duration::from_secs(1)).run()?;
    Ok(())
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let mut inherited = Inherited::take()?;
    if !inherited.is_empty() {
        return inherited.tcp_listener(0);
    }
    TcpListener::bind(address).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })
}

/// A worker: one of many, so one thread is enough.
fn serve(worker: &Worker) -> io::Result<()> {
    Runtime::builder().workers(1).start()?;
    let listener = Inherited::take()?.tcp_listener(0)?;
    let server = StreamServer::new(listener, |stream: TcpStream, _| answer(&stream))?;
    worker.ready()?;
    server.serve_until(worker.stop(), GRACE).map(drop)
}

/// Answers one request; an error ends its connection alone.
fn answer(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = BufReader::new(stream).take(LONGEST).lines();
    let request = head.next().transpose()?.unwrap_or_default();
    while head
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    if request.starts_with("GET /slow ") {
        sleep(Duration::from_secs(1));
    }
    let body = format!("{}\n", process::id());
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes())
}
