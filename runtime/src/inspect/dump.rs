//! `Dump`: all green threads and workers of the process at one time.

use super::census::{self, Found};
use super::descriptor::Descriptor;
use super::entry::GreenThread;
use super::holder;
use super::questions;
use super::wait::Wait;
use super::worker::Worker;
use crate::clock;
use crate::worker::Worker as OwnWorker;
use std::slice;
use std::time::Duration;

/// Every green thread of the process, every job of the blocking pool, and every worker.
///
/// `Display` writes it as text: the workers, then the green threads as a tree, each below the one
/// that spawned it; `{:#}` with the [whole](super::Frames) backtraces. Control characters in names
/// are escaped there, so that none makes up a line.
#[derive(Debug)]
pub struct Dump {
    pub(super) green_threads: Vec<GreenThread>,
    pub(super) workers: Vec<Worker>,
}

/// What a dump is to contain, and how long it may wait.
///
/// # Examples
///
/// ```
/// use greenloop::inspect::{self, Backtrace, Options};
///
/// let sleeper = greenloop::spawn(|| greenloop::sleep(std::time::Duration::from_secs(60)));
/// let id = |it: &inspect::GreenThread| it.state() == inspect::State::Waiting;
/// while !inspect::dump().iter().any(id) {
///     greenloop::yield_now();
/// }
/// let dump = inspect::dump_with(Options::new().backtraces(true));
/// let entry = dump.iter().find(|it| id(it)).unwrap();
/// assert!(matches!(entry.backtrace(), Backtrace::Taken(_)));
/// sleeper.kill();
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "options do nothing until a dump is taken with them"]
pub struct Options {
    pub(super) backtraces: bool,
    pub(super) patience: Duration,
    pub(super) only: Option<u64>,
}

impl Options {
    /// Starts with the defaults: no backtraces, and 100 ms of patience.
    pub fn new() -> Options {
        Options {
            backtraces: false,
            patience: Duration::from_millis(100),
            only: None,
        }
    }

    /// Takes the backtrace of each green thread that does not run. Its worker takes it, on its
    /// stack, between two switches: some 10 µs each. Symbols are looked up when it is printed.
    pub fn backtraces(mut self, wanted: bool) -> Options {
        self.backtraces = wanted;
        self
    }

    /// Waits so long for a worker that makes no progress in answering; then it counts as hung.
    pub fn patience(mut self, patience: Duration) -> Options {
        self.patience = patience;
        self
    }

    /// Wants the green thread with this [id](GreenThread::id) alone: its worker is the only one that
    /// is asked, so that a backtrace of one costs no more with very many beside it. The dump has all
    /// workers nevertheless, of which the others are never said to be hung; and no green thread if
    /// there is none with this id.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::inspect::{self, Options};
    ///
    /// let all: Vec<_> = (0..100).map(|_| greenloop::spawn(greenloop::thread::park)).collect();
    /// let id = inspect::dump().iter().next().unwrap().id();
    /// let dump = inspect::dump_with(Options::new().backtraces(true).only(id));
    /// assert_eq!(dump.len(), 1);
    /// # greenloop::killall(&all, None).unwrap();
    /// ```
    pub fn only(mut self, id: u64) -> Options {
        self.only = Some(id);
        self
    }

    pub(super) fn wants(self, it: &GreenThread) -> bool {
        self.only.is_none_or(|id| it.id == id)
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

/// Takes a dump without backtraces; see [`dump_with`].
pub fn dump() -> Dump {
    dump_with(Options::new())
}

/// Takes a dump. Callable from every thread, green or not. Yields: a worker is asked about those
/// that live on it. A kill or timeout has to wait meanwhile.
///
/// Not for a panic hook on a green thread: others that panic while it waits there count as panics
/// inside the hook, for which std aborts. An OS thread may take it for the hook, which joins that
/// one, as [`on_panic`](super::on_panic) does.
///
/// # Examples
///
/// ```
/// use greenloop::inspect::{self, Options};
/// use std::time::Duration;
///
/// let dump = inspect::dump_with(Options::new().patience(Duration::from_secs(1)));
/// println!("{dump}");
/// for entry in &dump {
///     println!("{} was spawned at {}", entry.id(), entry.spawned_at());
/// }
/// ```
pub fn dump_with(options: Options) -> Dump {
    take(options, None)
}

/// By the OS thread of a hub that is between two switches.
pub(super) fn dump_of_hub(hub: &OwnWorker) -> Dump {
    take(Options::new(), Some(hub))
}

fn take(options: Options, own: Option<&OwnWorker>) -> Dump {
    let mut found = census(options);
    let workers = questions::ask(&mut found, options, own);
    holder::enter(&mut found);
    // Now only: those who hold locks had to be found as well.
    let entries = found.into_iter().map(|it| it.entry);
    Dump {
        green_threads: entries.filter(|it| options.wants(it)).collect(),
        workers,
    }
}

fn census(options: Options) -> Vec<Found> {
    let now = clock::now();
    let mut found = census::take(now);
    for it in found.iter_mut().filter(|it| options.wants(&it.entry)) {
        it.entry.wait = it.wait.map(|wait| Wait::new(wait, now));
        describe(it);
    }
    found
}

/// Says what the descriptor is that is waited for. It is open for as long as somebody waits for it,
/// so what was learnt counts only if the wait goes on.
fn describe(found: &mut Found) {
    let descriptor = found.entry.wait.as_mut().and_then(Wait::descriptor_mut);
    let Some(described) = descriptor.as_deref().map(Descriptor::described) else {
        return;
    };
    if found.still_waits()
        && let Some(it) = found.entry.wait.as_mut().and_then(Wait::descriptor_mut)
    {
        *it = described;
    }
}

impl Dump {
    /// The green threads, in no order that means anything.
    pub fn iter(&self) -> slice::Iter<'_, GreenThread> {
        self.green_threads.iter()
    }

    /// How many green threads and jobs there are.
    pub fn len(&self) -> usize {
        self.green_threads.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.green_threads.is_empty()
    }

    /// The workers, and the hubs of [`run`](crate::run)s under way.
    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }
}

impl<'a> IntoIterator for &'a Dump {
    type Item = &'a GreenThread;
    type IntoIter = slice::Iter<'a, GreenThread>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
