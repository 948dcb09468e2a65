//! `GreenThread`: what a dump says of one green thread.

use super::frames::Frames;
use super::printable::Printable;
use super::wait::Wait;
use crate::header::{self, Header};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A green thread, or a job of the blocking pool, as it was when the dump was taken.
#[derive(Debug)]
pub struct GreenThread {
    pub(super) id: u64,
    pub(super) name: Option<Arc<str>>,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) wait: Option<Wait>,
    pub(super) since: Option<Duration>,
    pub(super) home: Option<usize>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) spawner: Option<u64>,
    pub(super) stack_used: Option<usize>,
    pub(super) stack_reserved: usize,
    pub(super) backtrace: Backtrace,
}

/// What kind of thread it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// It shares its worker's thread-locals.
    Light,
    /// It has thread-locals of its own.
    Full,
    /// A job of [`spawn_blocking`](crate::spawn_blocking), on an OS thread of the pool.
    Job,
}

/// What it is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum State {
    /// It has not run yet.
    Unstarted,
    /// It could run, and waits for its turn on its worker.
    Ready,
    /// It runs now.
    Running,
    /// It waits for something: [`GreenThread::wait`] says for what.
    Waiting,
}

/// Where a green thread is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Backtrace {
    /// Nobody asked for it, or the green thread runs, has not started, or its worker did not answer.
    NotTaken,
    /// Too little of its stack is left to take it.
    NoRoom,
    /// Its symbols are looked up when it is printed.
    Taken(Frames),
}

impl Kind {
    pub(super) fn of(header: &Header) -> Kind {
        match header.kind() {
            header::Kind::Light => Kind::Light,
            header::Kind::Full => Kind::Full,
            header::Kind::Job => Kind::Job,
        }
    }
}

impl GreenThread {
    /// The number in its [`ThreadId`](crate::thread::ThreadId), which no other one ever has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What kind of thread it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.state
    }

    /// What it waits for, if it does.
    pub fn wait(&self) -> Option<&Wait> {
        self.wait.as_ref()
    }

    /// For how long it has waited, if it does; too long by what its worker's clock was late, which is
    /// some milliseconds, and the time of 61 switches on a worker that never waits itself.
    pub fn since(&self) -> Option<Duration> {
        self.since
    }

    /// The worker or hub that it lives on, which [`Dump::workers`](super::Dump::workers) has; none
    /// before it starts, and for a job of the blocking pool.
    pub fn home(&self) -> Option<usize> {
        self.home
    }

    /// The place that spawned it.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// The id of the green thread that spawned it, which may have ended; none if that was an OS
    /// thread.
    pub fn spawner(&self) -> Option<u64> {
        self.spawner
    }

    /// Bytes of its stack in use; none while it runs or has not started, and if its worker did not
    /// answer.
    pub fn stack_used(&self) -> Option<usize> {
        self.stack_used
    }

    /// Bytes of its stack, of which only those ever touched take memory; 0 if it has none yet.
    pub fn stack_reserved(&self) -> usize {
        self.stack_reserved
    }

    /// Where it is, if [`Options::backtraces`](super::Options::backtraces) asked for it.
    pub fn backtrace(&self) -> &Backtrace {
        &self.backtrace
    }
}

/// After what says whose it is.
pub(super) fn write_name(f: &mut fmt::Formatter<'_>, name: Option<&str>) -> fmt::Result {
    name.map_or(Ok(()), |name| write!(f, " '{}'", Printable(name)))
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Light => "light",
            Kind::Full => "full",
            Kind::Job => "job",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Unstarted => "unstarted",
            State::Ready => "ready",
            State::Running => "running",
            State::Waiting => "waiting",
        })
    }
}
