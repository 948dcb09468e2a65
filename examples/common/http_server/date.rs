//! `Date`: the line of a head that says the time, made once a second.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// Milliseconds since the server's start.
pub(crate) type Millis = u64;

const PATTERN: &[u8; 39] = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";

pub(crate) struct Date {
    line: [u8; PATTERN.len()],
    /// When the next second begins, by the server's clock.
    until: Millis,
}

impl Default for Date {
    fn default() -> Date {
        Date {
            line: *PATTERN,
            until: 0,
        }
    }
}

impl Date {
    /// Is the time another one than the line says?
    pub(crate) fn is_over(&self, now: Millis) -> bool {
        now >= self.until
    }

    /// Makes it say the time.
    pub(crate) fn update(&mut self, now: Millis) {
        if !self.is_over(now) {
            return;
        }
        let time = SystemTime::now();
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.until = now + 1000 - Millis::from(since.subsec_millis());
        let written = write!(&mut self.line[6..], "{}", HttpDate::from(time));
        debug_assert!(written.is_ok());
    }

    /// The line as a head's last one, with the empty line.
    pub(crate) fn last_line(&self) -> &[u8] {
        &self.line
    }
}
