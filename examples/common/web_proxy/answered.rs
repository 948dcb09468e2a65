//! `Answered`: the head of a target's answer, and the head that says so to the client.

use httparse::Header;

use super::body::Extent;
use super::headers::{self, values};
use super::refusal::Refusal;

const MAX_HEADERS: usize = 200;

pub(crate) struct Answered {
    pub(crate) code: u16,
    /// For the client.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Extent,
}

impl Answered {
    /// To a request for the head alone, and by a client who knows no chunks, if so.
    pub(crate) fn parse(head: &[u8], is_head: bool, is_old: bool) -> Result<Answered, Refusal> {
        let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut room);
        let outcome = parsed.parse(head);
        outcome.map_err(|error| Refusal::strange_answer(&error.to_string()))?;
        let (Some(code), Some(minor)) = (parsed.code, parsed.version) else {
            return Err(Refusal::strange_answer("it has no status"));
        };
        let has_none = is_head || matches!(code, 100..200 | 204 | 304);
        let body = if has_none {
            Extent::Length(0)
        } else {
            extent(parsed.headers)?
        };
        let reason = parsed.reason.unwrap_or("");
        let mut head = format!("HTTP/1.1 {code} {reason}\r\n").into_bytes();
        let replaced: &[&str] = match body {
            Extent::Chunks if is_old => &["Transfer-Encoding"],
            _ => &[],
        };
        headers::pass_on(parsed.headers, replaced, &mut head);
        if code >= 200 {
            head.extend_from_slice(format!("Via: 1.{minor} greenloop\r\n").as_bytes());
            head.extend_from_slice(b"Connection: close\r\n");
        }
        head.extend_from_slice(b"\r\n");
        Ok(Answered { code, head, body })
    }
}

fn extent(headers: &[Header<'_>]) -> Result<Extent, Refusal> {
    let strange = || Refusal::strange_answer("nobody can tell how long it is");
    let mut lengths = values(headers, "Content-Length");
    let mut codings = values(headers, "Transfer-Encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Extent::ToTheEnd),
        (None, Some(coding)) if codings.next().is_none() => {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            is_chunked.then_some(Extent::Chunks).ok_or_else(strange)
        }
        (Some(length), None) if lengths.next().is_none() => {
            let is_number = length.iter().all(u8::is_ascii_digit);
            let digits = std::str::from_utf8(length).ok().filter(|_| is_number);
            let length = digits.and_then(|digits| digits.parse().ok());
            length.map(Extent::Length).ok_or_else(strange)
        }
        _ => Err(strange()),
    }
}
