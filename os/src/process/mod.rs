//! `greenloop::process`: std's processes, whose starts, ends and pipes park a green thread alone.
//!
//! [`Command`] and [`Child`] have std's names, signatures and errors; [`Output`], [`ExitStatus`],
//! [`Stdio`] and [`exit`] are std's own. Any number of children may be waited for at once: each
//! wait is a descriptor (a pidfd) in the reactor, without a thread and without a handler of
//! `SIGCHLD`.
//!
//! # What becomes of a child
//!
//! As with std, dropping a [`Child`] does not end its process, and neither does a kill or timeout
//! that cuts [`Child::wait`], [`Command::output`] or [`Command::status`]: the process goes on,
//! without its pipes to us. Unlike with std, it leaves no zombie: a process whose `Child` was
//! dropped is waited for behind the scenes. To end it, keep the `Child` and [kill](Child::kill) it:
//!
//! ```
//! use greenloop::process::Command;
//! use greenloop::timeout;
//! use std::time::Duration;
//!
//! let mut child = Command::new("sleep").arg("60").spawn()?;
//! if timeout(Duration::from_millis(10), || child.wait()).is_err() {
//!     child.kill()?;
//! }
//! assert!(!child.wait()?.success());
//! # std::io::Result::Ok(())
//! ```
//!
//! # Talking to a child
//!
//! A child's standard input may be one end of a [socket
//! pair](std::os::unix::net::UnixStream::pair), which both sides read and write: wrap the other end
//! in a `greenloop::net::unix::UnixStream`, and send what `serde` and a format of your choice make
//! of your values, each after its length. There is no memory that processes share behind a safe
//! interface; let one process own the value, and the others ask it.
//!
//! ```
//! use greenloop::net::unix::UnixStream;
//! use greenloop::process::Command;
//! use std::io::{Read, Write};
//! use std::os::fd::OwnedFd;
//!
//! let (mut ours, theirs) = UnixStream::pair()?;
//! let mut child = Command::new("sh")
//!     .args(["-c", "head -c 4 >&0"]) // an echo of four bytes
//!     .stdin(OwnedFd::from(theirs))
//!     .spawn()?;
//! ours.write_all(b"ping")?;
//! let mut answer = String::new();
//! ours.read_to_string(&mut answer)?;
//! assert_eq!(answer, "ping");
//! assert!(child.wait()?.success());
//! # std::io::Result::Ok(())
//! ```

mod child;
mod command;
mod orphans;
mod streams;

pub use child::Child;
pub use command::Command;
pub use std::process::{
    CommandArgs, CommandEnvs, ExitCode, ExitStatus, Output, Stdio, Termination, abort, exit, id,
};
pub use streams::{ChildStderr, ChildStdin, ChildStdout};
