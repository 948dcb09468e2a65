//! `Request`: the head of a question.

use std::io::{self, Read};

use crate::answer::Answer;
use crate::query::Query;

/// Bytes that a head may have; browsers send less than one KiB.
const HEAD: usize = 16 << 10;
/// Lines that it may have.
const LINES: usize = 64;

/// What was asked.
#[derive(Debug)]
pub(crate) struct Request {
    is_get: bool,
    pub(crate) path: String,
    pub(crate) query: Query,
    /// None if there is none, or several.
    pub(crate) host: Option<String>,
    authorization: Option<String>,
    pub(crate) keeps: bool,
    has_body: bool,
}

/// What became of the attempt to read one.
pub(crate) enum Head {
    /// The other side has closed.
    End,
    Bad(Answer),
    Good(Request),
}

impl Request {
    /// Reads one, and leaves what follows it in `received`.
    pub(crate) fn read(mut from: impl Read, received: &mut Vec<u8>) -> io::Result<Head> {
        let mut chunk = [0; 4096];
        loop {
            match parse(received) {
                Ok(Some((length, request))) => {
                    received.drain(..length);
                    return Ok(request.check().map_or_else(Head::Bad, Head::Good));
                }
                Ok(None) if received.len() >= HEAD => return Ok(Head::Bad(Answer::too_large())),
                Ok(None) => {}
                Err(answer) => return Ok(Head::Bad(answer)),
            }
            match from.read(&mut chunk)? {
                0 => return Ok(Head::End),
                length => received.extend_from_slice(&chunk[..length]),
            }
        }
    }

    fn check(self) -> Result<Request, Answer> {
        match &self {
            it if !it.is_get => Err(Answer::method_not_allowed()),
            it if it.has_body => Err(Answer::bad_request("a question has no body")),
            _ => Ok(self),
        }
    }

    /// The token that it carries.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.authorization.as_deref()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}

/// None if more has to come.
fn parse(bytes: &[u8]) -> Result<Option<(usize, Request)>, Answer> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut head = httparse::Request::new(&mut lines);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Ok(Some((length, understand(&head)?))),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Answer::too_large()),
        Err(error) => Err(Answer::bad_request(&format!(
            "this is no HTTP head: {error}"
        ))),
    }
}

fn understand(head: &httparse::Request<'_, '_>) -> Result<Request, Answer> {
    let target = head.path.unwrap_or_default();
    if !target.starts_with('/') {
        return Err(Answer::bad_request("the address has to begin with a slash"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_new = head.version == Some(1);
    let connection = line(head, "connection")?
        .unwrap_or_default()
        .to_ascii_lowercase();
    let length = line(head, "content-length")?;
    let has_body = length.is_some_and(|it| it != "0") || line(head, "transfer-encoding")?.is_some();
    Ok(Request {
        is_get: head.method == Some("GET"),
        path: path.to_owned(),
        query: Query::parse(query),
        host: line(head, "host")?,
        authorization: line(head, "authorization")?,
        keeps: is_new && !connection.contains("close"),
        has_body,
    })
}

/// The value of a line that may stand there once.
fn line(head: &httparse::Request<'_, '_>, name: &str) -> Result<Option<String>, Answer> {
    let mut values = head
        .headers
        .iter()
        .filter(|it| it.name.eq_ignore_ascii_case(name));
    let value = values.next().map(|it| std::str::from_utf8(it.value));
    let value = value
        .transpose()
        .map_err(|_| bad_line(name, "is no text"))?;
    match values.next() {
        Some(_) => Err(bad_line(name, "stands there twice")),
        None => Ok(value.map(|it| it.trim().to_owned())),
    }
}

fn bad_line(name: &str, why: &str) -> Answer {
    Answer::bad_request(&format!("the line {name} of the head {why}"))
}
