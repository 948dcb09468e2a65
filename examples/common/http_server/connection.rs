//! `Connection`: reads what comes, answers all requests in it, and writes the answers at once.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::mem::{self, MaybeUninit};
use std::panic::resume_unwind;
use std::time::Duration;

use greenloop::spawn_blocking;

use super::HttpServer;
use super::buffer::{Input, MUCH};
use super::chunked::{ChunkedDecoder, ChunkedError};
use super::date::Millis;
use super::head::{Framing, HeadScanner, Terms};
use super::heads::{Heads, Persistence};
use super::limits::Limits;
use super::request::{MAX_HEADERS, Request, Room};
use super::response::Response;
use super::status::Status;
use super::transport::Transport;
use super::watch::{Phase, Watched};

/// What a client may still send after it was told that the connection ends: bytes, and time.
const LAST_WORDS: usize = 1 << 20;
const LAST_MOMENTS: Duration = Duration::from_secs(2);

pub(crate) struct Connection<'a, S> {
    stream: S,
    server: &'a HttpServer,
    watched: &'a Watched,
    input: Input,
    scanner: HeadScanner,
    /// The body that came in chunks, once all of them are there.
    unchunked: Option<Vec<u8>>,
    out: Vec<u8>,
    heads: Heads,
    now: Millis,
    /// When the next head has to be there.
    head_by: Option<Millis>,
}

/// Why a connection ends before its client ends it.
enum Failure {
    /// The client is told.
    Refused(Status),
    /// There is nobody to tell.
    Gone,
}

/// What comes after a request.
enum Next {
    /// Perhaps another one.
    Answer,
    /// More bytes have to come.
    Wait,
    /// It was the last one.
    End,
}

impl<'a, S: Transport> Connection<'a, S> {
    pub(crate) fn new(
        stream: S,
        server: &'a HttpServer,
        watched: &'a Watched,
    ) -> Connection<'a, S> {
        let now = watched.now();
        Connection {
            stream,
            server,
            watched,
            input: Input::new(),
            scanner: HeadScanner::default(),
            unchunked: None,
            out: Vec::new(),
            heads: Heads::default(),
            now,
            head_by: Some(now + millis(server.limits.head_time)),
        }
    }

    /// Serves until either side ends the connection.
    pub(crate) fn run(mut self) {
        let is_open = match self.serve() {
            Ok(is_open) => is_open,
            Err(Failure::Gone) => return,
            Err(Failure::Refused(status)) => {
                self.now = self.watched.now();
                self.write(&Response::error(status), Persistence::Closed, false);
                if self.flush().is_err() {
                    return;
                }
                true
            }
        };
        self.say_end();
        if is_open {
            self.linger();
        }
    }

    /// Returns whether the client may still say something.
    fn serve(&mut self) -> Result<bool, Failure> {
        while self.receive()? {
            let goes_on = self.answer_all()?;
            self.flush()?;
            if !goes_on {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits for some of a head; false if the client has said all.
    fn receive(&mut self) -> Result<bool, Failure> {
        let is_idle = self.input.unread().is_empty();
        let limits = &self.server.limits;
        let by = match self.head_by {
            Some(by) => by,
            None if is_idle => self.now + millis(limits.idle_time),
            None => *self.head_by.insert(self.now + millis(limits.head_time)),
        };
        if is_idle {
            self.watched.enter(Phase::Idle, by);
            if self.watched.is_stopping() {
                self.watched.end_if_quiet();
            }
        } else {
            self.watched.enter(Phase::Receiving, by);
        }
        match self.fill() {
            Err(Failure::Refused(_)) if is_idle => Ok(false),
            outcome => outcome.map(|()| true),
        }
    }

    fn fill(&mut self) -> Result<(), Failure> {
        let filled = match self.input.fill(&mut self.stream) {
            // TLS that ends without a word. A request says itself how long it is.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            filled => filled?,
        };
        match filled {
            0 if self.watched.is_cut() => Err(Failure::Refused(Status::RequestTimeout)),
            0 => Err(Failure::Refused(Status::BadRequest)),
            _ => {
                self.now = self.watched.now();
                Ok(())
            }
        }
    }

    /// Answers all that is there; false if the connection is to be closed.
    fn answer_all(&mut self) -> Result<bool, Failure> {
        loop {
            match self.answer()? {
                Next::Wait => return Ok(true),
                Next::End => return Ok(false),
                Next::Answer if self.out.len() > MUCH => self.flush()?,
                Next::Answer => {}
            }
        }
    }

    fn answer(&mut self) -> Result<Next, Failure> {
        loop {
            self.skip_empty_lines();
            let unread = self.input.unread();
            let mut rooms = [[const { MaybeUninit::uninit() }; MAX_HEADERS]; 2];
            let limits = &self.server.limits;
            let Some((mut request, len)) = first(unread, &mut self.scanner, &mut rooms, limits)?
            else {
                return Ok(Next::Wait);
            };
            self.head_by = None;
            let terms = request.terms();
            let (body, taken) = match (terms.framing, &self.unchunked) {
                (Framing::Chunked, Some(body)) => (body.as_slice(), len),
                (Framing::Length(count), _) if count <= (unread.len() - len) as u64 => {
                    let end = len + count as usize;
                    (&unread[len..end], end)
                }
                _ => {
                    self.receive_body(len, terms)?;
                    continue;
                }
            };
            if body.len() > limits.body {
                return Err(Status::ContentTooLarge.into());
            }
            request.set_body(body);
            let response = self.server.handler.handle(&request);
            let persistence = match terms.keep_alive && !self.watched.is_stopping() {
                false => Persistence::Closed,
                true if request.is_old() => Persistence::KeptOld,
                true => Persistence::Kept,
            };
            let is_head = request.is_head();
            self.unchunked = None;
            self.input.consume(taken);
            self.write(&response, persistence, is_head);
            if !is_head && let Some((file, len)) = response.into_file() {
                self.send_file(file, len)?;
            }
            return Ok(match persistence {
                Persistence::Closed => Next::End,
                _ => Next::Answer,
            });
        }
    }

    /// They are allowed before a request, and mean nothing.
    fn skip_empty_lines(&mut self) {
        while self.input.unread().starts_with(b"\r\n") {
            self.input.consume(2);
        }
    }

    fn write(&mut self, response: &Response, persistence: Persistence, is_head: bool) {
        let (out, heads) = (&mut self.out, &mut self.heads);
        response.write(out, heads, persistence, self.now, is_head);
    }

    /// Waits for the body of the request whose head has `len` bytes.
    fn receive_body(&mut self, len: usize, terms: Terms) -> Result<(), Failure> {
        let limits = &self.server.limits;
        if matches!(terms.framing, Framing::Length(count) if count > limits.body as u64) {
            return Err(Status::ContentTooLarge.into());
        }
        if terms.expects && self.input.unread().len() == len {
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.flush()?;
        let by = self.now + millis(limits.body_time);
        self.watched.enter(Phase::Receiving, by);
        match terms.framing {
            Framing::Chunked => self.receive_chunks(len),
            Framing::Length(count) => {
                while ((self.input.unread().len() - len) as u64) < count {
                    self.fill()?;
                }
                Ok(())
            }
        }
    }

    /// Takes the chunks out of the input, where the head stays.
    fn receive_chunks(&mut self, len: usize) -> Result<(), Failure> {
        let mut decoder = ChunkedDecoder::new(self.server.limits.body);
        let mut body = Vec::new();
        loop {
            let used = decoder.decode(&self.input.unread()[len..], &mut body)?;
            self.input.cut(len, used);
            if decoder.is_done() {
                self.unchunked = Some(body);
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// Sends `left` bytes, however large, in parts; those of a small file go with other answers.
    fn send_file(&mut self, mut file: File, mut left: u64) -> Result<(), Failure> {
        while left > 0 {
            let mut out = mem::take(&mut self.out);
            let before = out.len();
            let part = move || {
                let read = (&file).take(left.min(MUCH as u64)).read_to_end(&mut out);
                (file, out, read)
            };
            let read = spawn_blocking(part).join();
            let (back, out, read) = read.unwrap_or_else(|panic| resume_unwind(panic));
            read?;
            (file, self.out) = (back, out);
            let count = (self.out.len() - before) as u64;
            if count == 0 {
                return Err(Failure::Gone); // it has shrunk
            }
            left -= count;
            if self.out.len() >= MUCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes all answers that there are.
    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.now = self.watched.now();
        let by = self.now + millis(self.server.limits.write_time);
        self.watched.enter(Phase::Sending, by);
        self.stream.write_all(&self.out)?;
        self.out.clear();
        self.out.shrink_to(2 * MUCH);
        Ok(())
    }

    /// Says that nothing follows; who does not listen has gone.
    fn say_end(&mut self) {
        let by = self.watched.now() + millis(LAST_MOMENTS);
        self.watched.enter(Phase::Sending, by);
        let _ = self.stream.say_end();
    }

    /// Lets the client see the last answer: closed at once, with bytes unread, the connection would
    /// be reset, and the answer lost.
    fn linger(&mut self) {
        self.watched.end_writing();
        let by = self.watched.now() + millis(LAST_MOMENTS);
        self.watched.enter(Phase::Leaving, by);
        let mut left = LAST_WORDS;
        while left > 0 {
            self.input.consume(self.input.unread().len());
            match self.input.fill(&mut self.stream) {
                Ok(count @ 1..) => left = left.saturating_sub(count),
                _ => return,
            }
        }
    }
}

/// The first request in `bytes`, and the length of its head, once all of that is there.
#[inline]
fn first<'a>(
    bytes: &'a [u8],
    scanner: &mut HeadScanner,
    [room, other]: &'a mut [Room<'a>; 2],
    limits: &Limits,
) -> Result<Option<(Request<'a>, usize)>, Status> {
    match bytes {
        [] | [b'\r'] => return Ok(None),
        [first, ..] if !first.is_ascii_graphic() => return Err(Status::BadRequest),
        _ if !scanner.is_new() => {}
        // Most come in one piece, and are in order.
        _ => match Request::take(bytes, room, limits) {
            None => {}
            taken => return Ok(taken),
        },
    }
    let Some(len) = scanner.scan(bytes, limits)? else {
        return Ok(None);
    };
    Ok(Some((Request::parse(&bytes[..len], other)?, len)))
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Failure {
        Failure::Gone
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure::Refused(status)
    }
}

impl From<ChunkedError> for Failure {
    fn from(error: ChunkedError) -> Failure {
        Failure::Refused(match error {
            ChunkedError::Malformed => Status::BadRequest,
            ChunkedError::TooLarge => Status::ContentTooLarge,
        })
    }
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX / 4)
}
