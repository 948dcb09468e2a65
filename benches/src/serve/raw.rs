//! A loop over epoll and nothing else, one a thread with a listener of its own: the limit.

use super::{BUFFER, listen_together};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;

/// What is sent for what has come.
pub(super) trait Protocol: Clone + Send + 'static {
    /// What a connection remembers.
    type Memory: Default;

    /// Appends the answer to `input`; true if `input` itself is the answer.
    fn answer(&self, memory: &mut Self::Memory, input: &[u8], answer: &mut Vec<u8>) -> bool;
}

const LISTENER: Token = Token(usize::MAX);

/// Runs `threads` loops, for ever.
pub(super) fn serve(port: u16, threads: usize, protocol: impl Protocol) -> io::Result<()> {
    for _ in 1..threads {
        let (listener, protocol) = (listen_together(port)?, protocol.clone());
        std::thread::spawn(|| Loop::new(listener, protocol)?.run());
    }
    Loop::new(listen_together(port)?, protocol)?.run()
}

struct Loop<P: Protocol> {
    poll: Poll,
    listener: TcpListener,
    /// By descriptor.
    connections: Vec<Option<Connection<P::Memory>>>,
    protocol: P,
    /// All connections read into it: nothing stays there.
    buffer: Box<[u8]>,
    answer: Vec<u8>,
}

struct Connection<M> {
    stream: TcpStream,
    memory: M,
    /// What the socket had no room for.
    unsent: Vec<u8>,
}

impl<P: Protocol> Loop<P> {
    fn new(listener: std::net::TcpListener, protocol: P) -> io::Result<Loop<P>> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Loop {
            poll,
            listener,
            connections: Vec::new(),
            protocol,
            buffer: vec![0; BUFFER].into(),
            answer: Vec::new(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue, // it is traced
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(at) => self.turn(at),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if stream.set_nodelay(true).is_err() {
                continue; // it has been reset already
            }
            let at = stream.as_raw_fd() as usize;
            let both = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            registry.register(&mut stream, Token(at), both)?;
            if self.connections.len() <= at {
                self.connections.resize_with(at + 1, || None);
            }
            self.connections[at] = Some(Connection {
                stream,
                memory: P::Memory::default(),
                unsent: Vec::new(),
            });
        }
    }

    fn turn(&mut self, at: usize) {
        let Some(mut connection) = self.connections[at].take() else {
            return; // it ended in this very batch
        };
        if self.converse(&mut connection).is_ok() {
            self.connections[at] = Some(connection);
        }
    }

    /// Reads and answers what is there; an error ends the connection.
    fn converse(&mut self, connection: &mut Connection<P::Memory>) -> io::Result<()> {
        connection.flush()?;
        while connection.unsent.is_empty() {
            let count = match connection.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let input = &self.buffer[..count];
            self.answer.clear();
            let protocol = &self.protocol;
            match protocol.answer(&mut connection.memory, input, &mut self.answer) {
                true => connection.send(input)?,
                false => connection.send(&self.answer)?,
            }
            if count < self.buffer.len() {
                return Ok(()); // the next bytes come with an event of their own
            }
        }
        Ok(())
    }
}

impl<M> Connection<M> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = match self.stream.write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)
    }
}
