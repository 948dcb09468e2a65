//! The classic forward proxy of the web: requests for `http`, tunnels for everything else.
//!
//! ```text
//! cargo run --release --example web_proxy                             # 127.0.0.1:8080
//! curl -x http://127.0.0.1:8080 http://example.com/                   # forwarded
//! curl -x http://127.0.0.1:8080 https://example.com/                  # through a tunnel
//! cargo run --release --example web_proxy -- --tunnel-ports 443,8443  # to nowhere else
//! ```
//!
//! It asks nobody for a name or password, so it listens at home unless it is told otherwise. Ctrl-C
//! or SIGTERM ends it: conversations may go on for a while, a second one ends them at once.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::net::{StreamServer, TcpStream};
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};

#[path = "common/web_proxy/mod.rs"]
mod proxy;
use proxy::Proxy;

/// Fetches pages for others, and opens tunnels for them.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:8080")]
    address: String,
    /// How many clients at once; more have to wait
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    connections: u32,
    /// How long a request's head may take to arrive
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    head_timeout: Duration,
    /// How long a target may take to accept a connection
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    connect_timeout: Duration,
    /// How long both sides may be silent
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    idle_timeout: Duration,
    /// How long conversations may go on when the proxy has been told to stop
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    drain_timeout: Duration,
    /// The ports that tunnels may lead to [default: all]
    #[arg(long, value_name = "PORTS", value_delimiter = ',')]
    tunnel_ports: Vec<u16>,
}

fn main() -> ExitCode {
    match serve(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("web_proxy: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Args) -> Result<(), String> {
    let shutdown = Shutdown::on([SIGTERM, SIGINT])
        .map_err(|error| format!("cannot wait for signals: {error}"))?;
    let proxy = Arc::new(Proxy {
        head_time: args.head_timeout,
        connect_time: args.connect_timeout,
        idle_time: args.idle_timeout,
        tunnel_ports: args.tunnel_ports,
    });
    let server = StreamServer::builder().limit(args.connections as usize);
    let server = server
        .bind(&args.address, move |client: TcpStream, _| {
            proxy.serve(&client)
        })
        .map_err(|error| format!("cannot listen on {}: {error}", args.address))?;
    println!("listening on {}", server.local_addr());
    let drained = server.serve_until(shutdown.event(), args.drain_timeout);
    if !drained.map_err(|error| format!("cannot serve: {error}"))? {
        eprintln!("web_proxy: some conversations did not end in time");
    }
    Ok(())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "expected a number of seconds greater than 0".to_owned())
}
