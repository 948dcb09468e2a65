//! `Input`: the bytes of a connection that have come and are not used up yet.

use std::io::{self, Read};

/// Enough for the requests of a browser; larger ones make it grow.
const USUAL: usize = 4 << 10;

/// So much is written at once; a buffer that has grown beyond it is given back.
pub(crate) const MUCH: usize = 128 << 10;

/// `bytes[start..end]` is unread; the rest is room.
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(crate) fn new() -> Input {
        Input {
            bytes: vec![0; USUAL],
            start: 0,
            end: 0,
        }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Takes `count` bytes out after the first `from`, which stay.
    pub(crate) fn cut(&mut self, from: usize, count: usize) {
        let from = self.start + from;
        self.bytes.copy_within(from + count..self.end, from);
        self.end -= count;
    }

    /// Reads once, whatever comes; 0 is the end of the stream.
    pub(crate) fn fill(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        self.make_room();
        let count = stream.read(&mut self.bytes[self.end..])?;
        self.end += count;
        Ok(count)
    }

    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > MUCH {
                self.bytes = vec![0; USUAL];
            }
        } else if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else if self.end == self.bytes.len() {
            self.bytes.resize(2 * self.end, 0);
        }
    }
}
