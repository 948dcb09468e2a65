//! `Request`: a head that `httparse` has taken apart, and its body.

use std::mem::MaybeUninit;

use httparse::Header;

use super::head::{Terms, has_strict_lines};
use super::limits::Limits;
use super::status::Status;

/// More header lines are answered by 431.
pub(crate) const MAX_HEADERS: usize = 64;

/// What a request line has besides method and target: two spaces, the version, the CR.
const AROUND: usize = 11;

/// Room for the headers of one request.
pub(crate) type Room<'a> = [MaybeUninit<Header<'a>>; MAX_HEADERS];

pub(crate) struct Request<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [Header<'a>],
    minor: u8,
    terms: Terms,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// Takes the first request in `bytes` apart; returns the length of its head, too. `None` unless
    /// all of the head is there and nothing is wrong with it: then `parse` says what.
    #[inline] // as what it calls: a request is larger than what it takes to make one
    pub(crate) fn take(
        bytes: &'a [u8],
        room: &'a mut Room<'a>,
        limits: &Limits,
    ) -> Option<(Request<'a>, usize)> {
        let mut parsed = httparse::Request::new(&mut []);
        let Ok(httparse::Status::Complete(len)) = parsed.parse_with_uninit_headers(bytes, room)
        else {
            return None;
        };
        let line = parsed.method?.len() + parsed.path?.len() + AROUND;
        let is_strict = has_strict_lines(&bytes[..len], parsed.headers);
        if !is_strict || line >= limits.line || len > limits.head {
            return None;
        }
        Some((Request::of(parsed).ok()?, len))
    }

    /// Takes a whole head apart, its last line included.
    pub(crate) fn parse(head: &'a [u8], room: &'a mut Room<'a>) -> Result<Request<'a>, Status> {
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(head, room) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => Request::of(parsed),
            Ok(_) => Err(Status::BadRequest),
            Err(error) => Err(refusal(error, head)),
        }
    }

    #[inline]
    fn of(parsed: httparse::Request<'a, 'a>) -> Result<Request<'a>, Status> {
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(Status::BadRequest);
        };
        if !is_known(method) {
            return Err(Status::NotImplemented);
        }
        Ok(Request {
            method,
            path: path(method, target).ok_or(Status::BadRequest)?,
            minor,
            terms: Terms::of(minor, parsed.headers)?,
            headers: parsed.headers,
            body: &[],
        })
    }

    pub(crate) fn set_body(&mut self, body: &'a [u8]) {
        self.body = body;
    }

    pub(crate) fn method(&self) -> &str {
        self.method
    }

    /// The path as it was sent, percent signs and all, without the query.
    pub(crate) fn path(&self) -> &str {
        let end = self.path.find('?').unwrap_or(self.path.len());
        &self.path[..end]
    }

    /// The value of the first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let is_named = |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
        Some(self.headers.iter().find(is_named)?.value)
    }

    pub(crate) fn body(&self) -> &[u8] {
        self.body
    }

    pub(crate) fn terms(&self) -> Terms {
        self.terms
    }

    /// Is it HTTP/1.0?
    pub(crate) fn is_old(&self) -> bool {
        self.minor == 0
    }

    /// Is the answer's head all that is wanted?
    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }
}

/// Any other method is answered by 501.
fn is_known(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "TRACE" | "CONNECT"
    )
}

/// The path in a target of any form, or `None` if the method cannot have such a target.
fn path<'a>(method: &str, target: &'a str) -> Option<&'a str> {
    if !target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#')
    {
        return None;
    }
    match (method, target) {
        ("CONNECT", _) => (!target.contains('/')).then_some(target),
        ("OPTIONS", "*") => Some(target),
        _ if target.starts_with('/') => Some(target),
        _ => absolute(target),
    }
}

/// `http://host/path`, as a proxy gets it; a server has to understand it as well.
fn absolute(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let is_http = ["http", "https"]
        .iter()
        .any(|it| scheme.eq_ignore_ascii_case(it));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    match &rest[end..] {
        _ if !is_http || end == 0 => None,
        path if path.starts_with('/') => Some(path),
        _ => Some("/"),
    }
}

/// The answer to what `httparse` cannot read.
fn refusal(error: httparse::Error, head: &[u8]) -> Status {
    match error {
        httparse::Error::TooManyHeaders => Status::HeadersTooLarge,
        httparse::Error::Version if has_strange_version(head) => Status::VersionNotSupported,
        _ => Status::BadRequest,
    }
}

/// Is the request line well-formed, but of another version?
fn has_strange_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    let (version, more) = (words.next(), words.next());
    match version.and_then(|it| it.strip_prefix(b"HTTP/")) {
        Some([b'1', b'.', b'0' | b'1']) => false,
        Some([major, b'.', minor]) if more.is_none() => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}
