//! `Script` and `Answers`: the bytes that a connection sends, and the check of what comes back.

use std::io::{self, ErrorKind};

/// The most that one call reads or writes.
pub(super) const BUFFER: usize = 64 << 10;
/// Prime, so that a byte in a wrong place shows whatever the size of messages and buffers.
const PERIOD: usize = 251;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A stream of bytes without an end, which repeats itself, cut into messages.
pub(super) struct Script {
    bytes: Vec<u8>,
    period: usize,
    /// Bytes of a message.
    pub(super) size: usize,
    http: bool,
}

impl Script {
    /// Messages of `size` bytes that are to come back as they are.
    pub(super) fn echo(size: usize) -> Script {
        Script {
            bytes: (0..BUFFER + PERIOD).map(|at| (at % PERIOD) as u8).collect(),
            period: PERIOD,
            size,
            http: false,
        }
    }

    /// Requests for plain text.
    pub(super) fn http() -> Script {
        let repeated = REQUEST.iter().copied().cycle();
        Script {
            bytes: repeated.take(BUFFER + REQUEST.len()).collect(),
            period: REQUEST.len(),
            size: REQUEST.len(),
            http: true,
        }
    }

    /// What follows the first `sent` bytes, up to `due`, as far as one call takes it.
    pub(super) fn after(&self, sent: usize, due: usize) -> &[u8] {
        let from = sent % self.period;
        &self.bytes[from..from + BUFFER.min(due - sent)]
    }

    pub(super) fn answers(&self) -> Answers {
        if self.http {
            Answers::Http(Http::default())
        } else {
            Answers::Echo { received: 0 }
        }
    }
}

/// What a connection has received.
pub(super) enum Answers {
    Echo { received: usize },
    Http(Http),
}

/// Answers to the same request, which all have one length: only their date changes.
#[derive(Default)]
pub(super) struct Http {
    /// The beginning of an answer that is not complete.
    part: Vec<u8>,
    /// Of an answer, with its head; 0 until the first is complete.
    length: usize,
    /// What the first one had.
    body: Vec<u8>,
}

impl Answers {
    /// Returns how many answers are complete with `bytes`.
    ///
    /// # Errors
    ///
    /// `InvalidData` for bytes that are not those expected.
    pub(super) fn take(&mut self, bytes: &[u8], script: &Script) -> io::Result<usize> {
        match self {
            Answers::Echo { received } => {
                if *bytes != *script.after(*received, *received + bytes.len()) {
                    return Err(ErrorKind::InvalidData.into());
                }
                let before = *received / script.size;
                *received += bytes.len();
                Ok(*received / script.size - before)
            }
            Answers::Http(http) => http.take(bytes),
        }
    }
}

impl Http {
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.part.is_empty() || self.length == 0 {
            self.part.extend_from_slice(bytes);
            let all = std::mem::take(&mut self.part);
            return self.take_whole(&all);
        }
        self.take_whole(bytes)
    }

    /// `bytes` begin where an answer does.
    fn take_whole(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length == 0 && !self.learn(bytes)? {
            self.part = bytes.to_vec();
            return Ok(0);
        }
        let answers = bytes.chunks_exact(self.length);
        self.part.extend_from_slice(answers.remainder());
        let count = answers.len();
        for answer in answers {
            if !answer.starts_with(b"HTTP/1.1 200 ") || !answer.ends_with(&self.body) {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        Ok(count)
    }

    /// Finds out from the first answer how long they are; false while it is not complete.
    fn learn(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut headers);
        let head = match answer.parse(bytes) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) => return Ok(false),
            Err(_) => return Err(ErrorKind::InvalidData.into()),
        };
        let mut lengths = answer.headers.iter();
        let length = lengths.find(|it| it.name.eq_ignore_ascii_case("content-length"));
        let length =
            length.and_then(|it| std::str::from_utf8(it.value).ok()?.parse::<usize>().ok());
        let length = head + length.ok_or(ErrorKind::InvalidData)?;
        if bytes.len() < length {
            return Ok(false);
        }
        self.length = length;
        self.body = bytes[head..length].to_vec();
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_answers_are_counted_however_they_are_cut() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        let all = answer.repeat(5);
        for step in 1..all.len() {
            let mut answers = Script::http().answers();
            let takes = all.chunks(step).map(|it| answers.take(it, &Script::http()));
            assert_eq!(takes.map(Result::unwrap).sum::<usize>(), 5, "{step}");
        }
    }

    #[test]
    fn a_wrong_byte_is_seen() {
        let script = Script::echo(64);
        let mut bytes = script.after(0, 64).to_vec();
        assert_eq!(script.answers().take(&bytes, &script).unwrap(), 1);
        bytes[63] ^= 1;
        assert!(script.answers().take(&bytes, &script).is_err());
    }
}
