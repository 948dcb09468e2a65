//! `Permits`: the protocol under mutexes and semaphores: so many may pass, the others wait in line.
//!
//! | word                  | meaning                                                               |
//! |-----------------------|-----------------------------------------------------------------------|
//! | `ONE` × free permits  | nobody waits: taking and releasing are one compare-and-swap           |
//! | the same \| `WAITED`  | somebody may wait: a release takes the lock of the queues             |
//!
//! Whoever finds no permit sets `WAITED`, with the lock held, by a compare-and-swap from a word without
//! a permit; so a release either comes before it, and is seen, or goes to the queues. Only the lock's
//! holder clears the bit, with all queues empty.
//!
//! A release puts the permit back and wakes the first who waits; another may take it before that one
//! runs ("barging": the lock stays busy, and nobody switches for it). Who was woken and found it gone
//! waits in a second queue, which is served first, and there the permit is handed over: no release
//! makes it free meanwhile. So everybody is beaten at most once, and none starves.
//!
//! Rejected: always handing over (each contended lock costs a switch or, between workers, a wake-up of
//! the OS thread); time limits for barging as in Go and parking_lot (a clock read for each wait, and an
//! order that depends on it).

use crate::atomic::{AtomicUsize, Ordering};
use crate::lock::Lock;
use crate::park::Unparker;
use crate::reason::Wait;
use crate::wait_queue::{self, WaitQueue};
use crate::waitable::{Linkable, PlaceRef};

/// Somebody may be in a queue.
const WAITED: usize = 1;
const ONE: usize = 2;

#[derive(Debug)]
pub(super) struct Permits {
    word: AtomicUsize,
    waiters: Lock<Waiters>,
}

#[derive(Debug)]
struct Waiters {
    /// Woken by a release, to try again.
    fresh: WaitQueue,
    /// Woken once in vain: a release hands its permit to the first one. If somebody is inside, no
    /// permit is free.
    beaten: WaitQueue,
    /// Those who want to hear that a permit is free, without taking it.
    watchers: WaitQueue,
}

/// What came of making a permit free.
enum Added {
    Yes,
    Full,
    Stopped,
}

impl Permits {
    /// The greatest number of permits.
    pub(super) const MAX: usize = usize::MAX / ONE;

    /// At most `MAX`.
    pub(super) const fn new(count: usize) -> Self {
        Permits {
            word: AtomicUsize::new(count * ONE),
            waiters: Lock::new(Waiters {
                fresh: WaitQueue::new(),
                beaten: WaitQueue::new(),
                watchers: WaitQueue::new(),
            }),
        }
    }

    pub(super) fn available(&self) -> usize {
        self.word.load(Ordering::Relaxed) / ONE
    }

    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while word >= ONE {
            match self.exchange(word, word - ONE) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes a permit; false if none has come by `deadline`. A kill or timeout unwinds while it waits.
    #[inline]
    pub(super) fn acquire(&self, deadline: u64, why: Wait) -> bool {
        self.try_acquire() || self.acquire_slowly(deadline, why)
    }

    /// [`acquire`](Permits::acquire), for whoever has tried.
    #[cold]
    pub(super) fn acquire_slowly(&self, deadline: u64, why: Wait) -> bool {
        let waiters = self.waiters.lock();
        if self.take_or_announce() {
            return true;
        }
        if super::is_over(deadline) {
            return false;
        }
        let next = |waiters: &mut Waiters| self.wake_next(waiters);
        let (waiters, woken) = wait_queue::wait(
            &self.waiters,
            waiters,
            |waiters| &waiters.fresh,
            deadline,
            why,
            next,
        );
        if !woken || self.take_or_announce() {
            return woken;
        }
        let give = |waiters: &mut Waiters| self.give(waiters, Self::MAX).flatten();
        let (_, given) = wait_queue::wait(
            &self.waiters,
            waiters,
            |waiters| &waiters.beaten,
            deadline,
            why,
            give,
        );
        given
    }

    /// Gives a permit back, unless `most` are free already: then false.
    #[inline]
    pub(super) fn release(&self, most: usize) -> bool {
        match self.add(most, WAITED) {
            Added::Yes => true,
            Added::Full => false,
            Added::Stopped => self.release_slowly(most),
        }
    }

    #[cold]
    fn release_slowly(&self, most: usize) -> bool {
        let mut waiters = self.waiters.lock();
        let given = self.give(&mut waiters, most);
        drop(waiters);
        if let Some(Some(next)) = given {
            next.unpark();
        }
        given.is_some()
    }

    /// Hands a permit to the first of those who were beaten; without such a one, makes it free, and
    /// says whom to wake. None if `most` are free.
    fn give(&self, waiters: &mut Waiters, most: usize) -> Option<Option<Unparker>> {
        let mut next = (most > 0).then(|| waiters.beaten.pop()).flatten();
        if next.is_none() {
            if let Added::Full = self.add(most, 0) {
                return None;
            }
            waiters.watchers.wake_all();
            next = waiters.fresh.pop();
        }
        self.settle(waiters);
        Some(next)
    }

    /// Makes a permit free, unless `most` are, or the word has the bit `stop`.
    #[inline]
    fn add(&self, most: usize, stop: usize) -> Added {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & stop == 0 {
            if word / ONE >= most {
                return Added::Full;
            }
            match self.exchange(word, word + ONE) {
                Ok(_) => return Added::Yes,
                Err(now) => word = now,
            }
        }
        Added::Stopped
    }

    /// In the place of one who was woken, and does not take what it was woken for.
    fn wake_next(&self, waiters: &mut Waiters) -> Option<Unparker> {
        let next = (self.available() > 0)
            .then(|| waiters.fresh.pop())
            .flatten();
        self.settle(waiters);
        next
    }

    fn settle(&self, waiters: &Waiters) {
        let queues = [&waiters.fresh, &waiters.beaten, &waiters.watchers];
        if queues.iter().all(|queue| queue.is_empty()) {
            self.word.fetch_and(!WAITED, Ordering::Relaxed);
        }
    }

    /// With the lock held: takes a permit, or sees to it that the next release comes to the queues.
    fn take_or_announce(&self) -> bool {
        self.decide(|word| word - ONE)
    }

    /// True if a permit is free, and changes the word then; else announces that somebody waits.
    fn decide(&self, free: impl Fn(usize) -> usize) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let is_free = word >= ONE;
            let new = if is_free { free(word) } else { word | WAITED };
            match self.exchange(word, new) {
                Ok(_) => return is_free,
                Err(now) => word = now,
            }
        }
    }

    /// AcqRel: what was done under a permit has happened before whoever takes it next.
    #[inline]
    fn exchange(&self, word: usize, new: usize) -> Result<usize, usize> {
        self.word
            .compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed)
    }
}

impl Linkable for Permits {
    fn is_ready(&self) -> bool {
        self.available() > 0
    }

    unsafe fn link(&self, place: PlaceRef) -> bool {
        let waiters = self.waiters.lock();
        let links = !self.decide(|word| word);
        if links {
            // SAFETY: the caller's word.
            unsafe { waiters.watchers.push(place.0) };
        }
        links
    }

    unsafe fn unlink(&self, place: PlaceRef) {
        // SAFETY: the caller's word.
        unsafe { self.waiters.lock().watchers.remove(place.0) };
    }
}
