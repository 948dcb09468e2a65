//! `StackCache`: the credits and free stacks of one worker, so that spawning and ending touch
//! nothing shared.

use super::class::{CLASSES, SizeClass};
use super::depot;
use super::limits::Refusal;
use super::slab::Slot;
use super::{Stack, guard};
use crate::abort::broken;
use crate::clock;
use std::io;
use std::sync::atomic::Ordering;

/// How long an idle worker trims before it looks for work again, in nanoseconds.
const TRIM_TIME: u64 = 500_000;

/// One worker's credits and stacks of all classes, used by its own OS thread alone. Dropping it
/// returns all of them.
#[derive(Debug)]
pub(crate) struct StackCache {
    drawers: [Drawer; CLASSES],
}

impl StackCache {
    /// Takes nothing yet: a cache earns its permits when it is used.
    pub(crate) fn new() -> StackCache {
        let mut classes = SizeClass::all();
        let drawer = |_| Drawer::new(classes.next().expect("there are CLASSES of them"));
        StackCache {
            drawers: std::array::from_fn(drawer),
        }
    }

    /// Takes the credit that a green thread needs before it may [`take`](StackCache::take) a stack.
    ///
    /// # Errors
    ///
    /// The system's refusal of more memory, with its kind and the likely limit.
    #[inline]
    pub(crate) fn credit(&mut self, class: SizeClass) -> io::Result<()> {
        let drawer = self.drawer(class);
        if drawer.credits == 0 {
            drawer.draw_credits().map_err(Refusal::explain)?;
        }
        drawer.credits -= 1;
        Ok(())
    }

    /// Gives back the credit of a green thread that ended (its stack was put back) or never ran.
    #[inline]
    pub(crate) fn refund(&mut self, class: SizeClass) {
        let drawer = self.drawer(class);
        drawer.credits += 1;
        if depot::is_scarce() {
            // Whoever spawns next may be another worker.
            drawer.disband();
        } else if drawer.credits > drawer.most_credits {
            drawer.return_credits();
        }
    }

    /// Takes a stack, under a credit that covers none yet.
    #[inline]
    pub(crate) fn take(&mut self, class: SizeClass) -> Stack {
        let drawer = self.drawer(class);
        Stack(drawer.kept.pop().unwrap_or_else(|| drawer.refill()))
    }

    /// Keeps a stack for the next [`take`](StackCache::take), or passes it on to the depot. Its
    /// label is taken off.
    #[inline]
    pub(crate) fn put(&mut self, stack: Stack) {
        let slot = stack.into_slot();
        // Relaxed: as in `Stack::set_label`.
        slot.label().store(std::ptr::null_mut(), Ordering::Relaxed);
        self.drawer(slot.class()).put(slot);
    }

    /// Whether there are more free stacks with their memory, here or in the depot, than are worth
    /// keeping so.
    pub(crate) fn has_surplus(&self) -> bool {
        depot::has_surplus() || self.drawers.iter().any(|drawer| drawer.surplus() > 0)
    }

    /// Gives the memory of surplus stacks back for half a millisecond. For an idle worker, while
    /// there is a surplus.
    pub(crate) fn trim(&mut self) {
        let until = clock::now() + TRIM_TIME;
        for drawer in &mut self.drawers {
            drawer.deposit(drawer.surplus());
        }
        for class in SizeClass::all() {
            while clock::now() < until && depot::trim(class) {}
        }
    }

    fn drawer(&mut self, class: SizeClass) -> &mut Drawer {
        &mut self.drawers[class.index()]
    }
}

impl Drop for StackCache {
    fn drop(&mut self) {
        self.drawers.iter_mut().for_each(Drawer::disband);
    }
}

/// The part of a cache for one class. `kept` never holds more than `permits` (see the proof in
/// `mod.rs`).
#[derive(Debug)]
struct Drawer {
    kept: Vec<Slot>,
    permits: usize,
    credits: usize,
    most_credits: usize,
    class: SizeClass,
}

impl Drawer {
    fn new(class: SizeClass) -> Drawer {
        Drawer {
            kept: Vec::new(),
            permits: 0,
            credits: 0,
            most_credits: 2 * class.batch(),
            class,
        }
    }

    #[inline]
    fn put(&mut self, slot: Slot) {
        if self.kept.len() >= self.permits && !self.make_room() {
            depot::of(self.class).lock().deposit([slot].into_iter());
        } else {
            self.kept.push(slot);
        }
    }

    /// How many of the stacks kept should not keep their memory.
    fn surplus(&self) -> usize {
        self.kept.len().saturating_sub(self.class.kept_hot())
    }

    #[cold]
    fn draw_credits(&mut self) -> Result<(), Refusal> {
        depot::grow_ahead(self.class);
        self.credits = match depot::issue(self.class, self.class.batch()) {
            Ok(count) => count,
            // What this cache keeps may be the last that there is.
            Err(refusal) => {
                self.disband();
                depot::issue_available(self.class, 1).ok_or(refusal)?
            }
        };
        Ok(())
    }

    #[cold]
    fn return_credits(&mut self) {
        let count = self.class.batch();
        depot::of(self.class).lock().redeem(count);
        self.credits -= count;
    }

    /// Fetches stacks from the depot: one to be used, which the caller's credit covers, and as many
    /// as are permitted.
    #[cold]
    fn refill(&mut self) -> Slot {
        self.widen_if(self.permits == 0);
        let count = 1 + self.permits.min(self.class.batch());
        self.kept.reserve(count);
        let guarded = depot::of(self.class).lock().withdraw(count, &mut self.kept);
        if !guarded {
            guard::install(&self.kept);
        }
        self.kept
            .pop()
            .unwrap_or_else(|| broken("no stack is left for the holder of a credit"))
    }

    /// Makes room for one more stack: by more permits, else by moving the longest unused half to
    /// the depot.
    #[cold]
    fn make_room(&mut self) -> bool {
        if depot::is_scarce() {
            return false;
        }
        self.widen_if(self.permits < depot::hoard(self.class));
        if self.kept.len() >= self.permits {
            self.deposit(self.kept.len().div_ceil(2));
        }
        self.kept.len() < self.permits
    }

    /// Doubles the permits if wanted, as far as there are any.
    fn widen_if(&mut self, wanted: bool) {
        if !wanted || depot::is_scarce() {
            return;
        }
        depot::grow_ahead(self.class);
        let most = depot::hoard(self.class).saturating_sub(self.permits);
        let more = most.min(self.permits.max(self.class.batch()));
        self.permits += depot::of(self.class).lock().permit(more);
        self.kept
            .reserve_exact((self.permits + 1).saturating_sub(self.kept.len()));
    }

    /// Moves the `count` longest unused stacks to the depot.
    fn deposit(&mut self, count: usize) {
        if count > 0 {
            depot::of(self.class)
                .lock()
                .deposit(self.kept.drain(..count));
        }
    }

    /// Returns the credits, the stacks and then the permits that they needed.
    fn disband(&mut self) {
        let mut depot = depot::of(self.class).lock();
        depot.redeem(std::mem::take(&mut self.credits));
        depot.deposit(self.kept.drain(..));
        depot.revoke(std::mem::take(&mut self.permits));
    }
}
