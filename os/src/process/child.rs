//! `Child`: a process that was started.

use super::orphans;
use super::{ChildStderr, ChildStdin, ChildStdout};
use greenloop_runtime::{Builder, Source, scope, sleep};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::panic::{Location, resume_unwind};
use std::process::{self, ExitStatus, Output};
use std::time::Duration;

/// A process that was started by [`Command::spawn`](super::Command::spawn), as
/// [`std::process::Child`] is one.
///
/// Dropping it leaves the process running; when that ends, nothing is left of it.
///
/// # Examples
///
/// ```
/// use greenloop::process::Command;
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let mut children = Vec::new();
/// for _ in 0..10 {
///     children.push(Command::new("sleep").arg("0.2").spawn()?);
/// }
/// for mut child in children {
///     assert!(child.wait()?.success());
/// }
/// assert!(start.elapsed() < Duration::from_secs(2));
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Child {
    /// Our end of the child's standard input, if it was [piped](super::Stdio::piped).
    pub stdin: Option<ChildStdin>,
    /// Our end of the child's standard output, if it was piped.
    pub stdout: Option<ChildStdout>,
    /// Our end of the child's standard error, if it was piped.
    pub stderr: Option<ChildStderr>,
    process: Owned,
}

impl Child {
    /// Returns the number that the system has given to the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let mut child = Command::new("true").spawn()?;
    /// assert_ne!(child.id(), std::process::id());
    /// child.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn id(&self) -> u32 {
        self.process.get().child.id()
    }

    /// Ends the process by `SIGKILL`; one that has ended already stays as it is. It still has to be
    /// waited for, if its status matters. Never yields.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` if it runs as somebody else by now.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// child.kill()?;
    /// assert_eq!(child.wait()?.signal(), Some(greenloop::signal::SIGKILL));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.get_mut().child.kill()
    }

    /// Sends a signal to the process; one that has been waited for gets none. Never yields.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is no such signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    /// use greenloop::signal::SIGTERM;
    /// use std::os::unix::process::ExitStatusExt;
    ///
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// child.send_signal(SIGTERM)?;
    /// assert_eq!(child.wait()?.signal(), Some(SIGTERM));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_signal(&mut self, signal: i32) -> io::Result<()> {
        self.process.get_mut().send(signal)
    }

    /// Waits for the end of the process, whose standard input is closed first, so that it does not
    /// wait for us; returns its status, also when called again.
    ///
    /// A kill or timeout unwinds out of the wait, and the process goes on.
    ///
    /// # Errors
    ///
    /// What the system says, if somebody else has waited for the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
    /// assert_eq!(child.wait()?.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.process.get_mut().wait()
    }

    /// Returns the status of the process if it has ended. Never waits, and leaves its standard
    /// input open.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Child::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let mut child = Command::new("sleep").arg("60").spawn()?;
    /// assert_eq!(child.try_wait()?, None);
    /// child.kill()?;
    /// # child.wait()?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.process.get_mut().try_wait()
    }

    /// Reads all that the process says on its pipes, both at once, and waits for its end.
    ///
    /// Standard input is closed first. A kill or timeout unwinds out of the wait: what was read is
    /// lost, and the process goes on.
    ///
    /// # Errors
    ///
    /// As for [`wait`](Child::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::{Command, Stdio};
    ///
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output()?.stdout, b"hello\n");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (stdout, stderr) = read_both(self.stdout.take(), self.stderr.take())?;
        let status = self.wait()?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl From<process::Child> for Child {
    /// Takes over a process that std has started.
    fn from(mut child: process::Child) -> Self {
        Child {
            stdin: child.stdin.take().map(ChildStdin::from),
            stdout: child.stdout.take().map(ChildStdout::from),
            stderr: child.stderr.take().map(ChildStderr::from),
            process: Owned(Some(Process { child, pidfd: None })),
        }
    }
}

#[track_caller]
fn read_both(
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let Some(stdout) = stdout else {
        return Ok((Vec::new(), read_all(stderr)?));
    };
    if stderr.is_none() {
        return Ok((read_all(Some(stdout))?, Vec::new()));
    }
    let thread = Builder::new().at(Location::caller());
    scope(|s| {
        let errors = thread.spawn_scoped(s, || read_all(stderr))?;
        let text = read_all(Some(stdout));
        let errors = errors.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((text?, errors?))
    })
}

fn read_all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// A process that nobody else waits for.
#[derive(Debug)]
pub(super) struct Process {
    child: process::Child,
    /// Readable at its end. Opened by the first wait, closed after the last one.
    pidfd: Option<Source<OwnedFd>>,
}

impl Process {
    /// The longest pause between two looks at a process, where there are no pidfds.
    const LONGEST: Duration = Duration::from_millis(32);

    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            match self.pidfd() {
                Some(pidfd) => pidfd.wait_readable(None)?,
                None => sleep(pause),
            }
            pause = Self::LONGEST.min(pause * 2);
        }
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            self.pidfd = None;
        }
        Ok(status)
    }

    /// None if the system has no pidfds, forbids them, or has too many descriptors.
    fn pidfd(&mut self) -> Option<&Source<OwnedFd>> {
        if self.pidfd.is_none() {
            // Its number is its own until it has been waited for.
            let pidfd = pidfd_open(self.pid()?, PidfdFlags::empty()).ok()?;
            self.pidfd = Some(Source::new(pidfd));
        }
        self.pidfd.as_ref()
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn send(&mut self, signal: i32) -> io::Result<()> {
        let Some(known) = Signal::from_named_raw(signal) else {
            let what = format!("{signal} is no signal that can be sent");
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        };
        match self.pid() {
            Some(pid) if self.try_wait()?.is_none() => Ok(kill_process(pid, known)?),
            _ => Ok(()),
        }
    }
}

/// A process that is waited for behind the scenes once it is dropped. Always there until then.
#[derive(Debug)]
struct Owned(Option<Process>);

impl Owned {
    fn get(&self) -> &Process {
        self.0.as_ref().expect("there until it is dropped")
    }

    fn get_mut(&mut self) -> &mut Process {
        self.0.as_mut().expect("there until it is dropped")
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(mut process) = self.0.take()
            && let Ok(None) = process.try_wait()
        {
            // Its source belongs to the reactors of others.
            process.pidfd = None;
            orphans::adopt(process);
        }
    }
}
