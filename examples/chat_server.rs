//! A group chat: everybody hears who enters, what is said, and who leaves.
//!
//! ```text
//! cargo run --release --example chat_server                 # datagrams, 127.0.0.1:16006
//! cargo run --release --example chat_client -- ann          # enters as ann; Ctrl-D leaves
//! cargo run --release --example chat_server -- --tcp        # connections
//! nc 127.0.0.1 16006                                        # the first line is the name
//! ```
//!
//! What is typed into the server is announced by the administrator. Over UDP a datagram is `enter
//! NAME`, `say TEXT` or `quit`; over TCP each line after the name is said. Ctrl-C or SIGTERM ends
//! it, which is announced; connections are closed after five seconds.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{self, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::{Parser, value_parser};
use greenloop::net::{StreamServer, TcpStream};
use greenloop::signal::{SIGINT, SIGTERM, Shutdown};
use greenloop::spawn;
use greenloop::sync::Semaphore;
use greenloop::sync::mpsc::{SyncSender, sync_channel};

#[path = "common/chat_room.rs"]
mod chat_room;
#[path = "common/chat_datagrams.rs"]
mod datagrams;

use chat_room::{Room, Seat};

/// How long connections may go on once the chat is to end.
const GRACE: Duration = Duration::from_secs(5);

/// How long a connection may stay without a name.
const INTRODUCTION: Duration = Duration::from_secs(30);

/// How many lines may wait for a member that does not read.
const PATIENCE: usize = 64;

/// Lets people talk to each other.
#[derive(Parser)]
struct Args {
    /// Where to listen, as HOST:PORT; port 0 takes any free one
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:16006")]
    address: String,
    /// Connections instead of datagrams
    #[arg(long)]
    tcp: bool,
    /// How many may be there
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// How many bytes a line may have
    #[arg(long, value_name = "BYTES", default_value_t = 1000)]
    #[arg(value_parser = value_parser!(u32).range(1..=60_000))]
    line: u32,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (clients, longest) = (args.clients as usize, args.line as usize);
    let outcome = if args.tcp {
        serve(&args.address, clients, longest)
    } else {
        datagrams::serve(&args.address, clients, longest)
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat_server: cannot serve {}: {error}", args.address);
            ExitCode::FAILURE
        }
    }
}

fn serve(address: &str, clients: usize, longest: usize) -> io::Result<()> {
    let shutdown = Shutdown::on([SIGTERM, SIGINT])?;
    let room = Arc::new(Room::new(clients, longest));
    let (shared, places) = (room.clone(), Semaphore::new(clients));
    let server = StreamServer::bind(address, move |stream: TcpStream, _| {
        if places.available() == 0 {
            return writeln!(&stream, "the room is full: {clients} are here");
        }
        let _place = places.permit();
        talk(&shared, &Arc::new(stream), longest)
    })?;
    started(server.local_addr());
    announce_typed(room.clone());
    let ending = spawn(move || end_of(&shutdown, &room));
    server.serve_until(&ending, GRACE).map(drop)
}

/// Waits until the chat is to end, and says so to all.
fn end_of<S: Seat>(shutdown: &Shutdown, room: &Room<S>) {
    shutdown.wait();
    room.announce("the chat ends");
}

fn started(address: SocketAddr) {
    println!("listening on {address}");
}

/// What is typed is told to all. Standard input is waited for by an OS thread.
fn announce_typed<S: Seat + Send + 'static>(room: Arc<Room<S>>) {
    thread::spawn(move || {
        let lines = io::stdin().lines().map_while(Result::ok);
        lines.for_each(|line| room.announce(&line));
    });
}

/// A member by its connection: what it is to hear is written by a green thread of its own, so that
/// one who does not read holds up nobody.
struct Connected {
    outbox: SyncSender<String>,
    stream: Arc<TcpStream>,
}

impl Connected {
    fn new(stream: &Arc<TcpStream>) -> Connected {
        let (outbox, lines) = sync_channel::<String>(PATIENCE);
        let writer = stream.clone();
        spawn(move || {
            let mut lines = lines.into_iter();
            lines.try_for_each(|line| (&*writer).write_all(line.as_bytes()))
        });
        let stream = stream.clone();
        Connected { outbox, stream }
    }
}

impl Seat for Connected {
    fn tell(&self, line: &str) {
        if self.outbox.try_send(format!("{line}\n")).is_err() {
            let _ = self.stream.shutdown(net::Shutdown::Both); // its own green thread sees the end
        }
    }
}

/// Serves one connection; an error ends it alone.
fn talk(room: &Room<Connected>, stream: &Arc<TcpStream>, longest: usize) -> io::Result<()> {
    let mut lines = Lines {
        reader: BufReader::new(&**stream),
        longest,
    };
    stream.set_read_timeout(Some(INTRODUCTION))?;
    writeln!(&**stream, "your name?")?;
    let name = loop {
        let Some(line) = lines.next()? else {
            return Ok(());
        };
        let name = String::from_utf8_lossy(&line).into_owned();
        match room.enter(&name, Connected::new(stream)) {
            Ok(()) => break name,
            Err(why) => writeln!(&**stream, "{why}")?,
        }
    };
    let outcome = stream.set_read_timeout(None).and_then(|()| {
        while let Some(line) = lines.next()? {
            if let Err(why) = room.say(&name, &line) {
                room.tell(&name, &why);
            }
        }
        Ok(())
    });
    room.leave(&name);
    outcome
}

struct Lines<R> {
    reader: R,
    longest: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its end; none at the end of all. One that is too long is cut, but
    /// still longer than it may be.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let most = self.longest as u64 + 2;
        let length = self
            .reader
            .by_ref()
            .take(most)
            .read_until(b'\n', &mut line)?;
        if length as u64 == most && !line.ends_with(b"\n") {
            self.reader.skip_until(b'\n')?;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Ok((length > 0).then(|| text.to_vec()))
    }
}
