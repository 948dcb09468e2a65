//! `Snapshot`: a dump, and what several answers need of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use greenloop_runtime::inspect::{self, Dump, GreenThread};
use greenloop_runtime::sync::Mutex;

use crate::deadlocks;

/// For so long a dump answers further questions, if it is still in use.
const FRESH: Duration = Duration::from_millis(100);

/// What was seen in one look.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) dump: Dump,
    /// All ids, each with its place in the dump, and the number of living ones that it has spawned.
    known: HashMap<u64, (usize, usize)>,
    /// The ids of those that wait for each other for ever.
    pub(crate) deadlocked: HashSet<u64>,
    pub(crate) took: Duration,
    taken: Instant,
}

/// The last look: whoever asks at the same time shares it.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    last: Mutex<Weak<Snapshot>>,
}

impl Snapshots {
    /// Takes a look, unless somebody else has just taken one.
    pub(crate) fn fresh(&self) -> Arc<Snapshot> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = last.upgrade().filter(|it| it.taken.elapsed() < FRESH) {
            return it;
        }
        let snapshot = Arc::new(Snapshot::take());
        *last = Arc::downgrade(&snapshot);
        snapshot
    }
}

impl Snapshot {
    fn take() -> Snapshot {
        let start = Instant::now();
        let dump = inspect::dump();
        let ids = dump.iter().map(GreenThread::id);
        let mut known: HashMap<u64, (usize, usize)> =
            ids.enumerate().map(|(at, id)| (id, (at, 0))).collect();
        for spawner in dump.iter().filter_map(GreenThread::spawner) {
            known
                .entry(spawner)
                .and_modify(|(_, children)| *children += 1);
        }
        let taken = Instant::now();
        let mut snapshot = Snapshot {
            dump,
            known,
            deadlocked: HashSet::new(),
            took: taken - start,
            taken,
        };
        snapshot.deadlocked = deadlocks::members(&snapshot);
        snapshot
    }

    /// When the look began.
    pub(crate) fn begun(&self) -> Instant {
        self.taken - self.took
    }

    pub(crate) fn find(&self, id: u64) -> Option<&GreenThread> {
        self.dump.iter().nth(self.known.get(&id)?.0)
    }

    /// How many living green threads it has spawned.
    pub(crate) fn children(&self, id: u64) -> usize {
        self.known.get(&id).map_or(0, |(_, children)| *children)
    }

    /// The one that spawned it, if it still lives.
    pub(crate) fn parent(&self, it: &GreenThread) -> Option<u64> {
        it.spawner().filter(|id| self.known.contains_key(id))
    }
}
