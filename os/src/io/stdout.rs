//! `Stdout` and `Stderr`: the standard output and the standard error.

use crate::descriptor::Descriptor;
use greenloop_runtime::sync::{ReentrantMutex, ReentrantMutexGuard};
use std::cell::OnceCell;
use std::fmt::Arguments;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

static STDOUT: Output = Output::new(rustix::stdio::stdout);
static STDERR: Output = Output::new(rustix::stdio::stderr);

/// Descriptor 1 or 2, by a number of its own from the first write on.
struct Output {
    standard: fn() -> BorrowedFd<'static>,
    own: ReentrantMutex<OnceCell<Descriptor>>,
}

type Locked<'a> = ReentrantMutexGuard<'a, OnceCell<Descriptor>>;

impl Output {
    const fn new(standard: fn() -> BorrowedFd<'static>) -> Output {
        let own = ReentrantMutex::new(OnceCell::new());
        Output { standard, own }
    }

    fn write(&self, own: &OnceCell<Descriptor>, buf: &[u8]) -> io::Result<usize> {
        if own.get().is_none() {
            let fd = (self.standard)().try_clone_to_owned()?;
            // Opening it does not wait, so nobody else has come here meanwhile.
            let _ = own.set(Descriptor::new(File::from(fd))?);
        }
        own.get().expect("set above").write(buf)
    }
}

/// Makes the handle of a standard stream that is written to, and its lock.
macro_rules! output {
    ($output:ident, $lock:ident, $function:ident, $static:ident, $words:literal) => {
        #[doc = concat!("Returns the ", $words, " of this process.")]
        ///
        /// # Examples
        ///
        /// ```
        /// use greenloop::io::Write;
        ///
        #[doc = concat!("writeln!(greenloop::io::", stringify!($function), "(), \"hello\")?;")]
        /// # std::io::Result::Ok(())
        /// ```
        pub fn $function() -> $output {
            $output(())
        }

        #[doc = concat!("The ", $words, ", as [`std::io::", stringify!($output), "`] is it.")]
        ///
        /// Nothing is buffered: what is written is on its way, also when the process ends. One
        /// `write!`, `writeln!` or `write_all` is put together first and written as a whole, so the
        /// lines of several threads, green or not, do not get mixed. While the reader of a pipe is
        /// slow, the writer waits and holds the lock, and siblings that write nothing run on. Much
        /// output wants a [`BufWriter`](std::io::BufWriter) around the lock.
        ///
        /// A kill or timeout unwinds out of the wait; the part of the text that was written before
        /// stays written.
        ///
        /// # Errors
        ///
        /// `BrokenPipe` when the reader is gone.
        ///
        /// # Examples
        ///
        /// ```
        /// use greenloop::io::Write;
        ///
        /// greenloop::scope(|s| {
        ///     for n in 0..3 {
        ///         s.spawn(move || {
        ///             use greenloop::io;
        #[doc = concat!("            writeln!(io::", stringify!($function), "(), \"I am {n}\")")]
        ///         });
        ///     }
        /// });
        /// ```
        #[derive(Debug)]
        pub struct $output(());

        impl $output {
            /// Locks it, to write several things that belong together. Waits while another thread,
            /// green or not, holds it; whoever holds it may lock it again.
            ///
            /// # Examples
            ///
            /// ```
            /// use greenloop::io::{self, BufWriter, Write};
            ///
            #[doc = concat!("let out = io::", stringify!($function), "().lock();")]
            /// let mut out = BufWriter::new(out);
            /// for n in 0..3 {
            ///     writeln!(out, "line {n}")?;
            /// }
            /// out.flush()?;
            /// # std::io::Result::Ok(())
            /// ```
            pub fn lock(&self) -> $lock<'static> {
                $lock($static.own.lock())
            }

            /// Is it a terminal?
            ///
            /// # Examples
            ///
            /// ```
            /// use greenloop::io;
            ///
            #[doc = concat!("let in_colour = io::", stringify!($function), "().is_terminal();")]
            /// ```
            pub fn is_terminal(&self) -> bool {
                io::$function().is_terminal()
            }
        }

        impl Write for &$output {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.lock().write(buf)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                self.lock().write_all(buf)
            }

            fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
                // Put together without the lock: what is shown may show something itself.
                self.write_all(&formatted(text)?)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl Write for $output {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                (&*self).write_all(buf)
            }

            fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
                (&*self).write_fmt(text)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        impl AsFd for $output {
            fn as_fd(&self) -> BorrowedFd<'_> {
                ($static.standard)()
            }
        }

        impl AsRawFd for $output {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }

        #[doc = concat!("The ", $words, ", [locked](", stringify!($output), "::lock).")]
        ///
        /// # Examples
        ///
        /// ```
        /// use greenloop::io::Write;
        ///
        #[doc = concat!("let mut out = greenloop::io::", stringify!($function), "().lock();")]
        /// writeln!(out, "the first of two lines")?;
        /// writeln!(out, "the second")?;
        /// # std::io::Result::Ok(())
        /// ```
        #[derive(Debug)]
        pub struct $lock<'a>(Locked<'a>);

        impl Write for $lock<'_> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                $static.write(&self.0, buf)
            }

            fn write_fmt(&mut self, text: Arguments<'_>) -> io::Result<()> {
                self.write_all(&formatted(text)?)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}

output!(Stdout, StdoutLock, stdout, STDOUT, "standard output");
output!(Stderr, StderrLock, stderr, STDERR, "standard error");

fn formatted(text: Arguments<'_>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.write_fmt(text)?;
    Ok(bytes)
}
