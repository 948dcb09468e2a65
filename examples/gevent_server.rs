//! An echo server in blocking style: each connection is a green thread.
//!
//! ```text
//! cargo run --release --example gevent_server                 # 127.0.0.1:16000
//! cargo run --release --example gevent_server -- 127.0.0.1:0  # any free port
//! nc 127.0.0.1 16000                                          # every line comes back; Ctrl-D ends
//! cargo run --release --example echo_client -- 127.0.0.1:16000 --connections 1000
//! ```
//!
//! For ten thousand connections let both programs open as many files first: `ulimit -n 20000`.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use greenloop::net::{TcpListener, TcpStream};
use greenloop::spawn;

/// Sends back whatever it receives, on every connection at once.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16000")]
    address: String,
}

fn main() -> ExitCode {
    let Args { address } = Args::parse();
    let (listener, bound) = match listen(&address) {
        Ok(listening) => listening,
        Err(error) => {
            eprintln!("gevent_server: cannot listen on {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {bound}");
    for accepted in listener.incoming() {
        match accepted {
            Ok(stream) => drop(spawn(move || echo(stream))),
            Err(error) => eprintln!("gevent_server: cannot accept: {error}"),
        }
    }
    ExitCode::SUCCESS
}

fn listen(address: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
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
