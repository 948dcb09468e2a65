//! `Idle`: which workers sleep, how many look for work, and who watches over the busy ones.
//!
//! The question that it answers is rayon's: can a closure be pushed while the last worker falls
//! asleep, and nobody runs it? Both sides write first and look afterwards, with a SeqCst fence
//! between:
//!
//! * who pushes work: push; fence; look whether anyone sleeps and nobody searches; then claim one
//!   and wake it.
//! * who falls asleep: stop searching; set its bit; fall asleep in its inbox, which fences; then
//!   look at all queues, and at its bit, once more.
//!
//! Of two such pairs at least one sees the other's write. The claimed one may not sleep in its
//! inbox yet: then the claimer's nudge finds it awake, and the fence there makes sure that it sees
//! its bit gone. A worker that is woken to search counts as searching from the moment when it is
//! claimed, so that a burst of spawns wakes one; it wakes the next when it finds something.
//!
//! Rejected: waking a worker a spawn (tokio's measurements and ours: the wake-up costs more than
//! the green thread).

use crate::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// The most workers that the bit set has room for.
pub(crate) const MAX_WORKERS: usize = 256;

#[derive(Debug)]
pub(crate) struct Idle {
    /// One bit a sleeping worker: set by itself; cleared by itself or, when claimed, by the
    /// claimer.
    asleep: [AtomicU64; MAX_WORKERS / 64],
    /// How many workers look for work: raised by a claimer for the claimed one or by the searcher
    /// itself.
    searching: AtomicU32,
    /// The worker that looks after the busy ones, plus one; 0 for none. Claimed and given up by
    /// that worker.
    watcher: AtomicU32,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Idle {
            asleep: std::array::from_fn(|_| AtomicU64::new(0)),
            searching: AtomicU32::new(0),
            watcher: AtomicU32::new(0),
        }
    }

    /// Announces that `worker` is about to sleep, which comes next (see the fences above).
    pub(crate) fn fall_asleep(&self, worker: usize) {
        self.asleep[worker / 64].fetch_or(1 << (worker % 64), Ordering::Relaxed);
        // Pairs with that of `stop_watching`: either this sees the watch given up, or the former
        // watcher sees the bit.
        fence(Ordering::SeqCst);
    }

    /// Ends the sleep of `worker`; true if somebody claimed it, so that it counts as searching
    /// already.
    pub(crate) fn wake_up(&self, worker: usize) -> bool {
        let bit = 1 << (worker % 64);
        // Acquire pairs with the Release of the claimer: what it pushed is visible.
        self.asleep[worker / 64].fetch_and(!bit, Ordering::Acquire) & bit == 0
    }

    /// Called after a push of work that deserves another worker: the one to wake, if one sleeps and
    /// nobody searches.
    pub(crate) fn claim_searcher(&self) -> Option<usize> {
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::Relaxed) != 0 {
            None
        } else {
            self.claim()
        }
    }

    /// Called after a push of work that its own worker runs next: the one to wake, if one sleeps
    /// and nobody watches.
    pub(crate) fn claim_watcher(&self) -> Option<usize> {
        fence(Ordering::SeqCst);
        let watched = self.watcher.load(Ordering::Relaxed) != 0
            || self.searching.load(Ordering::Relaxed) != 0;
        if watched { None } else { self.claim() }
    }

    /// Takes one worker out of the sleepers, as a searcher; not the watcher if there is another.
    fn claim(&self) -> Option<usize> {
        let watcher = self.watcher.load(Ordering::Relaxed) as usize;
        let spare = self
            .sleepers()
            .find(|&worker| worker + 1 != watcher && self.take(worker));
        let claimed =
            spare.or_else(|| watcher.checked_sub(1).filter(|&worker| self.take(worker)))?;
        self.searching.fetch_add(1, Ordering::Relaxed);
        Some(claimed)
    }

    fn take(&self, worker: usize) -> bool {
        let bit = 1 << (worker % 64);
        self.asleep[worker / 64].fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    fn sleepers(&self) -> impl Iterator<Item = usize> + '_ {
        self.asleep.iter().enumerate().flat_map(|(index, word)| {
            let mut bits = word.load(Ordering::Relaxed);
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(index * 64 + bit)
            })
        })
    }

    pub(crate) fn is_asleep(&self, worker: usize) -> bool {
        self.asleep[worker / 64].load(Ordering::Relaxed) & 1 << (worker % 64) != 0
    }

    pub(crate) fn start_searching(&self) {
        self.searching.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends a search; true if nobody else searches now.
    pub(crate) fn stop_searching(&self) -> bool {
        let last = self.searching.fetch_sub(1, Ordering::Relaxed) == 1;
        // Pairs with the pushers' fence: either the pusher sees the search ended, or the caller,
        // who looks at the queues next, sees the push.
        fence(Ordering::SeqCst);
        last
    }

    /// Makes `worker` the watcher, unless there is one.
    pub(crate) fn try_watch(&self, worker: usize) -> bool {
        let me = worker as u32 + 1;
        self.watcher
            .compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// Gives the watch up; true if `worker` had it.
    pub(crate) fn stop_watching(&self, worker: usize) -> bool {
        let me = worker as u32 + 1;
        let stopped = self
            .watcher
            .compare_exchange(me, 0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        // Pairs with the pushers' fence as in `stop_searching`, and with that of `fall_asleep`.
        fence(Ordering::SeqCst);
        stopped
    }

    pub(crate) fn is_watcher(&self, worker: usize) -> bool {
        self.watcher.load(Ordering::Relaxed) == worker as u32 + 1
    }
}
