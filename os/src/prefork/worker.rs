//! `Worker`: what a worker process knows of being one.

use super::{VARIABLE, mark};
use crate::signal::{SIGINT, SIGTERM, Signals};
use greenloop_runtime::sync::Event;
use greenloop_runtime::{Source, run, spawn, wait_any};
use rustix::stdio::dup2_stdin;
use std::env;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::process;
use std::sync::Arc;
use std::thread;

/// A process that was started by a [`Prefork`](super::Prefork): this one.
///
/// # Examples
///
/// See [the module](super).
#[derive(Debug)]
pub struct Worker {
    line: UnixStream,
    stop: Arc<Event>,
}

impl Worker {
    /// Returns who this process is, if it is a worker.
    ///
    /// Its standard input is empty from now on. `SIGTERM` and `SIGINT` set [`stop`](Worker::stop),
    /// and do nothing else any more: its master sees to its end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` in a worker that has called it before, or whose standard input was replaced;
    /// what the system says if there are no descriptors or threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::prefork::Worker;
    ///
    /// assert!(Worker::take()?.is_none()); // started by hand
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take() -> io::Result<Option<Worker>> {
        let Some(line) = take_line()? else {
            return Ok(None);
        };
        let stop = Arc::new(Event::new());
        let signals = Signals::new([SIGTERM, SIGINT])?;
        let watch = Watch {
            line: line.try_clone()?,
            signals,
            stop: stop.clone(),
        };
        let builder = thread::Builder::new().name("greenloop-worker".into());
        builder.spawn(|| run(|| watch.keep()))?;
        Ok(Some(Worker { line, stop }))
    }

    /// Tells the master that this process serves from now on. Never yields.
    ///
    /// At a reload the old workers serve until the last new one has said so.
    ///
    /// # Errors
    ///
    /// None if the master is gone: then [`stop`](Worker::stop) is set.
    ///
    /// # Examples
    ///
    /// See [the module](super).
    pub fn ready(&self) -> io::Result<()> {
        match (&self.line).write_all(&[1]) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the event that is set when this process is to end: its master has said so, or is
    /// dead, or a `SIGTERM` or `SIGINT` has come.
    ///
    /// # Examples
    ///
    /// See [the module](super).
    pub fn stop(&self) -> &Event {
        &self.stop
    }
}

/// The line to the master, which standard input is in a worker.
fn take_line() -> io::Result<Option<UnixStream>> {
    let Some(found) = env::var_os(VARIABLE) else {
        return Ok(None);
    };
    let (stdin, master) = (io::stdin(), parent_id());
    if found == mark(master, &stdin)?.as_str() {
        let line = stdin.as_fd().try_clone_to_owned()?;
        dup2_stdin(File::open("/dev/null")?)?;
        return Ok(Some(UnixStream::from(line)));
    }
    // The child of a worker is none. But the worker must not become a master, with workers that
    // become masters.
    let is_worker = found
        .to_str()
        .is_some_and(|text| text.starts_with(&format!("{master}:")));
    if !is_worker {
        return Ok(None);
    }
    let what = format!(
        "standard input of the worker {} is not the line to its master (any more)",
        process::id()
    );
    Err(io::Error::new(ErrorKind::InvalidInput, what))
}

struct Watch {
    line: UnixStream,
    signals: Signals,
    stop: Arc<Event>,
}

impl Watch {
    fn keep(self) {
        let Watch {
            line,
            mut signals,
            stop,
        } = self;
        let line = Source::new(line);
        let closed = spawn(move || line.wait_readable(None));
        let signal = spawn(move || signals.wait());
        wait_any(&[&closed, &signal]); // an error of either is as good a reason
        stop.set();
    }
}
