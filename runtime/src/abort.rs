//! The last words before the process ends, when the runtime itself is broken: said, not left to
//! undefined behaviour.
//!
//! `Line` is one line on standard error, from where nothing may allocate, lock or wait: a signal
//! handler, a destructor.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A line in a fixed buffer; what does not fit is cut off.
pub(crate) struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line {
            bytes: [0; 512],
            length: 0,
        }
    }

    /// Writes the line in one system call, past any interposed `write` or `syscall`.
    pub(crate) fn print(&self) {
        let (number, bytes) = (libc::SYS_write as usize, self.bytes.as_ptr());
        let (error, bytes) = (libc::STDERR_FILENO as usize, bytes.expose_provenance());
        // SAFETY: the first `length` bytes of the buffer are initialised, and the kernel only reads
        // them.
        unsafe { syscalls::raw::syscall3(number, error, bytes, self.length) };
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
pub(crate) fn broken(what: impl fmt::Display) -> ! {
    abort(format_args!("{what}: this is a bug in greenloop"))
}

/// Ends the process for a reason that is no bug of the runtime.
#[cold]
pub(crate) fn abort(why: impl fmt::Display) -> ! {
    let mut line = Line::new();
    _ = writeln!(line, "greenloop: {why}; aborting");
    line.print();
    std::process::abort()
}

/// Aborts when it is dropped by a panic: in the code that it names there is nobody who could handle
/// one.
pub(crate) struct OnUnwind(pub(crate) &'static str);

impl Drop for OnUnwind {
    fn drop(&mut self) {
        if std::thread::panicking() {
            broken(format_args!("a panic in {}", self.0));
        }
    }
}

/// Runs foreign code of which a panic ends here: the hook has reported it, and there is no one else
/// to tell.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        forget(payload);
    }
}

/// Forgets the payload of a panic that nobody will ever see: its destructor might panic again.
pub(crate) fn forget(payload: Box<dyn std::any::Any + Send>) {
    std::mem::forget(payload);
}
