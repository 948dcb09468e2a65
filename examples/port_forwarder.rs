//! Forwards every connection to another address, both ways, many at once.
//!
//! ```text
//! cargo run --release --example gevent_server                                  # 127.0.0.1:16000
//! cargo run --release --example port_forwarder -- 127.0.0.1:16005 127.0.0.1:16000
//! nc -N 127.0.0.1 16005
//! cargo run --release --example echo_client -- 127.0.0.1:16005 --connections 1000
//! ```
//!
//! Ctrl-C or SIGTERM ends it: connections have five seconds to end.

use std::io::{self, Read, Write};
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::net::{StreamServer, TcpStream};
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};

/// How long connections may go on once the program is to end.
const GRACE: Duration = Duration::from_secs(5);

/// How long the target may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Passes connections on to another address.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "LISTEN")]
    listen: String,
    /// Where to pass connections on to, as HOST:PORT
    #[arg(value_name = "TARGET")]
    target: String,
    /// How many connections at once; more have to wait
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    connections: u32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("port_forwarder: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> io::Result<()> {
    let target = resolve(&args.target).map_err(|error| naming(&args.target, &error))?;
    let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
    let handler = move |client: TcpStream, _| forward(&client, target);
    let server = StreamServer::builder().limit(args.connections as usize);
    let server = server.bind(&args.listen, handler);
    let server = server.map_err(|error| naming(&args.listen, &error))?;
    println!("listening on {}", server.local_addr());
    server.serve_until(shutdown.event(), GRACE).map(drop)
}

fn naming(address: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{address}: {error}"))
}

fn resolve(address: &str) -> io::Result<SocketAddr> {
    let found = address.to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::other("the name has no address"))
}

/// Until both sides have said all, or one of them fails: then the other is told.
fn forward(client: &TcpStream, target: SocketAddr) {
    let server = match TcpStream::connect_timeout(&target, PATIENCE) {
        Ok(server) => server,
        Err(error) => return eprintln!("port_forwarder: {target}: {error}"),
    };
    for stream in [client, &server] {
        let _ = stream.set_nodelay(true); // what came in one piece leaves at once
    }
    greenloop::scope(|scope| {
        // Both on their own: a kill meets the wait for them, and is passed on.
        scope.spawn(|| pass_on(&server, client));
        scope.spawn(|| pass_on(client, &server));
    });
}

/// One direction. Its end is passed on as well, and the other direction goes on.
fn pass_on(mut from: &TcpStream, mut to: &TcpStream) {
    let passed = copy(&mut from, &mut to).and_then(|()| to.shutdown(net::Shutdown::Write));
    if passed.is_err() {
        for stream in [from, to] {
            let _ = stream.shutdown(net::Shutdown::Both); // it may be gone already
        }
    }
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
    }
}
