//! Heads: where one ends, and what it says of the body and the connection.
//!
//! Whatever two readers could take differently is refused (RFC 9112, 11.2): a proxy in front that
//! sees one request where we see two lets strangers smuggle in the second.

use httparse::Header;

use super::limits::Limits;
use super::status::Status;

/// How much of a head has been looked at.
#[derive(Debug, Default)]
pub(crate) struct HeadScanner {
    /// All line ends before it are CR LF.
    seen: usize,
    /// Where the line began in which `seen` lies.
    line: usize,
}

impl HeadScanner {
    /// Has it seen nothing of a head yet?
    pub(crate) fn is_new(&self) -> bool {
        self.seen == 0
    }

    /// Returns the length of the head that `bytes` begins with, once all of it is there. `bytes`
    /// begins with a request line, and may only grow between two calls.
    pub(crate) fn scan(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<usize>, Status> {
        let within = &bytes[..bytes.len().min(limits.head)];
        while let Some(at) = memchr::memchr(b'\n', &within[self.seen..]) {
            let end = self.seen + at;
            if self.line == 0 && end >= limits.line {
                return Err(Status::UriTooLong);
            }
            if end == 0 || within[end - 1] != b'\r' {
                return Err(Status::BadRequest);
            }
            if end == self.line + 1 {
                *self = HeadScanner::default();
                return Ok(Some(end + 1));
            }
            (self.seen, self.line) = (end + 1, end + 1);
        }
        self.seen = within.len();
        match bytes.len() {
            len if self.line == 0 && len > limits.line => Err(Status::UriTooLong),
            len if len > limits.head => Err(Status::HeadersTooLarge),
            _ => Ok(None),
        }
    }
}

/// Does each line of the head, which has these headers, end in CR LF? `httparse` takes a bare LF as
/// well.
pub(crate) fn has_strict_lines(head: &[u8], headers: &[Header<'_>]) -> bool {
    let follows_strict_line = |header: &Header<'_>| {
        let at = header.name.as_ptr().addr() - head.as_ptr().addr();
        head[..at].ends_with(b"\r\n")
    };
    head.ends_with(b"\r\n\r\n") && headers.iter().all(follows_strict_line)
}

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// What a head's headers say of how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// The client waits for a word before it sends the body.
    pub(crate) expects: bool,
}

/// The headers that matter, as they are met.
#[derive(Default)]
struct Met {
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep: bool,
    expects: bool,
}

/// Which bytes a host may have.
const IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'/' | b'?' | b'#' | b'@' | b'\\' | b',');
        byte += 1;
    }
    table
};

impl Terms {
    /// `minor` is that of HTTP/1.x.
    #[inline]
    pub(crate) fn of(minor: u8, headers: &[Header<'_>]) -> Result<Terms, Status> {
        let mut met = Met::default();
        for header in headers {
            met.meet(minor, header)?;
        }
        let framing = match met.length {
            Some(_) if met.chunked => return Err(Status::BadRequest),
            Some(length) => Framing::Length(length),
            None if met.chunked => Framing::Chunked,
            None => Framing::Length(0),
        };
        if met.hosts > 1 || minor == 1 && met.hosts == 0 {
            return Err(Status::BadRequest);
        }
        Ok(Terms {
            framing,
            keep_alive: !met.close && (minor == 1 || met.keep),
            expects: met.expects,
        })
    }
}

impl Met {
    /// The length of a name tells nearly all others apart.
    #[inline]
    fn meet(&mut self, minor: u8, header: &Header<'_>) -> Result<(), Status> {
        let (name, value) = (header.name, header.value);
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            4 if is("Host") => self.host(value),
            6 if is("Expect") && minor == 1 => self.expect(value),
            10 if is("Connection") => {
                self.connection(value);
                Ok(())
            }
            14 if is("Content-Length") => self.length(value),
            17 if is("Transfer-Encoding") => self.encoding(minor, value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Status> {
        self.hosts += 1;
        refuse_if(!value.iter().all(|&byte| IN_HOST[usize::from(byte)]))
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Status> {
        refuse_if(self.length.is_some() || !value.iter().all(u8::is_ascii_digit))?;
        let number = std::str::from_utf8(value).ok();
        self.length = number.and_then(|digits| digits.parse().ok());
        refuse_if(self.length.is_none())
    }

    /// Other codings than `chunked` would have to come before it.
    fn encoding(&mut self, minor: u8, value: &[u8]) -> Result<(), Status> {
        let last = value.rsplit(|&byte| byte == b',').next();
        let is_chunked = last.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        refuse_if(minor == 0 || self.chunked || !is_chunked)?;
        if value.contains(&b',') {
            return Err(Status::NotImplemented);
        }
        self.chunked = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn expect(&mut self, value: &[u8]) -> Result<(), Status> {
        self.expects = value.eq_ignore_ascii_case(b"100-continue");
        if self.expects {
            Ok(())
        } else {
            Err(Status::ExpectationFailed)
        }
    }
}

fn refuse_if(is_wrong: bool) -> Result<(), Status> {
    if is_wrong {
        Err(Status::BadRequest)
    } else {
        Ok(())
    }
}
