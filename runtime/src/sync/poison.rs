//! `Flag`: whether a lock was held by a panic. A kill or timeout leaves it clear.

use crate::header::Header;
use crate::interrupt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LockResult, PoisonError};

/// Relaxed throughout: it is read and written under the lock, which orders it.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicBool);

/// Whether the holder panicked already when it took the lock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before(bool);

impl Before {
    /// Of the caller, who is `me`. Who does not unwind now has caught whatever kill or timeout
    /// unwound it before: the next unwinding is judged by itself.
    #[inline]
    pub(super) fn now(me: Option<&Header>) -> Before {
        if std::thread::panicking() {
            return Before(interrupt::is_panicking());
        }
        if let Some(me) = me {
            interrupt::caught(me);
        }
        Before(false)
    }
}

impl Flag {
    pub(super) const fn new() -> Self {
        Flag(AtomicBool::new(false))
    }

    /// The lock has been taken, by the caller, who is `me`.
    #[inline]
    pub(super) fn enter(&self, me: Option<&Header>) -> Before {
        Before::now(me)
    }

    /// The lock is given back: poisons it if a panic has begun since.
    pub(super) fn leave(&self, before: Before) {
        if !before.0 && interrupt::is_panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// What a lock returns.
    pub(super) fn result<G>(&self, guard: G) -> LockResult<G> {
        if self.is_set() {
            Err(PoisonError::new(guard))
        } else {
            Ok(guard)
        }
    }
}
