//! The load generator for echo servers: a closed loop on one thread, which checks every byte that comes back.
//!
//! Each connection has so many messages on their way and sends one more for each answer. It ends by the clock,
//! whatever the server does.

use hdrhistogram::Histogram;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub port: u16,
    pub connections: usize,
    /// Bytes of a message.
    pub size: usize,
    /// Messages on their way on each connection.
    pub depth: usize,
    /// How long it is measured, after [`WARM_UP`].
    pub time: Duration,
}

/// What passes before rate and latencies count.
pub const WARM_UP: Duration = Duration::from_millis(300);

const BUFFER: usize = 64 << 10;
/// Prime, so that a byte in a wrong place shows whatever the size of messages and buffers.
const PERIOD: usize = 251;

/// Loads the server, and returns the figures.
///
/// # Errors
///
/// When it cannot be reached.
pub fn run(load: Load) -> io::Result<Value> {
    let mut poll = Poll::new()?;
    let mut connections = (0..load.connections)
        .map(|index| Connection::open(load, index, &poll))
        .collect::<io::Result<Vec<_>>>()?;
    let mut tally = Tally::new(load);
    for connection in &mut connections {
        connection.request(load.depth);
        tally.errors += u64::from(connection.send().is_err());
    }
    let mut events = Events::with_capacity(1024);
    while let Some(left) = tally.end.checked_duration_since(Instant::now()) {
        poll.poll(&mut events, Some(left))?;
        for event in &events {
            connections[event.token().0].turn(event, &mut tally);
        }
    }
    Ok(tally.report())
}

struct Connection {
    stream: TcpStream,
    size: usize,
    /// When the messages were due that have no answer yet.
    asked: VecDeque<Instant>,
    /// Bytes, since the beginning.
    due: usize,
    sent: usize,
    received: usize,
    failed: bool,
}

struct Tally {
    pattern: Vec<u8>,
    buffer: Vec<u8>,
    latencies: Histogram<u64>,
    start: Instant,
    end: Instant,
    load: Load,
    /// Answers, those of the warm-up included.
    total: u64,
    errors: u64,
}

impl Connection {
    fn open(load: Load, index: usize, poll: &Poll) -> io::Result<Connection> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, load.port));
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(index), both)?;
        Ok(Connection {
            stream,
            size: load.size,
            asked: VecDeque::with_capacity(load.depth),
            due: 0,
            sent: 0,
            received: 0,
            failed: false,
        })
    }

    fn request(&mut self, count: usize) {
        let now = Instant::now();
        self.asked.extend(std::iter::repeat_n(now, count));
        self.due += count * self.size;
    }

    fn turn(&mut self, event: &Event, tally: &mut Tally) {
        if self.failed {
            return;
        }
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        let result = if readable { self.receive(tally) } else { Ok(0) };
        let result = result.and_then(|answers| {
            self.request(answers);
            self.send_from(&tally.pattern)
        });
        if result.is_err() {
            self.failed = true;
            tally.errors += 1;
        }
    }

    /// Reads what is there; returns how many messages are complete with it.
    fn receive(&mut self, tally: &mut Tally) -> io::Result<usize> {
        let before = self.received;
        loop {
            let count = match self.stream.read(&mut tally.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            let expected = &tally.pattern[self.received % PERIOD..][..count];
            if tally.buffer[..count] != *expected {
                return Err(ErrorKind::InvalidData.into());
            }
            self.received += count;
            if count < BUFFER {
                break; // the next bytes come with an event of their own
            }
        }
        let answers = self.received / self.size - before / self.size;
        let now = Instant::now();
        for asked in self.asked.drain(..answers) {
            tally.record(asked, now);
        }
        Ok(answers)
    }

    fn send(&mut self) -> io::Result<()> {
        self.send_from(&pattern())
    }

    fn send_from(&mut self, pattern: &[u8]) -> io::Result<()> {
        while self.sent < self.due {
            let count = BUFFER.min(self.due - self.sent);
            match self.stream.write(&pattern[self.sent % PERIOD..][..count]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn pattern() -> Vec<u8> {
    (0..BUFFER + PERIOD).map(|at| (at % PERIOD) as u8).collect()
}

impl Tally {
    fn new(load: Load) -> Tally {
        let start = Instant::now() + WARM_UP;
        Tally {
            pattern: pattern(),
            buffer: vec![0; BUFFER],
            latencies: Histogram::new(3).expect("a precision that there is"),
            start,
            end: start + load.time,
            load,
            total: 0,
            errors: 0,
        }
    }

    fn record(&mut self, asked: Instant, now: Instant) {
        self.total += 1;
        if now >= self.start && now < self.end {
            self.latencies += (now - asked).as_nanos() as u64;
        }
    }

    fn report(&self) -> Value {
        let micros = |share| self.latencies.value_at_quantile(share) as f64 / 1e3;
        json!({
            "connections": self.load.connections,
            "size": self.load.size,
            "depth": self.load.depth,
            "total": self.total,
            "rate": (self.latencies.len() as f64 / self.load.time.as_secs_f64()).round(),
            "p50_us": micros(0.5),
            "p99_us": micros(0.99),
            "p999_us": micros(0.999),
            "errors": self.errors,
        })
    }
}
