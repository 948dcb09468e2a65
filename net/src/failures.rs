//! `Failures`: what became of each address that was tried, as one error.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Addresses with their errors, in the order of failure.
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<(SocketAddr, io::Error)>);

impl Failures {
    pub(crate) fn push(&mut self, addr: SocketAddr, error: io::Error) {
        self.0.push((addr, error));
    }

    /// Makes one error of them, of the kind of the last.
    pub(crate) fn into_error(self) -> io::Error {
        let kind = self.0.last().map(|(_, error)| error.kind());
        io::Error::new(kind.unwrap_or(io::ErrorKind::Other), self)
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect")?;
        for (at, (addr, error)) in self.0.iter().enumerate() {
            let before = if at == 0 { " to" } else { ", nor to" };
            write!(f, "{before} {addr}: {error}")?;
        }
        Ok(())
    }
}

impl Error for Failures {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.last().map(|(_, error)| error as _)
    }
}
