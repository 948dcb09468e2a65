//! `Member`: a worker process, as its master sees it, and `Program`, what it is started from.

use super::{VARIABLE, mark};
use crate::process::{Child, Command, ExitStatus};
use command_fds::{CommandFdExt, FdMapping};
use greenloop_runtime::{Source, Waitable, scope, wait_any};
use std::env;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process;

/// The first descriptor that is handed over, as systemd counts.
const FIRST: i32 = 3;

/// This program, and the sockets that each start of it gets.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) sockets: Vec<OwnedFd>,
}

impl Program {
    /// How a worker is started whose standard input is `line`.
    fn command(&self, line: UnixStream) -> io::Result<Command> {
        let mut arguments = env::args_os();
        let mut command = process::Command::new(&self.path);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        command.args(arguments);
        command.env(VARIABLE, mark(process::id(), &line)?);
        command.env("LISTEN_FDS", self.sockets.len().to_string());
        command
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDNAMES");
        command.stdin(OwnedFd::from(line));
        let mapping = |(child_fd, socket): (i32, &OwnedFd)| {
            let parent_fd = socket.try_clone()?;
            Ok(FdMapping {
                parent_fd,
                child_fd,
            })
        };
        let mappings: io::Result<_> = (FIRST..).zip(&self.sockets).map(mapping).collect();
        command.fd_mappings(mappings?).map_err(io::Error::other)?;
        Ok(command.into())
    }
}

#[derive(Debug)]
pub(super) struct Member {
    child: Child,
    /// The other end is the worker's standard input.
    line: Source<UnixStream>,
}

impl Member {
    pub(super) fn start(program: &Program) -> io::Result<Member> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = program.command(theirs)?.spawn()?;
        let line = Source::new(ours);
        Ok(Member { child, line })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the process, or for one of `others`, whichever comes first; calls
    /// `on_ready` if the worker says meanwhile that it is ready.
    pub(super) fn wait_or(
        &mut self,
        others: &[&dyn Waitable],
        on_ready: impl FnOnce() + Send,
    ) -> Option<io::Result<ExitStatus>> {
        let Member { child, line } = self;
        scope(|s| {
            let hearing = s.spawn(|| {
                if let Ok(1..) = line.read(None, |mut line| line.read(&mut [0])) {
                    on_ready();
                }
            });
            let ending = s.spawn(|| child.wait());
            let mut awaited: Vec<&dyn Waitable> = vec![&ending];
            awaited.extend(others);
            wait_any(&awaited);
            hearing.kill();
            ending.kill(); // one that has ended stays as it is
            let _ = hearing.join();
            ending.join().ok()
        })
    }

    /// Tells the worker to stop.
    pub(super) fn ask_to_stop(&self) {
        // It fails if the worker is gone.
        let _ = self.line.get_ref().shutdown(Shutdown::Write);
    }

    pub(super) fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }
}
