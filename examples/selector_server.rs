//! An upper-case echo server for many clients on one green thread, with a callback for each
//! descriptor, by `Selector`.
//!
//! ```text
//! cargo run --release --example selector_server                 # 127.0.0.1:16003
//! cargo run --release --example selector_server -- 127.0.0.1:0  # any free port
//! nc -N 127.0.0.1 16003                                         # lines come back in capitals
//! ```

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use greenloop::net::{self, Events, TcpListener, TcpStream};

#[path = "common/loud_echo.rs"]
mod loud_echo;

use loud_echo::LoudEcho;

/// Sends back whatever it receives, in capitals.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16003")]
    address: String,
}

type Selector = net::Selector<Socket, Callback>;
type Call = fn(&mut Selector, RawFd, Events) -> io::Result<()>;

/// What is to be done when a socket is ready, and with what.
struct Callback {
    call: Call,
    echo: LoudEcho,
}

impl Callback {
    fn new(call: Call) -> Callback {
        let echo = LoudEcho::default();
        Callback { call, echo }
    }
}

enum Socket {
    Listener(TcpListener),
    Client(TcpStream),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Listener(listener) => listener.as_fd(),
            Socket::Client(stream) => stream.as_fd(),
        }
    }
}

fn main() -> ExitCode {
    let Args { address } = Args::parse();
    let listener = match listen(&address) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("selector_server: cannot listen on {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = greenloop::run(|| serve(listener));
    served.unwrap_or_else(|error| eprintln!("selector_server: {error}"));
    ExitCode::FAILURE
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Goes on for ever, whatever the clients do.
fn serve(listener: TcpListener) -> io::Result<()> {
    let mut selector = Selector::new();
    selector.register(
        Socket::Listener(listener),
        Events::READABLE,
        Callback::new(accept),
    )?;
    loop {
        for (fd, ready) in selector.select(None)? {
            let Some(key) = selector.get(fd) else {
                continue;
            };
            (key.data().call)(&mut selector, fd, ready)?;
        }
    }
}

fn accept(selector: &mut Selector, fd: RawFd, _: Events) -> io::Result<()> {
    let Some(Socket::Listener(listener)) = selector.get(fd).map(|key| key.io()) else {
        return Ok(());
    };
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(true)?;
            let client = Socket::Client(stream);
            selector.register(client, Events::READABLE, Callback::new(echo))?;
        }
        // The client has given up.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => {
            eprintln!("selector_server: cannot accept: {error}");
            greenloop::sleep(Duration::from_millis(10)); // it is still ready
        }
    }
    Ok(())
}

/// A client that has said all, or is gone, is forgotten, and its stream closed.
fn echo(selector: &mut Selector, fd: RawFd, ready: Events) -> io::Result<()> {
    let Some((Socket::Client(stream), callback)) = selector.get_mut(fd).map(|key| key.parts_mut())
    else {
        return Ok(());
    };
    let advanced = callback.echo.advance(stream, ready);
    let wants = callback.echo.wants();
    if advanced.is_err() || wants.is_empty() {
        return selector.unregister(fd).map(drop);
    }
    selector.modify(fd, wants)
}
