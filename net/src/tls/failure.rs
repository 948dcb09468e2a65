//! `Failure`: a fault that rustls found, with what was being done.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

/// What was tried, and why it went wrong.
#[derive(Debug)]
struct Failure {
    what: String,
    cause: rustls::Error,
}

/// Makes an error of the peer's doing.
pub(super) fn of_peer(what: impl Into<String>, cause: rustls::Error) -> io::Error {
    error(ErrorKind::InvalidData, what, cause)
}

/// Makes an error of what the caller passed.
pub(super) fn of_input(what: impl Into<String>, cause: rustls::Error) -> io::Error {
    error(ErrorKind::InvalidInput, what, cause)
}

/// Makes an error of what the caller passed, that rustls has not seen.
pub(super) fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, what.into())
}

fn error(kind: ErrorKind, what: impl Into<String>, cause: rustls::Error) -> io::Error {
    let what = what.into();
    io::Error::new(kind, Failure { what, cause })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.cause)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
