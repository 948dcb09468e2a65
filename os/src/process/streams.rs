//! `ChildStdin`, `ChildStdout` and `ChildStderr`: our ends of a child's pipes.

use crate::descriptor::{Descriptor, impl_handle, impl_read, impl_write};
use std::os::fd::OwnedFd;
use std::process;

/// Our end of a child's standard input, as [`std::process::ChildStdin`] is it.
///
/// A write waits while the pipe is full, and fails with `BrokenPipe` when the child has closed it.
/// Dropping it closes it, which is the end of the child's input.
///
/// # Examples
///
/// ```
/// use greenloop::process::{Command, Stdio};
/// use std::io::Write;
///
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut stdin = child.stdin.take().unwrap();
/// let writing = greenloop::spawn(move || stdin.write_all(b"hello"));
/// assert_eq!(child.wait_with_output()?.stdout, b"hello");
/// writing.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
pub struct ChildStdin {
    descriptor: Descriptor,
}

impl_handle!(ChildStdin);
impl_write!(ChildStdin);

/// Our end of a child's standard output, as [`std::process::ChildStdout`] is it.
///
/// A read waits until there is something, or until all who could write are gone, which is the end.
/// It may be handed on as the input of another process.
///
/// # Examples
///
/// ```
/// use greenloop::process::{Command, Stdio};
///
/// let echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let upper = Command::new("tr").args(["a-z", "A-Z"]).stdin(echo.stdout.unwrap()).output()?;
/// assert_eq!(upper.stdout, b"HELLO\n");
/// # std::io::Result::Ok(())
/// ```
pub struct ChildStdout {
    descriptor: Descriptor,
}

impl_handle!(ChildStdout);
impl_read!(ChildStdout);

/// Our end of a child's standard error, as [`std::process::ChildStderr`] is it.
///
/// # Examples
///
/// ```
/// use greenloop::process::{Command, Stdio};
/// use std::io::{BufRead, BufReader};
///
/// let mut child = Command::new("ls").arg("no such file").stderr(Stdio::piped()).spawn()?;
/// let complaints = BufReader::new(child.stderr.take().unwrap()).lines();
/// assert_eq!(complaints.count(), 1);
/// child.wait()?;
/// # std::io::Result::Ok(())
/// ```
pub struct ChildStderr {
    descriptor: Descriptor,
}

impl_handle!(ChildStderr);
impl_read!(ChildStderr);

/// Implements the conversions from std's pipe of this name, and from any other one.
macro_rules! impl_from {
    ($($name:ident)*) => {$(
        impl From<process::$name> for $name {
            fn from(pipe: process::$name) -> Self {
                OwnedFd::from(pipe).into()
            }
        }

        impl From<OwnedFd> for $name {
            fn from(fd: OwnedFd) -> Self {
                let descriptor = Descriptor::of_pipe(fd);
                $name { descriptor }
            }
        }
    )*};
}

impl_from!(ChildStdin ChildStdout ChildStderr);
