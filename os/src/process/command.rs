//! `Command`: how a process is started.

use super::Child;
use crate::offload::offload_whole;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::mem;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, CommandArgs, CommandEnvs, ExitStatus, Output, Stdio};

/// A process to be started, as [`std::process::Command`] describes it.
///
/// On a green thread the start itself runs on the blocking pool: it takes a fraction of a
/// millisecond, but as much as a tenth of a second in a large program that sets a user or group,
/// and those that start others at once run in parallel.
///
/// # Examples
///
/// ```
/// use greenloop::process::Command;
///
/// let mut command = Command::new("sh");
/// let output = command.args(["-c", "echo $GREETING"]).env("GREETING", "hello").output()?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # std::io::Result::Ok(())
/// ```
pub struct Command {
    inner: process::Command,
    /// Whether each of the three streams was chosen.
    chosen: [bool; 3],
}

impl Command {
    /// Describes the program `program`, without arguments, with this process's environment, folder
    /// and standard streams.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// assert!(Command::new("true").status()?.success());
    /// let error = Command::new("no such program").status().unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        process::Command::new(program).into()
    }

    /// Adds an argument.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// assert_eq!(Command::new("echo").arg("two words").output()?.stdout, b"two words\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg(arg);
        self
    }

    /// Adds several arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// assert_eq!(Command::new("echo").args(["-n", "hello"]).output()?.stdout, b"hello");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets a variable of the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let output = Command::new("sh").args(["-c", "echo $A"]).env("A", "b").output()?;
    /// assert_eq!(output.stdout, b"b\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn env<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, key: K, val: V) -> &mut Command {
        self.inner.env(key, val);
        self
    }

    /// Sets several variables of the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let mut command = Command::new("sh");
    /// command.args(["-c", "echo $A$C"]).envs([("A", "b"), ("C", "d")]);
    /// let output = command.output()?;
    /// assert_eq!(output.stdout, b"bd\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Takes a variable out of the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let mut command = Command::new("/bin/sh");
    /// let output = command.args(["-c", "echo $HOME"]).env_remove("HOME").output()?;
    /// assert_eq!(output.stdout, b"\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.inner.env_remove(key);
        self
    }

    /// Empties the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// assert!(Command::new("/usr/bin/env").env_clear().output()?.stdout.is_empty());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// Sets the folder in which it starts.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// assert_eq!(Command::new("pwd").current_dir("/").output()?.stdout, b"/\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.inner.current_dir(dir);
        self
    }

    /// Sets its standard input: nothing for [`output`](Command::output), else inherited, unless
    /// said here.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let manifest = std::fs::File::open("Cargo.toml")?;
    /// let output = Command::new("head").args(["-n", "1"]).stdin(manifest).output()?;
    /// assert_eq!(output.stdout, b"[package]\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stdin(cfg);
        self.chosen[0] = true;
        self
    }

    /// Sets its standard output: a pipe for [`output`](Command::output), else inherited, unless
    /// said here.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::{Command, Stdio};
    ///
    /// assert!(Command::new("echo").stdout(Stdio::null()).output()?.stdout.is_empty());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stdout(cfg);
        self.chosen[1] = true;
        self
    }

    /// Sets its standard error: a pipe for [`output`](Command::output), else inherited, unless said
    /// here.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::{Command, Stdio};
    ///
    /// assert!(!Command::new("ls").arg("no such file").stderr(Stdio::null()).status()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.inner.stderr(cfg);
        self.chosen[2] = true;
        self
    }

    /// Starts the process. Waits for the start alone; a kill or timeout takes effect after it.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such program or folder, `PermissionDenied`, and what the system
    /// says if there are too many processes or descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.wait()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        let mut inner = mem::replace(&mut self.inner, process::Command::new(""));
        let (inner, child) = offload_whole(move || {
            let child = inner.spawn();
            (inner, child)
        });
        self.inner = inner;
        child.map(Child::from)
    }

    /// Starts the process, and waits for its end and all that it says on its standard output and
    /// error.
    ///
    /// A kill or timeout unwinds out of the wait, and the process goes on.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Command::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let output = Command::new("sh").args(["-c", "echo hello; echo oh >&2; exit 3"]).output()?;
    /// assert_eq!((output.stdout, output.stderr), (b"hello\n".into(), b"oh\n".into()));
    /// assert_eq!(output.status.code(), Some(3));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn output(&mut self) -> io::Result<Output> {
        self.choose_for_others(Stdio::null, Stdio::piped);
        let child = self.spawn();
        self.choose_for_others(Stdio::inherit, Stdio::inherit);
        child?.wait_with_output()
    }

    /// Starts the process, and waits for its end.
    ///
    /// A kill or timeout unwinds out of the wait, and the process goes on.
    ///
    /// # Errors
    ///
    /// As for [`spawn`](Command::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let status = Command::new("false").status()?;
    /// assert_eq!(status.code(), Some(1));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Replaces this process by the program; returns only if that fails. Never yields.
    ///
    /// All other threads, green or not, are gone, and nothing is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::process::Command;
    ///
    /// let error = Command::new("no such program").exec();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// ```
    pub fn exec(&mut self) -> io::Error {
        self.inner.exec()
    }

    /// Sets the user that it runs as; `PermissionDenied` without the right to.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut command = greenloop::process::Command::new("true");
    /// command.uid(1000).gid(1000); // to be started by root
    /// ```
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.inner.uid(id);
        self
    }

    /// Sets the group that it runs as; `PermissionDenied` without the right to.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut command = greenloop::process::Command::new("true");
    /// command.uid(1000).gid(1000); // to be started by root
    /// ```
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.inner.gid(id);
        self
    }

    /// Sets what the program sees as its name.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut command = greenloop::process::Command::new("sh");
    /// let output = command.arg0("shell").args(["-c", "echo $0"]).output()?;
    /// assert_eq!(output.stdout, b"shell\n");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg0(arg);
        self
    }

    /// Puts it into the process group `pgroup`, or into one of its own if that is 0, where a
    /// terminal's Ctrl-C does not reach it.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(greenloop::process::Command::new("true").process_group(0).status()?.success());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.inner.process_group(pgroup);
        self
    }

    /// Returns the program.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(greenloop::process::Command::new("true").get_program(), "true");
    /// ```
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// Returns the arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut command = greenloop::process::Command::new("echo");
    /// assert_eq!(command.arg("hello").get_args().next(), Some("hello".as_ref()));
    /// ```
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// Returns the variables that are set or, without a value, taken away.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut command = greenloop::process::Command::new("echo");
    /// assert_eq!(command.env_remove("A").get_envs().next(), Some(("A".as_ref(), None)));
    /// ```
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// Returns the folder in which it starts, if one was set.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(greenloop::process::Command::new("true").get_current_dir().is_none());
    /// ```
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }

    /// Sets the streams that the user has not chosen.
    fn choose_for_others(&mut self, input: fn() -> Stdio, output: fn() -> Stdio) {
        let [stdin, stdout, stderr] = self.chosen;
        if !stdin {
            self.inner.stdin(input());
        }
        if !stdout {
            self.inner.stdout(output());
        }
        if !stderr {
            self.inner.stderr(output());
        }
    }
}

impl From<process::Command> for Command {
    /// Takes over what std describes, and whatever another crate has added to it (descriptors to be
    /// handed over, calls before the program). [`output`](Command::output) looks only at the
    /// streams that are chosen here.
    ///
    /// The start runs on a thread of the blocking pool: a call that ties the process to the thread
    /// that starts it (`PR_SET_PDEATHSIG`) ties it to that one, which soon ends.
    fn from(inner: process::Command) -> Command {
        let chosen = [false; 3];
        Command { inner, chosen }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
