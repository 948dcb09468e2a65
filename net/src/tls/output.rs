//! `Output`: what is encrypted and has not gone out yet.

use std::io::{self, ErrorKind, Write};

use rustls::Connection;

/// Ciphertext in its order. Whatever cuts a send short, the rest stays.
#[derive(Debug)]
pub(super) struct Output {
    bytes: Vec<u8>,
    sent: usize,
    /// No more may follow: the end was announced.
    pub(super) is_closed: bool,
}

impl Output {
    pub(super) fn new() -> Output {
        Output {
            bytes: Vec::new(),
            sent: 0,
            is_closed: false,
        }
    }

    /// Takes over what rustls has encrypted; returns whether there was anything.
    pub(super) fn take(&mut self, connection: &mut Connection) -> io::Result<bool> {
        let is_some = connection.wants_write();
        while connection.wants_write() {
            connection.write_tls(&mut self.bytes)?;
        }
        Ok(is_some)
    }

    /// Writes all of it; waits for the stream.
    pub(super) fn send(&mut self, stream: &mut impl Write) -> io::Result<()> {
        while self.sent < self.bytes.len() {
            match stream.write(&self.bytes[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes = Vec::new(); // an idle connection holds no memory
        self.sent = 0;
        Ok(())
    }
}
