//! Datagrams: each socket has one on its way, and asks again when its answer is lost.

use super::{Load, Tally};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use serde_json::Value;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// An answer that has not come by then was lost, which is an error.
const LOST: Duration = Duration::from_millis(500);

pub(super) fn run(load: Load) -> io::Result<Value> {
    let mut poll = Poll::new()?;
    let sockets = (0..load.connections).map(|index| Socket::open(load, index, &poll));
    let mut sockets = sockets.collect::<io::Result<Vec<_>>>()?;
    let mut tally = Tally::new(load);
    for socket in &mut sockets {
        socket.ask()?;
    }
    let mut events = Events::with_capacity(1024);
    let mut looked = Instant::now();
    while let Some(left) = tally.left() {
        poll.poll(&mut events, Some(left.min(LOST)))?;
        for event in &events {
            sockets[event.token().0].turn(&mut tally)?;
        }
        if looked.elapsed() > LOST {
            looked = Instant::now();
            for socket in sockets.iter_mut().filter(|it| it.asked.elapsed() > LOST) {
                tally.errors += 1;
                socket.ask()?;
            }
        }
    }
    Ok(tally.report())
}

struct Socket {
    socket: UdpSocket,
    /// The number of the question, and then bytes that it needs.
    message: Vec<u8>,
    asked: Instant,
    number: u64,
}

impl Socket {
    fn open(load: Load, index: usize, poll: &Poll) -> io::Result<Socket> {
        let mut socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        socket.connect(load.address())?;
        poll.registry()
            .register(&mut socket, Token(index), Interest::READABLE)?;
        let message = vec![index as u8; load.size.max(size_of::<u64>())];
        Ok(Socket {
            socket,
            message,
            asked: Instant::now(),
            number: 0,
        })
    }

    fn ask(&mut self) -> io::Result<()> {
        self.number += 1;
        self.message[..8].copy_from_slice(&self.number.to_ne_bytes());
        self.asked = Instant::now();
        match self.socket.send(&self.message) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()), // what found no room is lost
        }
    }

    /// Reads what is there; the answer to the last question is followed by the next one.
    fn turn(&mut self, tally: &mut Tally) -> io::Result<()> {
        let mut answer = vec![0; self.message.len() + 1];
        loop {
            match self.socket.recv(&mut answer) {
                Ok(count) if answer[..count] == self.message => {
                    tally.record(self.asked, Instant::now());
                    self.ask()?;
                }
                Ok(_) => tally.errors += 1, // late, or not what was asked
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
