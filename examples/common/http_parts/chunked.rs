//! `ChunkedDecoder`: takes a body out of its chunks (RFC 9112, 7.1), in whatever pieces they come.
//!
//! Strict where a proxy in front might read otherwise: digits and nothing else before an extension,
//! lines that end in CR LF, no control characters. Extensions and trailers are read and forgotten.

/// For a size's extension, and for all trailers: nobody needs more.
const IDLE_TALK: usize = 4 << 10;

/// Four gigabytes less one: enough for any limit.
const DIGITS: u8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkedError {
    /// These are no chunks.
    Malformed,
    /// More data than the limit.
    TooLarge,
}

/// What the next byte is a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many digits have been read.
    Size(u8),
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The start of a trailer, or the CR of the last line.
    Trailer,
    TrailerText,
    TrailerLf,
    LastLf,
    Done,
}

#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
    /// Of this chunk, what is still to come.
    left: usize,
    /// How much data may still come in all.
    room: usize,
    /// How much of extensions and trailers may still come.
    talk: usize,
}

impl ChunkedDecoder {
    /// For a body of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> ChunkedDecoder {
        ChunkedDecoder {
            state: State::Size(0),
            left: 0,
            room: limit,
            talk: IDLE_TALK,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Appends the data in `input` to `body`; returns how many bytes of `input` it has used: all,
    /// unless the body ends before. After an error, nothing can be said of what follows.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<usize, ChunkedError> {
        let mut used = 0;
        while used < input.len() && !self.is_done() {
            if self.state == State::Data {
                let count = self.left.min(input.len() - used);
                body.extend_from_slice(&input[used..used + count]);
                used += count;
                self.left -= count;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.state = self.step(input[used])?;
                used += 1;
            }
        }
        Ok(used)
    }

    /// The state after `byte`.
    fn step(&mut self, byte: u8) -> Result<State, ChunkedError> {
        Ok(match (self.state, byte) {
            (State::Size(1..), b'\r') => State::SizeLf,
            (State::Size(1..), b';') => State::Extension,
            (State::Size(digits), _) => self.digit(digits, byte)?,
            (State::Extension, b'\r') => State::SizeLf,
            (State::Extension, _) => self.skip(byte, State::Extension)?,
            (State::SizeLf, b'\n') => self.begin()?,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size(0),
            (State::Trailer, b'\r') => State::LastLf,
            (State::TrailerText, b'\r') => State::TrailerLf,
            (State::Trailer | State::TrailerText, _) => self.skip(byte, State::TrailerText)?,
            (State::TrailerLf, b'\n') => State::Trailer,
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(ChunkedError::Malformed),
        })
    }

    fn digit(&mut self, digits: u8, byte: u8) -> Result<State, ChunkedError> {
        let digit = char::from(byte).to_digit(16);
        let digit = digit.ok_or(ChunkedError::Malformed)? as usize;
        if digits == DIGITS {
            return Err(ChunkedError::Malformed);
        }
        self.left = self.left * 16 + digit;
        Ok(State::Size(digits + 1))
    }

    /// After the line with the size.
    fn begin(&mut self) -> Result<State, ChunkedError> {
        self.room = self
            .room
            .checked_sub(self.left)
            .ok_or(ChunkedError::TooLarge)?;
        Ok(if self.left == 0 {
            State::Trailer
        } else {
            State::Data
        })
    }

    fn skip(&mut self, byte: u8, next: State) -> Result<State, ChunkedError> {
        let is_text = byte == b'\t' || byte >= b' ' && byte != 0x7f;
        match self.talk.checked_sub(1) {
            Some(talk) if is_text => {
                self.talk = talk;
                Ok(next)
            }
            _ => Err(ChunkedError::Malformed),
        }
    }
}
