//! `Input`: what has come from the stream and is not decrypted yet.

use std::io::{self, Read};

use rustls::Connection;

use super::failure;

/// What one read takes at first; an idle connection holds no more.
const SMALL: usize = 4 << 10;

/// What a read takes after one that was filled: as much as a record.
const LARGE: usize = 16 << 10;

/// Ciphertext in its order.
#[derive(Debug)]
pub(super) struct Input {
    bytes: Vec<u8>,
    used: usize,
    next_read: usize,
}

impl Input {
    pub(super) fn new() -> Input {
        Input {
            bytes: Vec::new(),
            used: 0,
            next_read: SMALL,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == self.bytes.len()
    }

    /// Reads once; waits for the stream. Zero is its end. Only when it is empty.
    pub(super) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.clear();
        let mut bytes = vec![0; self.next_read];
        let count = stream.read(&mut bytes)?;
        self.next_read = if count == bytes.len() { LARGE } else { SMALL };
        bytes.truncate(count);
        self.bytes = bytes;
        Ok(count)
    }

    /// Lets rustls decrypt some of it; with nothing in it, rustls repeats an earlier error.
    pub(super) fn decrypt_some(&mut self, connection: &mut Connection) -> io::Result<()> {
        if !self.is_empty() {
            self.used += connection.read_tls(&mut &self.bytes[self.used..])?;
        }
        if self.is_empty() {
            self.clear();
        }
        let decrypted = connection.process_new_packets();
        decrypted.map_err(|cause| failure::of_peer("the TLS connection failed", cause))?;
        Ok(())
    }

    fn clear(&mut self) {
        self.bytes = Vec::new(); // an idle connection holds no memory
        self.used = 0;
    }
}
