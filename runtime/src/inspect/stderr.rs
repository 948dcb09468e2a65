//! Standard error as dumps are written to it: past std's lock, which whoever panics, or hangs, may
//! hold.

use crate::clock;
use crate::source;
use std::io::{self, ErrorKind};

/// Writes `text`, and calls `wrote` after each piece of it. Blocks the OS thread for as long as
/// nobody reads.
pub(super) fn print(text: &str, wrote: impl Fn()) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match write(piece(rest)) {
            Ok(count @ 1..) => {
                rest = &rest[count..];
                wrote();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && wait_for_room() => {}
            // It is closed, or fails: there is nobody to tell.
            _ => return,
        }
    }
}

/// As many lines as a pipe takes at once, so that what others write comes between lines.
fn piece(text: &[u8]) -> &[u8] {
    let most = &text[..text.len().min(libc::PIPE_BUF)];
    let end = most.iter().rposition(|byte| *byte == b'\n');
    end.map_or(most, |end| &most[..=end])
}

fn write(piece: &[u8]) -> io::Result<usize> {
    // SAFETY: the piece is valid for its length, and only read; a closed descriptor is an error.
    let count = unsafe { libc::write(libc::STDERR_FILENO, piece.as_ptr().cast(), piece.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

fn wait_for_room() -> bool {
    let entry = libc::pollfd {
        fd: libc::STDERR_FILENO,
        events: libc::POLLOUT,
        revents: 0,
    };
    source::poll(&mut [entry], clock::NEVER).is_ok()
}
