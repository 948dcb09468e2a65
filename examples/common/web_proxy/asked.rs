//! `Asked`: what a client wants, from whom, and the head that says so to the target.

use httparse::Header;

use super::body::Extent;
use super::head::{Framing, Terms};
use super::headers;
use super::refusal::Refusal;

const MAX_HEADERS: usize = 100;

/// A target's name or address, and its port.
#[derive(Debug, PartialEq)]
pub(crate) struct Target<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

pub(crate) enum Asked<'a> {
    /// Bytes, both ways.
    Tunnel(Target<'a>),
    /// One request.
    Forward(Forward<'a>),
}

pub(crate) struct Forward<'a> {
    pub(crate) target: Target<'a>,
    /// For the target.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Extent,
    pub(crate) is_head: bool,
    /// It speaks HTTP/1.0, and knows no chunks.
    pub(crate) is_old: bool,
}

impl<'a> Asked<'a> {
    pub(crate) fn parse(head: &'a [u8]) -> Result<Asked<'a>, Refusal> {
        let mut room = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut room);
        parsed.parse(head).map_err(|error| match error {
            httparse::Error::TooManyHeaders => {
                Refusal::new("431 Request Header Fields Too Large", "too many headers")
            }
            httparse::Error::Version => {
                Refusal::new("505 HTTP Version Not Supported", "expected HTTP/1.1 or 1.0")
            }
            error => Refusal::malformed(format!("no HTTP request: {error}")),
        })?;
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(Refusal::malformed("no whole request"));
        };
        let terms = Terms::of(minor, parsed.headers)?;
        if method == "CONNECT" {
            let target = Target::parse(target, None)?;
            return Ok(Asked::Tunnel(target));
        }
        let (authority, path) = take_apart(method, target)?;
        Ok(Asked::Forward(Forward {
            target: Target::parse(authority, Some(80))?,
            head: head_for(method, path, authority, minor, parsed.headers),
            body: match terms.framing {
                Framing::Length(count) => Extent::Length(count),
                Framing::Chunked => Extent::Chunks,
            },
            is_head: method == "HEAD",
            is_old: minor == 0,
        }))
    }
}

impl<'a> Target<'a> {
    /// Takes `host:port` apart; without `usual`, the port must be there.
    fn parse(authority: &'a str, usual: Option<u16>) -> Result<Target<'a>, Refusal> {
        let wrong = || Refusal::malformed(format!("expected HOST:PORT, not '{authority}'"));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
                (host, port.parse().ok().filter(|_| is_number))
            }
            _ => (authority, usual),
        };
        let port = port.filter(|port| *port > 0).ok_or_else(wrong)?;
        let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte);
        let is_fine = match inner {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(is_name),
        };
        let host = inner.unwrap_or(host);
        is_fine.then_some(Target { host, port }).ok_or_else(wrong)
    }
}

/// Takes a target in absolute form apart: its authority, and the path for the target.
fn take_apart<'a>(method: &str, target: &'a str) -> Result<(&'a str, &'a str), Refusal> {
    let Some((scheme, rest)) = target.split_once("://") else {
        let why = "this is a proxy: expected a whole URL, as in GET http://host/path";
        return Err(Refusal::malformed(why));
    };
    if !scheme.eq_ignore_ascii_case("http") {
        let why = format!("expected http, not {scheme}; anything else goes by CONNECT");
        return Err(Refusal::new("501 Not Implemented", why));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let path = match &rest[end..] {
        "" if method == "OPTIONS" => "*",
        "" => "/",
        path => path,
    };
    if path.contains('#') {
        return Err(Refusal::malformed("a fragment is no part of a request"));
    }
    Ok((&rest[..end], path))
}

fn head_for(
    method: &str,
    path: &str,
    authority: &str,
    minor: u8,
    headers: &[Header<'_>],
) -> Vec<u8> {
    let slash = if path.starts_with('?') { "/" } else { "" };
    let mut head = format!("{method} {slash}{path} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    headers::pass_on(headers, &["Host"], &mut head);
    let ours = format!("Via: 1.{minor} greenloop\r\nConnection: close\r\n\r\n");
    head.extend_from_slice(ours.as_bytes());
    head
}
