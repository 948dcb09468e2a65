//! `Owner`: who holds a lock, as dumps and the search for deadlocks see it.
//!
//! Whoever has got the lock enters its number, and takes it out before it lets go; both are plain
//! stores. So a number that is read while its thread is parked is that of the holder: the thread's
//! own stores come before its park, and nobody else writes while it holds the lock.

use crate::header::Header;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of the thread that holds a lock; 0 while nobody does, while it is not known, and for
/// an OS thread that has never waited.
#[derive(Debug)]
pub(crate) struct Owner(AtomicU64);

impl Owner {
    pub(crate) const fn new() -> Owner {
        Owner(AtomicU64::new(0))
    }

    /// The caller, who is `me`, has got the lock.
    #[inline]
    pub(crate) fn enter(&self, me: Option<&Header>) {
        // SAFETY: the slot of whoever runs is in use.
        let number = me.map_or(0, |me| unsafe { me.number() });
        self.0.store(number, Ordering::Relaxed);
    }

    /// The caller is about to let go of it.
    #[inline]
    pub(crate) fn leave(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The number, or 0.
    #[inline]
    pub(crate) fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The number in the owner that lies at `address`, or 0.
    ///
    /// # Safety
    ///
    /// A `Wait::on` was made of an owner, which is still there, and `address` is its place.
    pub(crate) unsafe fn at(address: usize) -> u64 {
        let owner = ptr::with_exposed_provenance::<Owner>(address);
        // SAFETY: the caller's word; `Wait::on` has exposed the address.
        unsafe { &*owner }.number()
    }
}
