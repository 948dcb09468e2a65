//! Locks of std, parking_lot and the C library; condition variables, barriers, channels.

use crate::kind::{Handle, Kind};
use crate::tally::{BARRIERS, LOCKS, MESSAGES, TOKENS, goes_on};
use libc::pthread_mutex_t;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock, mpsc};
use std::thread;
use std::time::Duration;

/// The C library's lock, and what it protects.
struct OfC {
    mutex: UnsafeCell<pthread_mutex_t>,
    count: UnsafeCell<usize>,
}

// SAFETY: the lock is made to be shared, and the count is touched by who has locked it.
unsafe impl Sync for OfC {}

static OF_STD: Mutex<usize> = Mutex::new(0);
static SHARED: RwLock<usize> = RwLock::new(0);
static OF_LOT: parking_lot::Mutex<usize> = parking_lot::Mutex::new(0);
static OF_C: OfC = OfC {
    mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
    count: UnsafeCell::new(0),
};

/// Locks that the whole crew shares.
pub(crate) fn mutexes(_: Kind) {
    for round in 0.. {
        if !goes_on() {
            break;
        }
        LOCKS.give(1);
        match round % 5 {
            0 => count(&mut OF_STD.lock().unwrap(), round),
            1 => count(&mut SHARED.write().unwrap(), round),
            2 => count(&mut OF_LOT.lock(), round),
            3 => OF_C.with(|value| count(value, round)),
            _ => {
                let before = SHARED.read().unwrap();
                thread::yield_now();
                count(&mut OF_STD.lock().unwrap(), *before);
            }
        }
    }
}

/// Counts, and lets others come while the lock is held: at times for long.
fn count(value: &mut usize, round: usize) {
    let next = *value + 1;
    match round % 100 {
        0..10 => thread::sleep(Duration::from_micros(50)),
        10..40 => thread::yield_now(),
        _ => {}
    }
    *value = next;
}

impl OfC {
    fn with(&self, f: impl FnOnce(&mut usize)) {
        // SAFETY: initialised; it is unlocked below, by the same thread.
        assert_eq!(unsafe { libc::pthread_mutex_lock(self.mutex.get()) }, 0);
        // SAFETY: locked.
        f(unsafe { &mut *self.count.get() });
        // SAFETY: locked above.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(self.mutex.get()) }, 0);
    }
}

/// Takes what was counted, when all have ended.
pub(crate) fn settle() {
    LOCKS.take(*OF_STD.lock().unwrap());
    LOCKS.take(*SHARED.read().unwrap());
    LOCKS.take(*OF_LOT.lock());
    OF_C.with(|count| LOCKS.take(*count));
}

/// Room for few tokens: both sides wait.
#[derive(Default)]
struct Shelf {
    tokens: Mutex<VecDeque<Option<usize>>>,
    put: Condvar,
    taken: Condvar,
}

impl Shelf {
    const ROOM: usize = 3;

    fn put(&self, token: Option<usize>) {
        let tokens = self.tokens.lock().unwrap();
        let is_full = |tokens: &mut VecDeque<_>| tokens.len() >= Self::ROOM;
        let mut tokens = self.taken.wait_while(tokens, is_full).unwrap();
        tokens.push_back(token);
        self.put.notify_one();
    }

    /// By a wait with a time, which runs out now and then.
    fn take(&self) -> Option<usize> {
        let mut tokens = self.tokens.lock().unwrap();
        loop {
            if let Some(token) = tokens.pop_front() {
                self.taken.notify_one();
                return token;
            }
            let wait = self.put.wait_timeout(tokens, Duration::from_millis(1));
            tokens = wait.unwrap().0;
        }
    }
}

pub(crate) fn condvar(kind: Kind) {
    let shelf = Arc::new(Shelf::default());
    let theirs = shelf.clone();
    let partner = kind.other().spawn(move || {
        let mut next = 0;
        while let Some(token) = theirs.take() {
            assert_eq!(token, next, "a token was lost");
            TOKENS.take(1);
            next += 1;
        }
    });
    for token in 0.. {
        if !goes_on() {
            break;
        }
        shelf.put(Some(token));
        TOKENS.give(1);
    }
    shelf.put(None);
    partner.join();
}

/// Three meet at a barrier, ten times in a row.
pub(crate) fn barrier(kind: Kind) {
    const ROUNDS: usize = 10;
    while goes_on() {
        BARRIERS.give(ROUNDS);
        let barrier = Arc::new(Barrier::new(3));
        let partners = [kind, kind.other(), Kind::Green].map(|kind| {
            let barrier = barrier.clone();
            kind.spawn(move || {
                for _ in 0..ROUNDS {
                    if barrier.wait().is_leader() {
                        BARRIERS.take(1);
                    }
                }
            })
        });
        partners.into_iter().for_each(Handle::join);
    }
}

/// Bounded and unbounded ones of std and of crossbeam, from two senders of both kinds.
pub(crate) fn channels(_: Kind) {
    const EACH: usize = 300;
    while goes_on() {
        let (bounded, of_bounded) = mpsc::sync_channel(2);
        let (unbounded, of_unbounded) = mpsc::channel();
        let (crossed, of_crossed) = crossbeam_channel::bounded(2);
        let senders = [Kind::Green, Kind::Os].map(|kind| {
            let (bounded, unbounded, crossed) =
                (bounded.clone(), unbounded.clone(), crossed.clone());
            kind.spawn(move || {
                for n in 0..EACH {
                    bounded.send(n).unwrap();
                    unbounded.send(n).unwrap();
                    crossed.send(n).unwrap();
                    MESSAGES.give(3);
                }
            })
        });
        drop((bounded, unbounded, crossed));
        for _ in 0..2 * EACH {
            of_bounded.recv().unwrap();
            of_crossed.recv().unwrap();
            of_unbounded.recv().unwrap();
            MESSAGES.take(3);
        }
        assert!(of_bounded.recv().is_err() && of_crossed.recv().is_err());
        assert!(of_unbounded.recv().is_err());
        senders.into_iter().for_each(Handle::join);
    }
}
