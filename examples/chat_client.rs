//! Takes part in the chat of `chat_server`: what is typed is said, what is heard is printed.
//!
//! ```text
//! cargo run --release --example chat_server                  # in one terminal
//! cargo run --release --example chat_client -- ann           # in another; Ctrl-D leaves
//! cargo run --release --example chat_client -- --tcp ben     # if the server has --tcp, too
//! ```

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Parser;
use greenloop::net::{TcpStream, UdpSocket};
use greenloop::spawn;

/// How long an answer is waited for, and over UDP how often it is asked for.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: usize = 3;

/// Talks to all who are in the chat.
#[derive(Parser)]
struct Args {
    /// Under which name
    #[arg(value_name = "NAME")]
    name: String,
    /// The server, as HOST:PORT
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:16006")]
    address: String,
    /// By a connection instead of datagrams
    #[arg(long)]
    tcp: bool,
}

fn main() -> ExitCode {
    let Args { name, address, tcp } = Args::parse();
    let talk = if tcp { by_connection } else { by_datagrams };
    let outcome = resolve(&address).and_then(|server| talk(server, &name));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&address, &error),
    }
}

fn fail(address: &str, error: &io::Error) -> ExitCode {
    eprintln!("chat_client: {address}: {error}");
    ExitCode::FAILURE
}

fn resolve(address: &str) -> io::Result<SocketAddr> {
    let found = address.to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::other("the name has no address"))
}

/// What the server says instead, if it does not let us in.
fn expect_entry(name: &str, answer: &str) -> io::Result<()> {
    if answer.trim_end() != format!("{name} has entered") {
        return Err(io::Error::other(answer.trim_end().to_owned()));
    }
    println!("{}", answer.trim_end());
    Ok(())
}

fn by_datagrams(server: SocketAddr, name: &str) -> io::Result<()> {
    let ours = match server {
        SocketAddr::V4(_) => "0.0.0.0:0",
        SocketAddr::V6(_) => "[::]:0",
    };
    let socket = Arc::new(UdpSocket::bind(ours)?);
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    expect_entry(name, &ask(&socket, &format!("enter {name}"))?)?;

    socket.set_read_timeout(None)?;
    let hearing = socket.clone();
    let heard = spawn(move || {
        loop {
            match receive(&hearing) {
                Ok(line) if line == "you have left" => return,
                Ok(line) => println!("{line}"),
                Err(error) => lost(server, &error),
            }
        }
    });
    for line in io::stdin().lines() {
        socket.send(format!("say {}", line?).as_bytes())?;
    }
    socket.send(b"quit")?;
    let _ = heard.join_timeout(PATIENCE); // the answer may be lost
    Ok(())
}

fn ask(socket: &UdpSocket, question: &str) -> io::Result<String> {
    for _ in 0..TRIES {
        socket.send(question.as_bytes())?;
        match receive(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            answer => return answer,
        }
    }
    Err(io::Error::new(ErrorKind::TimedOut, "no answer"))
}

fn receive(socket: &UdpSocket) -> io::Result<String> {
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn by_connection(server: SocketAddr, name: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut answer = String::new();
    reader.read_line(&mut answer)?;
    if !answer.starts_with("your name?") {
        return Err(io::Error::other(answer.trim_end().to_owned()));
    }
    writeln!(stream, "{name}")?;
    answer.clear();
    reader.read_line(&mut answer)?;
    expect_entry(name, &answer)?;

    let leaving = Arc::new(AtomicBool::new(false));
    let is_leaving = leaving.clone();
    let heard = spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            println!("{line}");
        }
        if !is_leaving.load(Ordering::Relaxed) {
            lost(
                server,
                &io::Error::other("the server has closed the connection"),
            );
        }
    });
    for line in io::stdin().lines() {
        writeln!(stream, "{}", line?)?;
    }
    leaving.store(true, Ordering::Relaxed);
    stream.shutdown(Shutdown::Write)?;
    let _ = heard.join_timeout(PATIENCE); // closed too soon, the stream may lose the last words
    Ok(())
}

/// The one who types would not notice.
fn lost(server: SocketAddr, error: &io::Error) -> ! {
    fail(&server.to_string(), error);
    process::exit(1)
}
