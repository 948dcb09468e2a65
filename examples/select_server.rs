//! An upper-case echo server for many clients on one green thread, by `select`.
//!
//! ```text
//! cargo run --release --example select_server                 # 127.0.0.1:16002
//! cargo run --release --example select_server -- 127.0.0.1:0  # any free port
//! nc -N 127.0.0.1 16002                                       # every line comes back in capitals
//! ```
//!
//! As a rule a green thread for each connection is simpler, see `gevent_server`; `select` is for
//! programs that are built around it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::iter;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use greenloop::net::{Events, TcpListener, TcpStream, select};

#[path = "common/loud_echo.rs"]
mod loud_echo;

use loud_echo::LoudEcho;

/// Sends back whatever it receives, in capitals.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16002")]
    address: String,
}

type Clients = BTreeMap<RawFd, (TcpStream, LoudEcho)>;

fn main() -> ExitCode {
    let Args { address } = Args::parse();
    let listener = match listen(&address) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("select_server: cannot listen on {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = greenloop::run(|| serve(&listener));
    served.unwrap_or_else(|error| eprintln!("select_server: {error}"));
    ExitCode::FAILURE
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Goes on for ever, whatever the clients do.
fn serve(listener: &TcpListener) -> io::Result<()> {
    let mut clients = Clients::new();
    loop {
        let asking = |events| {
            let asks = move |(_, echo): &&(TcpStream, LoudEcho)| echo.wants().contains(events);
            clients
                .values()
                .filter(asks)
                .map(|(stream, _)| stream.as_fd())
        };
        let readable: Vec<BorrowedFd<'_>> = iter::once(listener.as_fd())
            .chain(asking(Events::READABLE))
            .collect();
        let writable: Vec<BorrowedFd<'_>> = asking(Events::WRITABLE).collect();
        let ready = select(&readable, &writable, &[], None)?;

        for fd in ready.writable {
            advance(&mut clients, fd, Events::WRITABLE);
        }
        for fd in ready.readable {
            if fd == listener.as_raw_fd() {
                accept(listener, &mut clients);
            } else {
                advance(&mut clients, fd, Events::READABLE);
            }
        }
    }
}

fn accept(listener: &TcpListener, clients: &mut Clients) {
    let accepted = listener.accept().and_then(|(stream, _)| {
        stream.set_nonblocking(true)?;
        Ok(stream)
    });
    match accepted {
        Ok(stream) => drop(clients.insert(stream.as_raw_fd(), (stream, LoudEcho::default()))),
        // The client has given up.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => {
            eprintln!("select_server: cannot accept: {error}");
            greenloop::sleep(Duration::from_millis(10)); // it is still ready
        }
    }
}

/// A client that has said all, or is gone, is forgotten, and its stream closed.
fn advance(clients: &mut Clients, fd: RawFd, ready: Events) {
    let Some((stream, echo)) = clients.get_mut(&fd) else {
        return;
    };
    if echo.advance(stream, ready).is_err() || echo.wants().is_empty() {
        clients.remove(&fd);
    }
}
