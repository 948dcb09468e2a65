//! `Heads`: the heads of a connection's answers, of which most are like the one before.

use super::date::{Date, Millis};
use super::status::Status;

/// What a head says, but for the time and the rare header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) status: Status,
    /// Of the body, in bytes.
    pub(crate) len: u64,
    pub(crate) content_type: &'static str,
    pub(crate) persistence: Persistence,
}

/// What a head says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// What goes without saying in HTTP/1.1.
    Kept,
    /// Kept as well, but HTTP/1.0 has to be told.
    KeptOld,
    Closed,
}

/// Writes heads, and keeps the last one.
#[derive(Default)]
pub(crate) struct Heads {
    date: Date,
    /// What `last` says, if that may be said once more.
    about: Option<About>,
    last: Vec<u8>,
}

impl Heads {
    /// Appends a head to `out`, at this time of the server's clock.
    #[inline]
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        about: About,
        header: Option<(&str, &str)>,
        now: Millis,
    ) {
        if self.date.is_over(now) || header.is_some() || self.about != Some(about) {
            self.make(about, header, now);
        }
        out.extend_from_slice(&self.last);
    }

    fn make(&mut self, about: About, header: Option<(&str, &str)>, now: Millis) {
        self.date.update(now);
        let mut len = itoa::Buffer::new();
        let (name, value, end) = match header {
            Some((name, value)) => (name, value, "\r\n"),
            None => ("", "", ""),
        };
        let parts = [
            about.status.line(),
            "Content-Length: ",
            len.format(about.len),
            "\r\nContent-Type: ",
            about.content_type,
            "\r\n",
            name,
            if end.is_empty() { "" } else { ": " },
            value,
            end,
            about.persistence.line(),
        ];
        self.last.clear();
        for part in parts {
            self.last.extend_from_slice(part.as_bytes());
        }
        self.last.extend_from_slice(self.date.last_line());
        self.about = header.is_none().then_some(about);
    }
}

impl Persistence {
    fn line(self) -> &'static str {
        match self {
            Persistence::Kept => "",
            Persistence::KeptOld => "Connection: keep-alive\r\n",
            Persistence::Closed => "Connection: close\r\n",
        }
    }
}
