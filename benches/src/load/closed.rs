//! A closed loop: each connection has so many messages on their way, one more for each answer.

use super::dialogue::{Answers, BUFFER, Script};
use super::{Load, Tally};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

pub(super) fn run(load: Load) -> io::Result<Value> {
    let script = match load.http {
        true => Script::http(),
        false => Script::echo(load.size),
    };
    let mut poll = Poll::new()?;
    let mut connections = (0..load.connections)
        .map(|index| Connection::open(load, index, &script, &poll))
        .collect::<io::Result<Vec<_>>>()?;
    let mut tally = Tally::new(load);
    for connection in &mut connections {
        connection.request(load.depth, &script);
        tally.errors += u64::from(connection.send(&script).is_err());
    }
    let mut buffer = vec![0; BUFFER];
    let mut events = Events::with_capacity(1024);
    while let Some(left) = tally.left() {
        poll.poll(&mut events, Some(left))?;
        for event in &events {
            connections[event.token().0].turn(event, &mut tally, &script, &mut buffer);
        }
    }
    Ok(tally.report())
}

struct Connection {
    stream: TcpStream,
    /// When the messages were due that have no answer yet.
    asked: VecDeque<Instant>,
    /// Bytes, since the beginning.
    due: usize,
    sent: usize,
    answers: Answers,
    failed: bool,
}

impl Connection {
    fn open(load: Load, index: usize, script: &Script, poll: &Poll) -> io::Result<Connection> {
        let limit = Duration::from_secs(5);
        let stream = std::net::TcpStream::connect_timeout(&load.address(), limit)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(index), both)?;
        Ok(Connection {
            stream,
            asked: VecDeque::with_capacity(load.depth),
            due: 0,
            sent: 0,
            answers: script.answers(),
            failed: false,
        })
    }

    fn request(&mut self, count: usize, script: &Script) {
        let now = Instant::now();
        self.asked.extend(std::iter::repeat_n(now, count));
        self.due += count * script.size;
    }

    fn turn(&mut self, event: &Event, tally: &mut Tally, script: &Script, buffer: &mut [u8]) {
        if self.failed {
            return;
        }
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        let result = match readable {
            true => self.receive(tally, script, buffer),
            false => Ok(0),
        };
        let result = result.and_then(|answers| {
            self.request(answers, script);
            self.send(script)
        });
        if result.is_err() {
            self.failed = true;
            tally.errors += 1;
        }
    }

    /// Reads what is there; returns how many messages are complete with it.
    fn receive(
        &mut self,
        tally: &mut Tally,
        script: &Script,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let mut answers = 0;
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            answers += self.answers.take(&buffer[..count], script)?;
            if count < buffer.len() {
                break; // the next bytes come with an event of their own
            }
        }
        if answers > self.asked.len() {
            return Err(ErrorKind::InvalidData.into());
        }
        let now = Instant::now();
        for asked in self.asked.drain(..answers) {
            tally.record(asked, now);
        }
        Ok(answers)
    }

    fn send(&mut self, script: &Script) -> io::Result<()> {
        while self.sent < self.due {
            match self.stream.write(script.after(self.sent, self.due)) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
