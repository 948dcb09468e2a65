//! `Word`: the one atomic word that says what a green thread is doing.
//!
//! ```text
//! 63            32 31        16 15      12 11 . 3 2   0
//! [  generation  ] [   home   ] [ unused ] [flags][state]
//! ```
//!
//! | from      | to        | who may do it                                                     |
//! |-----------|-----------|-------------------------------------------------------------------|
//! | free      | unstarted | the spawner, which alone knows the slot                           |
//! | unstarted | running   | the worker that starts it, which becomes its home                 |
//! | unstarted | running   | whoever cancels it, by the same compare-and-swap; it finishes it   |
//! | running   | parked    | the home worker, off that stack, if no token is there             |
//! | parked    | running   | the home worker                                                   |
//! | running   | finished  | the green thread itself, once its result is written               |
//! | finished  | free      | the last who knows it: the body, the handle, who cancels, who looks |
//!
//! `TOKEN` is std's park token. Anyone may set it; who sets it on a parked thread, and nobody else,
//! must see to it that the home worker hears of it. Therefore a parked thread with a token has
//! exactly one delivery under way. An OS thread that waits has such a word too (`OS_THREAD`); it
//! takes the transitions of its home worker itself.
//!
//! `LOOKER` is set, in any state but free and finished, by whoever makes a dump, and given up by the
//! same one: what was written before the word left `free` may be read meanwhile.
//!
//! Rejected: a reference count a waker (two read-modify-writes a wake-up and a shared line;
//! generations cost none), and a lock a thread as in may (a waker would wait for a parking thread).

use crate::atomic::{AtomicU32, AtomicU64, Ordering};

pub(crate) const UNSTARTED: u64 = 1;
pub(crate) const RUNNING: u64 = 2;
pub(crate) const PARKED: u64 = 3;
pub(crate) const FINISHED: u64 = 4;
const STATE: u64 = 7;

/// A wake-up that has not been consumed.
pub(crate) const TOKEN: u64 = 1 << 3;
/// `Thread::unpark` was called: kept apart, so that a wait inside the runtime never eats the user's
/// token.
pub(crate) const USER_TOKEN: u64 = 1 << 4;
/// A join handle knows the slot.
pub(crate) const HANDLE: u64 = 1 << 5;
/// A queue or a worker knows the slot.
pub(crate) const BODY: u64 = 1 << 6;
/// Somebody wants to hear of the end: `Header::end` says who.
pub(crate) const WATCHED: u64 = 1 << 7;
/// It has been killed, and has not been told yet: its next wait unwinds.
pub(crate) const KILL: u64 = 1 << 9;
/// Who cancels it knows the slot: it may hold neither of the two above, and is not to lose it to
/// them.
pub(crate) const CANCELLER: u64 = 1 << 10;
/// Who looks at it for a dump knows the slot.
pub(crate) const LOOKER: u64 = 1 << 11;
/// The word belongs to an OS thread, which waits on the word's lower half as a futex.
pub(crate) const OS_THREAD: u64 = 1 << 8;

/// Somebody knows the slot.
const KNOWN: u64 = HANDLE | BODY | CANCELLER | LOOKER;

const HOME_SHIFT: u32 = 16;
const HOME: u64 = 0xffff << HOME_SHIFT;
const GENERATION_SHIFT: u32 = 32;

/// One reading of the word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Snapshot(pub(crate) u64);

impl Snapshot {
    pub(crate) fn state(self) -> u64 {
        self.0 & STATE
    }

    pub(crate) fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    pub(crate) fn home(self) -> usize {
        ((self.0 & HOME) >> HOME_SHIFT) as usize
    }

    pub(crate) fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    fn with_state(self, state: u64) -> Snapshot {
        Snapshot(self.0 & !STATE | state)
    }
}

/// What whoever called [`Word::unpark`] has to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unpark {
    /// Nothing: it is gone, runs, or somebody else is already on the way.
    Done,
    /// Tell the home worker (or, for an OS thread, its futex).
    Deliver(Snapshot),
    /// It was parked here and runs again: put it into this worker's queue.
    Requeue,
}

/// The home of an OS thread, of an unstarted green thread, and of an OS thread that calls `unpark`.
pub(crate) const NOWHERE: usize = 0xffff;

#[derive(Debug, Default)]
pub(crate) struct Word(AtomicU64);

impl Word {
    /// Acquire pairs with the Release of [`Word::finish`]: who sees FINISHED sees the result.
    pub(crate) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// Is `flag` set? Of its own thread's affairs, or a hint: Relaxed.
    #[inline]
    pub(crate) fn has(&self, flag: u64) -> bool {
        Snapshot(self.0.load(Ordering::Relaxed)).has(flag)
    }

    /// Free to unstarted (or running, for an OS thread). Only the owner of a free slot calls it; a
    /// stale waker fails on the generation, so a plain store loses no update.
    pub(crate) fn begin(&self, state: u64, flags: u64, home: usize) -> u32 {
        let generation = Snapshot(self.0.load(Ordering::Relaxed)).generation();
        let word =
            (generation as u64) << GENERATION_SHIFT | (home as u64) << HOME_SHIFT | flags | state;
        self.0.store(word, Ordering::Release);
        generation
    }

    /// Finished to free; the next user of the slot has the next generation. Only the last who knows
    /// the slot calls it.
    pub(crate) fn free(&self) {
        let generation = Snapshot(self.0.load(Ordering::Relaxed))
            .generation()
            .wrapping_add(1);
        self.0
            .store((generation as u64) << GENERATION_SHIFT, Ordering::Release);
    }

    /// Unstarted to running, with `home`. False if it was cancelled.
    pub(crate) fn start(&self, home: usize) -> bool {
        self.update(|word| {
            let started =
                Snapshot(word.0 & !HOME | (home as u64) << HOME_SHIFT).with_state(RUNNING);
            (word.state() == UNSTARTED).then_some(started)
        })
        .is_ok()
    }

    /// Unstarted to running without a home: the caller alone may now drop the closure and finish
    /// it, and gives up `CANCELLER` then. False if it was started, or is of another `generation`.
    pub(crate) fn cancel(&self, generation: u32) -> bool {
        self.update(|word| {
            let same = word.generation() == generation && word.state() == UNSTARTED;
            same.then(|| Snapshot(word.0 | CANCELLER).with_state(RUNNING))
        })
        .is_ok()
    }

    /// Running to parked; false if a token was there, which is consumed. Only the home worker calls
    /// it.
    pub(crate) fn park(&self) -> bool {
        let before = self.update(|word| {
            Some(if word.has(TOKEN) {
                Snapshot(word.0 & !TOKEN)
            } else {
                word.with_state(PARKED)
            })
        });
        before.is_ok_and(|word| !word.has(TOKEN))
    }

    /// Parked to running at the end of a delivery. Only the home worker calls it.
    pub(crate) fn resume(&self) {
        let _ = self.update(|word| Some(Snapshot(word.0 & !TOKEN).with_state(RUNNING)));
    }

    /// Consumes `flag`; true if it was set. Only the green thread itself (or its home) calls it.
    pub(crate) fn take(&self, flag: u64) -> bool {
        // The load spares a read-modify-write in the usual case. A token set meanwhile is found by
        // `park`.
        Snapshot(self.0.load(Ordering::Relaxed)).has(flag)
            // Acquire pairs with the Release of `unpark`.
            && Snapshot(self.0.fetch_and(!flag, Ordering::AcqRel)).has(flag)
    }

    /// Wakes the thread of this `generation`; `here` is the caller's own home, `flags` are set
    /// beside the token.
    ///
    /// The swap happens even if the token is set already: its Release must reach the waiter's next
    /// Acquire.
    pub(crate) fn unpark(&self, generation: u32, here: usize, flags: u64) -> Unpark {
        let mut outcome = Unpark::Done;
        let _ = self.update(|word| {
            let alive = matches!(word.state(), UNSTARTED | RUNNING | PARKED);
            if word.generation() != generation || !alive {
                outcome = Unpark::Done;
                return None;
            }
            let waits = word.state() == PARKED && !word.has(TOKEN);
            if waits && word.home() == here && !word.has(OS_THREAD) {
                outcome = Unpark::Requeue;
                return Some(Snapshot(word.0 | flags).with_state(RUNNING));
            }
            outcome = if waits {
                Unpark::Deliver(word)
            } else {
                Unpark::Done
            };
            Some(Snapshot(word.0 | TOKEN | flags))
        });
        outcome
    }

    /// Announces that somebody wants to hear of the end; false if it has come already.
    ///
    /// Called with the lock of `Header::end` held, and never taken back: who finds `WATCHED` finds
    /// the lock, and behind it whoever is still there.
    pub(crate) fn watch(&self) -> bool {
        // Release (in `update`) pairs with the Acquire of `finish`.
        self.update(|word| (word.state() != FINISHED).then_some(Snapshot(word.0 | WATCHED)))
            .is_ok()
    }

    /// Running to finished; the result must be written. Says whether a handle exists, and whether
    /// it is watched.
    pub(crate) fn finish(&self) -> Snapshot {
        match self.update(|word| Some(word.with_state(FINISHED))) {
            Ok(before) | Err(before) => before,
        }
    }

    /// [`Word::finish`], unless the handle is gone: then the result has to be dropped first.
    pub(crate) fn finish_for_handle(&self) -> Option<Snapshot> {
        self.update(|word| word.has(HANDLE).then(|| word.with_state(FINISHED)))
            .ok()
    }

    /// Gives up `HANDLE`, unless the end has come: then the handle has a result to take or drop
    /// first.
    pub(crate) fn detach(&self) -> bool {
        self.update(|word| (word.state() != FINISHED).then_some(Snapshot(word.0 & !HANDLE)))
            .is_ok()
    }

    /// Keeps the slot of a green thread that has not ended from being freed, until `LOOKER` is
    /// released; none if there is no such one. At most one thread at a time looks.
    ///
    /// Never of one that has ended: whoever is the last to know it counts on a word that stays.
    pub(crate) fn hold(&self) -> Option<Snapshot> {
        self.update(|word| {
            let alive = matches!(word.state(), UNSTARTED | RUNNING | PARKED);
            let ours = alive && !word.has(OS_THREAD | LOOKER);
            ours.then_some(Snapshot(word.0 | LOOKER))
        })
        .ok()
    }

    /// Gives up `flag` (one of `KNOWN`); true if nobody knows the slot any more and the caller must
    /// free it.
    pub(crate) fn release(&self, flag: u64) -> bool {
        if !self.load().has(KNOWN & !flag) {
            // The others have let go: their Release pairs with the Acquire of `load`, and nobody
            // else writes to the word of one that has ended.
            return true;
        }
        // AcqRel: the last one out sees all that the others did to the slot.
        let before = Snapshot(self.0.fetch_and(!flag, Ordering::AcqRel));
        before.0 & KNOWN == flag
    }

    /// The half of the word on which an OS thread waits; state, token and home lie in it.
    pub(crate) fn futex(&self) -> *const AtomicU32 {
        let half = if cfg!(target_endian = "little") { 0 } else { 1 };
        (&raw const self.0).cast::<AtomicU32>().wrapping_add(half)
    }

    /// Compare-and-swap until `change` says what the word becomes, or that it stays.
    ///
    /// Success is AcqRel: every transition publishes what was done before it and sees what led to
    /// the one before.
    fn update(
        &self,
        mut change: impl FnMut(Snapshot) -> Option<Snapshot>,
    ) -> Result<Snapshot, Snapshot> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let Some(new) = change(Snapshot(word)) else {
                return Err(Snapshot(word));
            };
            match self
                .0
                .compare_exchange_weak(word, new.0, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return Ok(Snapshot(word)),
                Err(now) => word = now,
            }
        }
    }
}
