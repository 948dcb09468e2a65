//! `Stack`: the memory on which a green thread runs, one slot of a slab of equal slots.
//!
//! | file | what it owns |
//! |---|---|
//! | `class.rs` | `SizeClass`: how large a slot is, and how many are kept or moved at a time |
//! | `slab.rs` | `Slab`: one mapping of many slots, found by address; `Slot`: the layout of one |
//! | `guard.rs` | the guards of slots, and giving their pages back |
//! | `depot.rs` | `Depot`: the process-wide count of credits, and the stacks that no worker keeps |
//! | `cache.rs` | `StackCache`: a worker's own credits and stacks |
//! | `overflow.rs` | the signal handler that tells an overflow from any other fault |
//! | `alternate.rs` | `AltStack`: where that handler runs, on threads that std did not make |
//! | `measure.rs` | how much of their stacks some green threads use |
//! | `limits.rs` | the text of an error that says which limit of the system was met |
//!
//! # Credits: why `take` cannot fail
//!
//! Memory is promised at spawn, where failing is an `io::Error`, and taken at the first run, where
//! nobody could be told. The promise is a *credit*. Stacks in the caches of other workers are out
//! of reach, so what a cache may keep is limited by *permits*, which are counted like credits. For
//! each class, under the depot's lock:
//!
//! > **issued credits + permits <= slots mapped**
//!
//! Both counts grow only by what is left between the two sides, and slots are never unmapped, so it
//! holds for good. A cache without permits works (each of its stacks comes from the depot and
//! returns to it), so a new cache takes nothing from credits that are out, and creating one cannot
//! fail.
//!
//! The proof. A slot is in one of four places: taken, in a cache, in the hands of a cache that
//! trims, or in the depot.
//! 1. Taken stacks are each covered by a credit of their own: a credit is refunded after its stack
//!    was put back. Who calls `take` holds a credit that covers no stack yet: taken <= issued - 1.
//! 2. A cache, trimming or not, keeps no more than it has permits for: kept <= permits.
//! 3. So a `take` whose cache is empty finds in the depot: mapped - taken - kept >=
//!    mapped - (issued - 1) - permits >= 1.
//!
//! Credits that a cache keeps for its next spawns are issued ones; they hold slots back, but break
//! nothing. A stack that is given up (forgotten with its green thread) stays taken for ever, and so
//! its credit must never be refunded.
//!
//! Rejected: a mapping for each stack (two kernel mappings each: 32,000 stacks, 10 µs); a stack at
//! spawn (a million unstarted green threads would own a million stacks); a fixed reserve for each
//! worker (64 workers and the guards of an older kernel leave nothing to spawn with).

mod alternate;
mod cache;
mod class;
mod depot;
mod guard;
mod limits;
pub(crate) mod measure;
pub(crate) mod overflow;
mod slab;
#[cfg(test)]
mod tests;

use self::slab::Slot;
use crate::thread::Thread;
use corosensei::stack::StackPointer;
use std::ops::Range;
use std::panic::Location;
use std::sync::atomic::Ordering;

pub(crate) use self::cache::StackCache;
pub(crate) use self::class::SizeClass;
pub(crate) use self::depot::{credit, refund, usage};
pub use self::guard::force_mprotect_guards;

/// A stack in use, from [`StackCache::take`] to [`StackCache::put`].
///
/// Forgetting one leaks its slot; dropping one is a bug of the runtime, because its memory could
/// still be in use.
#[derive(Debug)]
pub(crate) struct Stack(Slot);

/// Who runs on a stack, for the report of an overflow.
#[derive(Debug)]
#[repr(C)] // the number first: see `Header`
pub(crate) struct Label {
    pub(crate) thread: Option<Thread>,
    pub(crate) location: &'static Location<'static>,
}

impl Label {
    /// Its name, or what is said of who has none.
    pub(crate) fn name(&self) -> &str {
        let name = self.thread.as_ref().and_then(Thread::name);
        name.unwrap_or("<unnamed>")
    }
}

impl Stack {
    /// Says who runs on this stack, until the next call or until it is put back; null is nobody.
    ///
    /// # Safety
    ///
    /// `label` is null, or it is valid for as long as it is set.
    pub(crate) unsafe fn set_label(&self, label: *const Label) {
        // Relaxed: read by a handler that interrupts the same OS thread.
        self.0.label().store(label.cast_mut(), Ordering::Relaxed);
    }

    /// Returns the start of the topmost cache line, the first one that a switch touches.
    pub(crate) fn prefetch_address(&self) -> *const u8 {
        std::ptr::with_exposed_provenance(self.0.top_line())
    }

    /// Gives its memory back, so that what will be there has been written from now on.
    ///
    /// Only of a stack that nobody runs on yet.
    pub(crate) fn forget(&self) {
        guard::release(&[self.0]);
    }

    fn into_slot(self) -> Slot {
        let slot = self.0;
        std::mem::forget(self);
        slot
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // A panic on its way has its own message; the slot is leaked then.
        if !std::thread::panicking() {
            crate::abort::broken("a stack was dropped rather than put back");
        }
    }
}

/// The usable bytes of the green thread's stack that `address` lies in.
pub(crate) fn around(address: usize) -> Option<Range<usize>> {
    slab::find(address).map(Slot::body)
}

// SAFETY: the slot is owned by this value alone, it is never unmapped, its low end is a guard, and
// no size class has less than corosensei's minimum of 4 KiB above it (`class.rs` asserts so). Both
// ends are 16-byte aligned.
unsafe impl corosensei::stack::Stack for Stack {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.0.top()).expect("a slot does not end at address zero")
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.0.low()).expect("a slot does not start at address zero")
    }
}
