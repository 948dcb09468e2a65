//! `Found`: a green thread that a dump has found, and what every thread may read of it while it
//! holds its slot.

use super::entry::{Backtrace, GreenThread, Kind, State, write_name};
use crate::header::{self, Header, Parked};
use crate::lock::Lock;
use crate::park::Unparker;
use crate::reason::Wait;
use crate::remote;
use crate::spawn;
use crate::word::{LOOKER, NOWHERE, PARKED, RUNNING, Snapshot, TOKEN, UNSTARTED};
use std::fmt;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) struct Found {
    pub(super) header: &'static Header,
    pub(super) generation: u32,
    /// For what it waits, if it does.
    pub(super) wait: Option<Wait>,
    /// The number of the owner of the lock that it waits for, or 0.
    pub(super) owner: u64,
    /// Those of its scope that have not ended, if it waits for the end of that.
    pub(super) children: Vec<Unparker>,
    /// No scope waits for it any more.
    pub(super) is_out_of_scope: bool,
    since: u64,
    pub(super) home: Option<usize>,
    pub(super) entry: GreenThread,
}

/// One thread at a time holds slots: see `Word::hold`.
static TURN: Lock<()> = Lock::new(());

/// Visits all slots.
pub(super) fn take(now: u64) -> Vec<Found> {
    let _turn = TURN.lock();
    let mut all = Vec::new();
    header::for_each_slot(|header| all.extend(look_at(header, now)));
    all
}

/// Its name and where it was spawned, if it still waits as it did.
pub(super) fn name(header: &'static Header, parked: Parked) -> Option<Name> {
    let _turn = TURN.lock();
    let held = Held::new(header)?;
    if header.parked() != Some(parked) {
        return None;
    }
    Some(held.name())
}

/// The name of the one that runs on the worker `home`, if it does.
pub(super) fn running(header: &'static Header, home: usize) -> Option<Name> {
    let _turn = TURN.lock();
    let held = Held::new(header)?;
    let word = header.word.load();
    (word.state() == RUNNING && word.home() == home).then(|| held.name())
}

/// The jobs of the blocking pool that have not ended: the id of each, and of who spawned it, or 0.
pub(crate) fn jobs() -> Vec<[u64; 2]> {
    let _turn = TURN.lock();
    let mut all = Vec::new();
    header::for_each_slot(|header| {
        if header.kind() == header::Kind::Job
            && let Some(_held) = Held::new(header)
        {
            // SAFETY: held until the end of this block.
            let id = unsafe { header.number() };
            all.push([id, header.spawner.get()]);
        }
    });
    all
}

/// What a green thread is called.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) id: u64,
    pub(super) name: Option<Arc<str>>,
    pub(super) spawned_at: &'static Location<'static>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "green thread {}", self.id)?;
        write_name(f, self.name.as_deref())?;
        write!(f, " (spawned at {})", self.spawned_at)
    }
}

fn look_at(header: &'static Header, now: u64) -> Option<Found> {
    let held = Held::new(header)?;
    let (word, wait, since) = held.moment();
    let state = state(header, word)?;
    let waits = state == State::Waiting;
    let kind = Kind::of(header);
    // SAFETY: held until the end of this function.
    let (thread, label) = unsafe { (header.thread(), header.label()) };
    let entry = GreenThread {
        id: thread.number().get(),
        name: thread.shared_name(),
        kind,
        state,
        wait: None,
        since: waits.then(|| Duration::from_nanos(now.saturating_sub(since))),
        home: home(word),
        spawned_at: label.location,
        spawner: Some(header.spawner.get()).filter(|id| *id != 0),
        stack_used: None,
        stack_reserved: reserved(header, kind, state),
        backtrace: Backtrace::NotTaken,
    };
    Some(Found {
        header,
        generation: word.generation(),
        wait: waits.then_some(wait),
        owner: 0,
        children: Vec::new(),
        is_out_of_scope: false,
        since,
        home: home(word).filter(|_| state != State::Unstarted),
        entry,
    })
}

fn home(word: Snapshot) -> Option<usize> {
    Some(word.home()).filter(|home| *home != NOWHERE)
}

fn reserved(header: &Header, kind: Kind, state: State) -> usize {
    if kind == Kind::Job || state == State::Unstarted {
        0
    } else {
        header.class.get().usable()
    }
}

/// None of one that is being cancelled, which has as good as ended.
fn state(header: &Header, word: Snapshot) -> Option<State> {
    match word.state() {
        UNSTARTED => Some(State::Unstarted),
        PARKED if word.has(TOKEN) => Some(State::Ready),
        PARKED => Some(State::Waiting),
        RUNNING if header.kind() == header::Kind::Job => Some(State::Running),
        RUNNING => home(word).map(|home| {
            let current = remote::at(home).counts.current.load(Ordering::Relaxed);
            if ptr::eq(current, header) {
                State::Running
            } else {
                State::Ready
            }
        }),
        _ => None,
    }
}

impl Found {
    /// Is this the wait in which it was found?
    pub(super) fn waits_as(&self, parked: Parked) -> bool {
        parked.since == self.since && self.wait == Some(parked.wait)
    }

    /// Does it still wait for the same thing?
    pub(super) fn still_waits(&self) -> bool {
        let word = self.header.word.load();
        let same = word.generation() == self.generation && word.state() == PARKED;
        same && self.wait == Some(self.header.wait().0)
    }
}

/// The right to read a slot.
struct Held(&'static Header);

impl Held {
    fn new(header: &'static Header) -> Option<Held> {
        header.word.hold().map(|_| Held(header))
    }

    fn name(&self) -> Name {
        // SAFETY: held meanwhile.
        let (thread, label) = unsafe { (self.0.thread(), self.0.label()) };
        Name {
            id: thread.number().get(),
            name: thread.shared_name(),
            spawned_at: label.location,
        }
    }

    /// The word and the wait that belongs to it, as nearly as can be told without stopping anybody.
    fn moment(&self) -> (Snapshot, Wait, u64) {
        const TRIES: usize = 3;
        let mut word = self.0.word.load();
        let (mut wait, mut since) = self.0.wait();
        for _ in 0..TRIES {
            let after = self.0.word.load();
            if after == word && self.0.wait() == (wait, since) {
                break;
            }
            word = after;
            (wait, since) = self.0.wait();
        }
        (word, wait, since)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.word.release(LOOKER) {
            // SAFETY: it has ended, and body, handle and canceller have let go, the last of whom took
            // or dropped the result.
            unsafe { spawn::free_slot(NonNull::from(self.0)) };
        }
    }
}
