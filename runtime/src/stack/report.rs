//! `Line`: one line on standard error, from where nothing may allocate, lock or wait.

use std::fmt::{self, Write};

/// A line in a fixed buffer; what does not fit is cut off.
pub(super) struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    pub(super) fn new() -> Line {
        Line {
            bytes: [0; 512],
            length: 0,
        }
    }

    /// Writes the line in one system call, past any interposed `write`.
    pub(super) fn print(&self) {
        // SAFETY: the first `length` bytes of the buffer are initialised, and the kernel only reads
        // them.
        unsafe {
            libc::syscall(
                libc::SYS_write,
                libc::STDERR_FILENO,
                self.bytes.as_ptr(),
                self.length,
            )
        };
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        Ok(())
    }
}

/// Ends the process, because an invariant of the runtime does not hold.
#[cold]
pub(super) fn broken(what: &str) -> ! {
    let mut line = Line::new();
    _ = writeln!(
        line,
        "greenloop: {what}: this is a bug in greenloop; aborting"
    );
    line.print();
    std::process::abort()
}
