//! `greenloop::io`: the standard streams and pipes, for whose slowness no sibling waits.
//!
//! All of [`std::io`] is here, so that a program is ported by a change of `use` lines;
//! [`stdin`], [`stdout`], [`stderr`] and [`pipe`] are this crate's own. On a green thread they park
//! it, and on an OS thread they block it.
//!
//! The mode of a standard stream is never changed, since other processes share it. A pipe or
//! socket waits in the reactor; a terminal's input, too; a file is read and written on the blocking
//! pool, as [`fs::File`](crate::fs::File) is. The descriptors 0, 1 and 2 are duplicated at the
//! first use, and what is put in their place later is not noticed.
//!
//! Input is buffered, as std's is, and in a buffer of its own: a program that reads from both
//! `std::io::stdin` and this one finds each line in one of the two. Output is not buffered:
//! std's print macros keep what has no end of line yet, so text of both may change places.

mod pipe;
mod stdin;
mod stdout;

pub use pipe::{PipeReader, PipeWriter, pipe};
pub use std::io::*;
pub use stdin::{Stdin, StdinLock, stdin};
pub use stdout::{Stderr, StderrLock, Stdout, StdoutLock, stderr, stdout};
