//! Datagrams: an echo server, and a client that asks again when an answer is lost.
//!
//! ```text
//! cargo run --release --example udp_echo                                # serves 127.0.0.1:16004
//! cargo run --release --example udp_echo -- --client hello "good bye"   # asks it
//! cargo run --release --example udp_echo -- --address 127.0.0.1:0       # serves any free port
//! nc -u 127.0.0.1 16004
//! ```

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use greenloop::net::UdpSocket;

/// The longest datagram that there is.
const LONGEST: usize = 65_535;

/// How often a message is sent, and how long each of them is waited for.
const TRIES: usize = 3;
const PATIENCE: Duration = Duration::from_secs(1);

/// Echoes datagrams, or sends some to who does.
#[derive(Parser)]
struct Args {
    /// Where to serve, or with --client whom to ask, as HOST:PORT
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:16004")]
    address: String,
    /// Send these messages, one after another, and print the answers
    #[arg(long, value_name = "MESSAGE", num_args = 1..)]
    client: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let Args { address, client } = Args::parse();
    let outcome = match client {
        Some(messages) => ask(&address, &messages),
        None => serve(&address),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("udp_echo: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    println!("listening on {}", socket.local_addr()?);
    let mut buffer = vec![0; LONGEST];
    loop {
        let echoed = socket
            .recv_from(&mut buffer)
            .and_then(|(length, from)| socket.send_to(&buffer[..length], from));
        // It is about one datagram; the next may fare better.
        if let Err(error) = echoed {
            eprintln!("udp_echo: {error}");
        }
    }
}

fn ask(address: &str, messages: &[String]) -> io::Result<()> {
    let server = address.to_socket_addrs()?.next();
    let server = server.ok_or_else(|| io::Error::other("the name has no address"))?;
    let ours = match server {
        SocketAddr::V4(_) => "0.0.0.0:0",
        SocketAddr::V6(_) => "[::]:0",
    };
    let socket = UdpSocket::bind(ours)?;
    socket.connect(server)?; // answers of others are not heard, and a missing server is told
    socket.set_read_timeout(Some(PATIENCE))?;
    for message in messages {
        println!("{}", exchange(&socket, message)?);
    }
    Ok(())
}

/// Sends it until it comes back. A late echo of the message before is not taken for it.
fn exchange(socket: &UdpSocket, message: &str) -> io::Result<String> {
    let mut buffer = vec![0; LONGEST];
    for _ in 0..TRIES {
        socket.send(message.as_bytes())?;
        loop {
            match socket.recv(&mut buffer) {
                Ok(length) if buffer[..length] == *message.as_bytes() => {
                    return Ok(message.to_owned());
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    let why = format!("no answer to {message:?}, which was sent {TRIES} times");
    Err(io::Error::new(ErrorKind::TimedOut, why))
}
