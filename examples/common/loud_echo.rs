//! `LoudEcho`: what is still to be sent to one client of an upper-case echo server that waits for
//! no client.

use std::io::{self, ErrorKind, Read, Write};

use greenloop::net::{Events, TcpStream};

/// No more is read from a client that leaves so many bytes of its answers unread.
const ENOUGH: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct LoudEcho {
    unsent: Vec<u8>,
    has_ended: bool,
}

impl LoudEcho {
    /// What the stream, in non-blocking mode, is to be ready for; nothing when all is done.
    pub(crate) fn wants(&self) -> Events {
        let mut events = Events::empty();
        if !self.has_ended && self.unsent.len() < ENOUGH {
            events |= Events::READABLE;
        }
        if !self.unsent.is_empty() {
            events |= Events::WRITABLE;
        }
        events
    }

    /// Does what `stream` is ready for. An error is the end of this client.
    pub(crate) fn advance(&mut self, stream: &TcpStream, ready: Events) -> io::Result<()> {
        if ready.is_readable() && self.wants().contains(Events::READABLE) {
            self.receive(stream)?;
        }
        if self.unsent.is_empty() {
            return Ok(());
        }
        self.send(stream)
    }

    fn receive(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => self.has_ended = true,
            Ok(count) => self.unsent.extend(buffer[..count].to_ascii_uppercase()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn send(&mut self, mut stream: &TcpStream) -> io::Result<()> {
        match stream.write(&self.unsent) {
            Ok(count) => drop(self.unsent.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
