//! `Worker`: what a dump says of a worker or hub.

use std::fmt;

/// A worker, or the hub of a [`run`](crate::run), as it was when the dump was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    pub(super) index: usize,
    pub(super) is_hub: bool,
    pub(super) activity: Activity,
    pub(super) running: Option<u64>,
    pub(super) live: usize,
    pub(super) queued: Option<usize>,
    pub(super) unstarted: usize,
}

/// What a worker is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Activity {
    /// It sleeps: nothing is to be done.
    Idle,
    /// It runs green threads.
    Busy,
    /// It did not answer in time: a green thread has held it since, or it gets no CPU.
    Hung,
}

impl Worker {
    /// Its number, which [`GreenThread::home`](super::GreenThread::home) refers to.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Is it the hub of a [`run`](crate::run)?
    pub fn is_hub(&self) -> bool {
        self.is_hub
    }

    /// What it is doing.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// The id of the green thread that it runs, if any.
    pub fn running(&self) -> Option<u64> {
        self.running
    }

    /// How many green threads have started here and not ended.
    pub fn live(&self) -> usize {
        self.live
    }

    /// How many are in its queue; none if it was not asked, having none of its own, or did not answer.
    pub fn queued(&self) -> Option<usize> {
        self.queued
    }

    /// How many closures wait here that any worker may start.
    pub fn unstarted(&self) -> usize {
        self.unstarted
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activity::Idle => "idle",
            Activity::Busy => "busy",
            Activity::Hung => "hung",
        })
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_hub { "hub" } else { "worker" };
        write!(f, "{what} {}: {}", self.index, self.activity)?;
        if let Some(id) = self.running {
            write!(f, ", runs green thread {id}")?;
        }
        write!(f, ", {} live", self.live)?;
        if let Some(queued) = self.queued {
            write!(f, ", {queued} queued")?;
        }
        write!(f, ", {} unstarted", self.unstarted)
    }
}
