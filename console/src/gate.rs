//! `Gate`: who may ask.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use subtle::ConstantTimeEq;

use crate::answer::Answer;
use crate::request::Request;

/// Who may ask: those who name the host in a way that is allowed, and have the token, if there is
/// one.
#[derive(Debug)]
pub(crate) struct Gate {
    token: Option<Token>,
    /// Names that are allowed, in lower case.
    hosts: Vec<String>,
}

/// What a question has to carry.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Gate {
    pub(crate) fn new(token: Option<Token>, hosts: Vec<String>) -> Gate {
        Gate { token, hosts }
    }

    /// Refuses a question under a name that may be somebody else's: the address behind it may have
    /// been changed so that a foreign page reads ours.
    pub(crate) fn check_host(&self, request: &Request) -> Result<(), Answer> {
        let Some(host) = request.host.as_deref() else {
            return Err(Answer::bad_request("the head has no Host, or several"));
        };
        let name = without_port(host).to_ascii_lowercase();
        if is_address(&name) || name == "localhost" || self.hosts.contains(&name) {
            return Ok(());
        }
        Err(Answer::forbidden(
            "this host name is not allowed; use an address, or allow it by `console().host(…)`\n",
        ))
    }

    /// Refuses a question without the token.
    pub(crate) fn check_token(&self, request: &Request) -> Result<(), Answer> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        match request.bearer() {
            Some(given) if token.is(given) => Ok(()),
            Some(_) => Err(Answer::unauthorized("this is not the token\n")),
            None => Err(Answer::unauthorized(
                "a token is needed: open /#token=TOKEN, or send `Authorization: Bearer TOKEN`\n",
            )),
        }
    }
}

impl Token {
    pub(crate) fn new(text: String) -> Token {
        Token(text)
    }

    /// Can it be sent in a head, and not be guessed?
    pub(crate) fn check(&self) -> io::Result<()> {
        let length = self.0.len();
        let is_visible = self
            .0
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let is_trimmed = self.0.trim() == self.0;
        if (16..=256).contains(&length) && is_visible && is_trimmed {
            return Ok(());
        }
        let why = format!(
            "a token of {length} bytes is no good: it has to be 16 to 256 visible ASCII characters"
        );
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }

    /// In a time that depends on the lengths alone.
    fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Of `name:port`, `[v6]:port` or either alone.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_address(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => matches!(name.parse(), Ok(IpAddr::V4(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_ports() {
        let names = ["a", "a:1", "[::1]", "[::1]:80", "1.2.3.4:5"].map(without_port);
        assert_eq!(names, ["a", "a", "[::1]", "[::1]", "1.2.3.4"]);
    }

    #[test]
    fn addresses_are_told_from_names() {
        assert!(
            ["127.0.0.1", "[::1]", "10.1.2.3"]
                .into_iter()
                .all(is_address)
        );
        let names = [
            "127.0.0.1.evil.example",
            "::1",
            "[127.0.0.1]",
            "",
            "0x7f000001",
        ];
        assert!(!names.into_iter().any(is_address));
    }
}
