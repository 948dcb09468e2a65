//! `Refusal`: what a client is told instead of an answer from its target.

use std::io::{self, ErrorKind};

use super::status::Status;

#[derive(Debug)]
pub(crate) struct Refusal {
    status: &'static str,
    why: String,
}

impl Refusal {
    /// `status` is a code and its name.
    pub(crate) fn new(status: &'static str, why: impl Into<String>) -> Refusal {
        let why = why.into();
        Refusal { status, why }
    }

    pub(crate) fn malformed(why: impl Into<String>) -> Refusal {
        Refusal::new("400 Bad Request", why)
    }

    pub(crate) fn strange_answer(why: &str) -> Refusal {
        Refusal::new("502 Bad Gateway", format!("the target's answer: {why}"))
    }

    /// Of a target that cannot be reached, or fell silent.
    pub(crate) fn unreachable(error: &io::Error) -> Refusal {
        let status = match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "504 Gateway Timeout",
            _ => "502 Bad Gateway",
        };
        Refusal::new(status, format!("the target: {error}"))
    }

    /// The whole answer.
    pub(crate) fn page(&self) -> String {
        let Refusal { status, why } = self;
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{why}\n",
            why.len() + 1
        )
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal::new(status.page().trim_end(), "the request's head is refused")
    }
}
