//! `Process`: this program once more, and a line to it that carries frames.

use std::env;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};

use greenloop::net::unix::UnixStream;
use greenloop::process::{Child, Command, ExitStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame;

/// A child that runs this program with other arguments. Its standard input is a socket pair, which
/// both sides read and write.
pub(crate) struct Process {
    child: Child,
    line: UnixStream,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Process> {
        let (line, theirs) = UnixStream::pair()?;
        let mut command = Command::new(env::current_exe()?);
        let child = command
            .args(arguments)
            .stdin(OwnedFd::from(theirs))
            .spawn()?;
        Ok(Process { child, line })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        frame::send(&mut self.line, message)
    }

    /// The next message; none if the process has ended or has no more to say.
    pub(crate) fn receive<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        frame::receive(&mut self.line)
    }

    /// Sends a question and receives its answer. An error of the kind `BrokenPipe` if the process
    /// has died of it, or before.
    pub(crate) fn ask<M: DeserializeOwned>(&mut self, question: &impl Serialize) -> io::Result<M> {
        let answer = self.send(question).and_then(|()| self.receive());
        let gone = || io::Error::new(ErrorKind::BrokenPipe, "the process has gone");
        match answer {
            Ok(answer) => answer.ok_or_else(gone),
            // It has left what we sent unread, or half an answer.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(gone()),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(gone()),
            Err(error) => Err(error),
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.line.shutdown(Shutdown::Write)
    }

    /// Waits for its end, which leaves no zombie.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

/// The line to the parent, in a child.
pub(crate) fn parent() -> io::Result<UnixStream> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}
