//! Standard error as dumps are written to it: past std's lock, which whoever panics, or hangs, may
//! hold.

use crate::clock;
use crate::source;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

/// Writes `text`, and calls `wrote` after each piece of it. Blocks the OS thread for as long as
/// nobody reads.
pub(super) fn print(text: &str, wrote: impl Fn()) {
    // SAFETY: the process's own descriptor, which is only borrowed: it is never closed here.
    let stderr = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDERR_FILENO) });
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match (&*stderr).write(piece(rest)) {
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

fn wait_for_room() -> bool {
    let entry = libc::pollfd {
        fd: libc::STDERR_FILENO,
        events: libc::POLLOUT,
        revents: 0,
    };
    source::poll(&mut [entry], clock::NEVER).is_ok()
}
