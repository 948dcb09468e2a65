//! `RawRwLock`: the protocol of the read-write lock.
//!
//! | bits of the word | meaning                                                                    |
//! |------------------|----------------------------------------------------------------------------|
//! | `WRITER`         | one holds it for writing                                                   |
//! | `WAITED`         | somebody may wait: whoever locks, and the last who unlocks, takes the lock of the queues |
//! | `READER` × n     | n hold it for reading                                                      |
//!
//! Without `WAITED` all goes by compare-and-swap. It is set and cleared with the queues' lock held,
//! and while it is set, only the lock's holder adds a holder. So whoever waits is handed its share by
//! those who unlock: the end of a write admits all readers that wait, the end of the last read the
//! first writer; readers that come while a writer waits stand behind it. Neither kind starves.

use crate::atomic::{AtomicUsize, Ordering};
use crate::clock::NEVER;
use crate::lock::Lock;
use crate::park::Unparker;
use crate::reason::Wait;
use crate::wait_queue::{self, WaitQueue};

const WRITER: usize = 1;
const WAITED: usize = 2;
const READER: usize = 4;

#[derive(Debug)]
pub(super) struct RawRwLock {
    word: AtomicUsize,
    waiters: Lock<Waiters>,
}

#[derive(Debug)]
struct Waiters {
    readers: WaitQueue,
    writers: WaitQueue,
}

/// Who is served first when nobody holds the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Readers,
    Writer,
}

impl RawRwLock {
    pub(super) const fn new() -> Self {
        RawRwLock {
            word: AtomicUsize::new(0),
            waiters: Lock::new(Waiters {
                readers: WaitQueue::new(),
                writers: WaitQueue::new(),
            }),
        }
    }

    #[inline]
    pub(super) fn try_read(&self) -> bool {
        self.read_fast() || self.is_waited() && self.admit_reader(&self.waiters.lock(), 0)
    }

    #[inline]
    pub(super) fn try_write(&self) -> bool {
        self.write_fast() || self.is_waited() && self.admit_writer(&self.waiters.lock(), 0)
    }

    #[inline]
    pub(super) fn read(&self, why: Wait) {
        if !self.read_fast() {
            self.read_slowly(why);
        }
    }

    #[inline]
    pub(super) fn write(&self, why: Wait) {
        if !self.write_fast() {
            self.write_slowly(why);
        }
    }

    #[inline]
    pub(super) fn unlock_read(&self) {
        // Release pairs with the Acquire of the writer that is next.
        let before = self.word.fetch_sub(READER, Ordering::Release);
        if before == READER | WAITED {
            self.serve(First::Writer);
        }
    }

    #[inline]
    pub(super) fn unlock_write(&self) {
        if self.exchange(WRITER, 0).is_err() {
            self.unlock_write_slowly();
        }
    }

    /// From writing to reading, and all readers who wait come along.
    pub(super) fn downgrade(&self) {
        if self.exchange(WRITER, READER).is_err() {
            let mut waiters = self.waiters.lock();
            self.word.fetch_add(READER - WRITER, Ordering::Release);
            let none = self.hand_over(&mut waiters, First::Readers);
            debug_assert!(none.is_none(), "no writer beside a reader");
        }
    }

    #[inline]
    fn read_fast(&self) -> bool {
        self.change(|word| (word & (WRITER | WAITED) == 0).then(|| add_reader(word)))
    }

    #[inline]
    fn write_fast(&self) -> bool {
        self.exchange(0, WRITER).is_ok()
    }

    #[cold]
    fn read_slowly(&self, why: Wait) {
        let waiters = self.waiters.lock();
        if self.admit_reader(&waiters, WAITED) {
            return;
        }
        let give_back = |waiters: &mut Waiters| {
            self.word.fetch_sub(READER, Ordering::Release);
            self.hand_over(waiters, First::Writer)
        };
        wait_queue::wait(
            &self.waiters,
            waiters,
            |waiters| &waiters.readers,
            NEVER,
            why,
            give_back,
        );
    }

    #[cold]
    fn write_slowly(&self, why: Wait) {
        let waiters = self.waiters.lock();
        if self.admit_writer(&waiters, WAITED) {
            return;
        }
        let give_back = |waiters: &mut Waiters| {
            self.word.fetch_and(!WRITER, Ordering::Release);
            self.hand_over(waiters, First::Readers)
        };
        let leaving = Leaving(self);
        wait_queue::wait(
            &self.waiters,
            waiters,
            |waiters| &waiters.writers,
            NEVER,
            why,
            give_back,
        );
        std::mem::forget(leaving);
    }

    #[cold]
    fn unlock_write_slowly(&self) {
        let mut waiters = self.waiters.lock();
        // Release pairs with the Acquire of whoever is next.
        self.word.fetch_and(!WRITER, Ordering::Release);
        let next = self.hand_over(&mut waiters, First::Readers);
        drop(waiters);
        wake(next);
    }

    #[cold]
    fn serve(&self, first: First) {
        let mut waiters = self.waiters.lock();
        let next = self.hand_over(&mut waiters, first);
        drop(waiters);
        wake(next);
    }

    /// With the lock held: adds a reader if none writes and no writer waits, else sets `announce`.
    fn admit_reader(&self, waiters: &Waiters, announce: usize) -> bool {
        let free = |word: usize| word & WRITER == 0 && waiters.writers.is_empty();
        self.admit(|word| free(word).then(|| add_reader(word)), announce)
    }

    /// With the lock held: adds the writer if nobody holds the lock or waits, else sets `announce`.
    fn admit_writer(&self, waiters: &Waiters, announce: usize) -> bool {
        let nobody_waits = waiters.writers.is_empty() && waiters.readers.is_empty();
        let free = |word: usize| word & !WAITED == 0 && nobody_waits;
        self.admit(|word| free(word).then_some(word | WRITER), announce)
    }

    fn admit(&self, admitted: impl Fn(usize) -> Option<usize>, announce: usize) -> bool {
        let mut is_admitted = false;
        self.change(|word| {
            let new = admitted(word);
            is_admitted = new.is_some();
            Some(new.unwrap_or(word | announce))
        });
        is_admitted
    }

    /// With the lock held: admits all whose turn it is. Readers are woken at once; the writer, of whom
    /// there is but one, is returned.
    fn hand_over(&self, waiters: &mut Waiters, first: First) -> Option<Unparker> {
        let mut next = None;
        if !self.is_held(WRITER) {
            if first == First::Readers || waiters.writers.is_empty() {
                self.admit_readers(waiters);
            }
            if !self.is_held(!WAITED) {
                next = waiters.writers.pop();
            }
        }
        if next.is_some() {
            self.word.fetch_or(WRITER, Ordering::Relaxed);
        }
        if waiters.readers.is_empty() && waiters.writers.is_empty() {
            self.word.fetch_and(!WAITED, Ordering::Relaxed);
        }
        next
    }

    fn admit_readers(&self, waiters: &mut Waiters) {
        while let Some(reader) = waiters.readers.pop() {
            self.word.fetch_add(READER, Ordering::Relaxed);
            reader.unpark();
        }
    }

    /// Acquire pairs with the Release of all who have unlocked: who is admitted comes after them.
    fn is_held(&self, holders: usize) -> bool {
        self.word.load(Ordering::Acquire) & holders != 0
    }

    fn is_waited(&self) -> bool {
        self.word.load(Ordering::Relaxed) & WAITED != 0
    }

    /// Compare-and-swap until `new` says what the word becomes, or that it stays: then false.
    #[inline]
    fn change(&self, mut new: impl FnMut(usize) -> Option<usize>) -> bool {
        let mut word = self.word.load(Ordering::Relaxed);
        while let Some(new) = new(word) {
            match self.exchange(word, new) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// AcqRel: what was done under the lock has happened before whoever takes it next.
    #[inline]
    fn exchange(&self, word: usize, new: usize) -> Result<usize, usize> {
        self.word
            .compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed)
    }
}

fn add_reader(word: usize) -> usize {
    word.checked_add(READER)
        .expect("too many readers: their guards must have been leaked")
}

fn wake(next: Option<Unparker>) {
    if let Some(next) = next {
        next.unpark();
    }
}

/// A writer that is killed while it waits: the readers behind it may go on.
struct Leaving<'a>(&'a RawRwLock);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.serve(First::Writer);
    }
}
