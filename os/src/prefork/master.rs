//! `Prefork`: the master, which starts the workers and sees to them.

use super::generation::{Alarm, Generation, Leash};
use super::member::Program;
use crate::signal::{SIGHUP, SIGINT, SIGTERM, Signals};
use greenloop_runtime::cast::on_green_thread;
use greenloop_runtime::sync::Event;
use greenloop_runtime::{JoinHandle, run, spawn, wait_any};
use std::env;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long new workers may take to become ready at a reload.
const START: Duration = Duration::from_secs(60);

/// Several processes of this program that serve the same sockets, and their master: this process.
///
/// # Examples
///
/// See [the module](super).
#[derive(Debug)]
#[must_use = "no worker is started until it runs"]
pub struct Prefork {
    workers: usize,
    sockets: Vec<OwnedFd>,
    drain: Duration,
}

impl Prefork {
    /// Describes `workers` processes, which get no sockets yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::prefork::Prefork;
    /// use std::io::ErrorKind;
    ///
    /// let four = Prefork::new(4);
    /// let error = Prefork::new(0).run().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn new(workers: usize) -> Prefork {
        Prefork {
            workers,
            sockets: Vec::new(),
            drain: Duration::from_secs(30),
        }
    }

    /// Hands a listener or another socket over to each worker, which takes it as number 0 of its
    /// `greenloop::net::Inherited`, the next one as number 1, and so on. It may be one that was
    /// handed over to this process itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::net::TcpListener;
    /// use greenloop::prefork::Prefork;
    ///
    /// let prefork = Prefork::new(4).socket(TcpListener::bind("127.0.0.1:0")?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(socket.into());
        self
    }

    /// Sets how long a worker may take to end that was told to stop, before it is killed: 30 s by
    /// default. Let the workers themselves give up a little earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::prefork::Prefork;
    /// use std::time::Duration;
    ///
    /// let prefork = Prefork::new(4).drain(Duration::from_secs(5));
    /// ```
    pub fn drain(mut self, time: Duration) -> Self {
        self.drain = time;
        self
    }

    /// Starts the workers and sees to them until a `SIGTERM` or `SIGINT` comes; returns whether all
    /// of them ended by themselves then.
    ///
    /// The sockets are closed in this process once the workers are told to stop. A worker that
    /// cannot be started counts as one that has died: it is logged, and tried again. A kill or
    /// timeout tells the workers to stop, and waits for nobody.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no workers; what the system says if this program cannot be found, or
    /// signals cannot be waited for.
    ///
    /// # Examples
    ///
    /// See [the module](super).
    pub fn run(self) -> io::Result<bool> {
        if self.workers == 0 {
            let what = "no workers would never serve anything";
            return Err(io::Error::new(ErrorKind::InvalidInput, what));
        }
        let program = Program {
            path: env::current_exe()?,
            sockets: self.sockets,
        };
        let signals = Signals::new([SIGHUP, SIGTERM, SIGINT])?;
        let rule = move || Reign::begin(program, self.workers, self.drain, signals).last();
        match on_green_thread() {
            true => Ok(rule()),
            false => Ok(run(rule)), // a master needs no threads for workers of its own
        }
    }
}

/// What the signals have asked for.
#[derive(Debug, Default)]
struct Wishes {
    reload: Event,
    stop: Event,
    /// Stop without waiting for anybody.
    now: Arc<Event>,
}

impl Wishes {
    fn hear(&self, signals: Signals) {
        for signal in signals {
            match signal {
                Ok(SIGHUP) => self.reload.set(),
                Ok(_) if self.stop.is_set() => self.now.set(),
                Ok(_) => self.stop.set(),
                Err(error) => {
                    log::warn!("greenloop: a master that hears no signals stops: {error}");
                    return self.stop.set();
                }
            }
        }
    }
}

/// From the start of the first worker to the end of the last one.
struct Reign {
    program: Option<Arc<Program>>,
    workers: usize,
    drain: Duration,
    wishes: Arc<Wishes>,
    hearing: JoinHandle<()>,
    current: Leash,
    /// Some of whose workers may not have ended yet.
    retired: Vec<Leash>,
}

impl Reign {
    fn begin(program: Program, workers: usize, drain: Duration, signals: Signals) -> Reign {
        let (program, wishes) = (Arc::new(program), Arc::<Wishes>::default());
        let ears = wishes.clone();
        Reign {
            current: Generation::start(&program, workers, drain, &wishes.now),
            hearing: spawn(move || ears.hear(signals)),
            program: Some(program),
            workers,
            drain,
            wishes,
            retired: Vec::new(),
        }
    }

    /// Lasts until it is told to stop; whether all workers ended by themselves.
    fn last(mut self) -> bool {
        let wishes = self.wishes.clone();
        loop {
            wait_any(&[&wishes.stop, &wishes.reload]);
            if wishes.stop.is_set() {
                break;
            }
            wishes.reload.clear();
            self.reload();
        }
        self.program = None;
        self.current.retire();
        let all = self.retired.iter().chain([&self.current]);
        all.filter(|generation| !generation.join()).count() == 0
    }

    /// Replaces the workers by new ones, if those become ready.
    fn reload(&mut self) {
        let Some(program) = &self.program else { return };
        let stop = &self.wishes.stop;
        let next = Generation::start(program, self.workers, self.drain, &self.wishes.now);
        let late = Alarm::after(START);
        let outcome = wait_any(&[&next.ready, stop, &next.failed, &late.0]);
        let old = match outcome {
            0 => std::mem::replace(&mut self.current, next),
            _ => next,
        };
        if outcome > 1 {
            log::warn!("greenloop: the new workers have not become ready: the old ones stay");
        }
        old.retire();
        self.retired.retain(|generation| !generation.is_over());
        self.retired.push(old);
    }
}

impl Drop for Reign {
    fn drop(&mut self) {
        self.hearing.kill_nowait();
    }
}
