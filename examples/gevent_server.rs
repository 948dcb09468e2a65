//! An echo server in blocking style: each connection is a green thread.
//!
//! ```text
//! cargo run --release --example gevent_server                 # 127.0.0.1:16000
//! cargo run --release --example gevent_server -- 127.0.0.1:0  # any free port
//! cargo run --release --example gevent_server -- --workers 1  # on one core
//! nc 127.0.0.1 16000                                          # every line comes back; Ctrl-D ends
//! cargo run --release --example echo_client -- 127.0.0.1:16000 --connections 1000
//! ```
//!
//! Ctrl-C or SIGTERM ends it: who is connected has five seconds to finish.
//! For ten thousand connections let both programs open as many files first: `ulimit -n 20000`.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use greenloop::Runtime;
use greenloop::net::{StreamServer, TcpStream};
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};

/// How long connections may go on once the server is to end.
const GRACE: Duration = Duration::from_secs(5);

/// Sends back whatever it receives, on every connection at once.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16000")]
    address: String,
    /// How many OS threads run the connections; one a core by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gevent_server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> io::Result<()> {
    if let Some(workers) = args.workers {
        Runtime::builder().workers(workers.into()).start()?;
    }
    let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
    let server = StreamServer::bind(&args.address, |stream: TcpStream, _| echo(stream));
    let server = server.map_err(|error| {
        let address = &args.address;
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    println!("listening on {}", server.local_addr());
    server.serve_until(shutdown.event(), GRACE).map(drop)
}

/// Echoes until the client has said all; an error (say, a reset) ends this connection alone.
fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?; // a short answer leaves at once
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            received => stream.write_all(&buffer[..received])?,
        }
    }
}
