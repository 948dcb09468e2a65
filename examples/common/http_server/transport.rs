//! `Transport`: what a connection is read from and written to, in the clear or by TLS.

use std::io::{self, IoSlice, Read, Write};
use std::time::Duration;

use super::watch::Watched;

pub(crate) trait Transport: Read + Write {
    /// Says that nothing follows, if the protocol above TCP has a word for it.
    fn say_end(&mut self) -> io::Result<()>;
}

/// The socket of a connection, of whose reads the watchdog takes note.
#[derive(Clone, Copy)]
pub(crate) struct Socket<'a>(pub(crate) &'a Watched);

/// Between two looks for the rest of a request, while the server stops.
const MOMENT: Duration = Duration::from_millis(1);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.0.stream().read(buffer)?;
            if count > 0 {
                self.0.take_note();
            } else if self.0.ends_midway() && !buffer.is_empty() {
                greenloop::sleep(MOMENT);
                continue;
            }
            return Ok(count);
        }
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.stream().write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.stream().write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.stream().flush()
    }
}

impl Transport for Socket<'_> {
    fn say_end(&mut self) -> io::Result<()> {
        Ok(())
    }
}
