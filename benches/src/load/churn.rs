//! Churn: connect, one echo, close, so many connections at a time; each that ends is replaced.
//!
//! They are closed by a reset, so that no port is held back for a minute.

use super::dialogue::{BUFFER, Script};
use super::{Load, Tally};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

pub(super) fn run(load: Load) -> io::Result<Value> {
    let script = Script::echo(load.size);
    let mut poll = Poll::new()?;
    let open = |index| Connection::open(load, index, &poll);
    let mut connections = (0..load.connections)
        .map(open)
        .collect::<io::Result<Vec<_>>>()?;
    let mut tally = Tally::new(load);
    let mut buffer = vec![0; BUFFER];
    let mut events = Events::with_capacity(1024);
    while let Some(left) = tally.left() {
        poll.poll(&mut events, Some(left))?;
        for event in &events {
            let index = event.token().0;
            let connection = &mut connections[index];
            match connection.turn(&script, &mut buffer) {
                Ok(false) => continue,
                Ok(true) => tally.record(connection.started, Instant::now()),
                Err(_) => tally.errors += 1,
            }
            *connection = Connection::open(load, index, &poll)?;
        }
    }
    Ok(tally.report())
}

struct Connection {
    stream: TcpStream,
    started: Instant,
    sent: usize,
    received: usize,
}

impl Connection {
    fn open(load: Load, index: usize, poll: &Poll) -> io::Result<Connection> {
        let started = Instant::now();
        let mut stream = TcpStream::connect(load.address())?;
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(index), both)?;
        Ok(Connection {
            stream,
            started,
            sent: 0,
            received: 0,
        })
    }

    /// Whether all that was sent has come back.
    fn turn(&mut self, script: &Script, buffer: &mut [u8]) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        while self.sent < script.size {
            match self.stream.write(script.after(self.sent, script.size)) {
                Ok(count) => self.sent += count,
                Err(error) if is_early(&error) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        while self.received < script.size {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if is_early(&error) => return Ok(false),
                Err(error) => return Err(error),
            };
            let end = self.received + count;
            if buffer[..count] != *script.after(self.received, end) {
                return Err(ErrorKind::InvalidData.into());
            }
            self.received = end;
        }
        Ok(true)
    }
}

/// Not connected yet, or nothing to be read yet.
fn is_early(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::NotConnected
    )
}
