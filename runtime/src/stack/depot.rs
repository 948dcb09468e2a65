//! `Depot`: for each class the process-wide count of credits and permits, and the stacks that no
//! cache keeps.

use super::class::{CLASSES, SizeClass};
use super::guard;
use super::limits::Refusal;
use super::slab::{Slab, Slot};
use crate::clock;
use crate::lock::Lock;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How long a refused slab is not asked for again while there are credits without it, in
/// nanoseconds.
const REFUSAL_LASTS: u64 = 100_000_000;

static DEPOTS: [Lock<Depot>; CLASSES] = [const { Lock::new(Depot::new()) }; CLASSES];
/// One thread at a time maps slabs, while the depots stay open to the others. Taken before a
/// depot's lock.
static MAPPING: Lock<()> = Lock::new(());
/// The stacks in all depots that are free and still have their memory. Changed under the lock of
/// their depot; Relaxed, because an idle worker that reads an old count at worst trims at its next
/// chance.
static HOT: AtomicUsize = AtomicUsize::new(0);

/// The system has refused a slab, and has granted none since: caches keep nothing that another one
/// might need. Relaxed: who reads an old value keeps a little longer what it has.
static SCARCE: AtomicBool = AtomicBool::new(false);

/// The invariant, kept by everyone who holds the lock: `issued + permits <= mapped`.
pub(super) struct Depot {
    mapped: usize,
    issued: usize,
    permits: usize,
    /// Free stacks as they were left, the most recently used last.
    hot: VecDeque<Slot>,
    /// Free stacks whose pages were given back; their guards stand.
    cold: Vec<Slot>,
    /// Slots never used, without a guard unless their slab has it: the slab and the first of them.
    fresh: Vec<(&'static Slab, usize)>,
    refused_at: Option<u64>,
}

impl Depot {
    const fn new() -> Depot {
        Depot {
            mapped: 0,
            issued: 0,
            permits: 0,
            hot: VecDeque::new(),
            cold: Vec::new(),
            fresh: Vec::new(),
            refused_at: None,
        }
    }

    fn available(&self) -> usize {
        self.mapped - self.issued - self.permits
    }

    fn issue(&mut self, most: usize) -> usize {
        let count = most.min(self.available());
        self.issued += count;
        count
    }

    pub(super) fn redeem(&mut self, credits: usize) {
        self.issued -= credits;
    }

    /// Permits a cache to keep up to `most` more stacks; returns how many.
    pub(super) fn permit(&mut self, most: usize) -> usize {
        let count = most.min(self.available());
        self.permits += count;
        count
    }

    /// Takes back permits that no kept stack needs any more.
    pub(super) fn revoke(&mut self, permits: usize) {
        self.permits -= permits;
    }

    /// Moves up to `most` free stacks to `out`, the hottest there are, all of one kind; returns
    /// whether they are guarded.
    pub(super) fn withdraw(&mut self, most: usize, out: &mut Vec<Slot>) -> bool {
        if !self.hot.is_empty() {
            let rest = self.hot.len().saturating_sub(most);
            HOT.fetch_sub(self.hot.len() - rest, Ordering::Relaxed);
            out.extend(self.hot.drain(rest..));
        } else if !self.cold.is_empty() {
            let rest = self.cold.len().saturating_sub(most);
            out.extend(self.cold.drain(rest..));
        } else {
            return self.withdraw_fresh(most, out);
        }
        true
    }

    fn withdraw_fresh(&mut self, most: usize, out: &mut Vec<Slot>) -> bool {
        let Some((slab, next)) = self.fresh.last_mut() else {
            return true;
        };
        let (slab, start) = (*slab, *next);
        *next = slab.slots.min(start + most);
        out.extend((start..*next).map(|index| slab.slot(index)));
        if *next == slab.slots {
            self.fresh.pop();
        }
        slab.guarded
    }

    /// Takes stacks that are free, as they were left.
    pub(super) fn deposit(&mut self, slots: impl ExactSizeIterator<Item = Slot>) {
        HOT.fetch_add(slots.len(), Ordering::Relaxed);
        self.hot.extend(slots);
    }

    /// Makes room for all slots at once, so that depositing never allocates.
    fn add(&mut self, slab: &'static Slab) {
        self.mapped += slab.slots;
        self.fresh.push((slab, 0));
        self.hot.reserve(self.mapped - self.hot.len());
        self.cold.reserve(self.mapped - self.cold.len());
        self.refused_at = None;
    }

    fn was_just_refused(&self) -> bool {
        self.refused_at
            .is_some_and(|at| clock::now() < at + REFUSAL_LASTS)
    }

    /// Moves the longest unused hot stacks out, to be trimmed by a caller that has permits for
    /// them.
    fn withdraw_surplus(&mut self, most: usize) -> Vec<Slot> {
        let count = most.min(self.hot.len());
        HOT.fetch_sub(count, Ordering::Relaxed);
        self.hot.drain(..count).collect()
    }
}

pub(super) fn is_scarce() -> bool {
    SCARCE.load(Ordering::Relaxed)
}

pub(super) fn of(class: SizeClass) -> &'static Lock<Depot> {
    &DEPOTS[class.index()]
}

/// Takes a credit on behalf of an OS thread that has no cache.
///
/// # Errors
///
/// The system's refusal of more memory, with its kind and the likely limit.
pub(crate) fn credit(class: SizeClass) -> io::Result<()> {
    issue(class, 1).map(|_| ()).map_err(Refusal::explain)
}

/// Gives back a credit that covers no stack.
pub(crate) fn refund(class: SizeClass) {
    of(class).lock().redeem(1);
}

/// Issues up to `most` credits, at least one; maps a slab if there is none.
pub(super) fn issue(class: SizeClass, most: usize) -> Result<usize, Refusal> {
    loop {
        if let Some(count) = issue_available(class, most) {
            return Ok(count);
        }
        grow(class, 1)?;
    }
}

/// Issues up to `most` credits, at least one, or returns `None`.
pub(super) fn issue_available(class: SizeClass, most: usize) -> Option<usize> {
    Some(of(class).lock().issue(most)).filter(|count| *count > 0)
}

/// Maps a slab if less than a hoard is available, so that caches get permits; without it they work,
/// but slower.
pub(super) fn grow_ahead(class: SizeClass) {
    let wanted = hoard(class);
    let short = {
        let depot = of(class).lock();
        depot.available() < wanted && !depot.was_just_refused()
    };
    if short && grow(class, wanted).is_err() {
        of(class).lock().refused_at = Some(clock::now());
    }
}

/// The most permits of a cache: few where each slot costs mappings, of which the whole process has
/// 65,530.
pub(super) fn hoard(class: SizeClass) -> usize {
    if guard::are_scarce() {
        (class.hoard() / 8).max(2)
    } else {
        class.hoard()
    }
}

/// Maps a slab, unless another thread just made `wanted` slots available.
fn grow(class: SizeClass, wanted: usize) -> Result<(), Refusal> {
    let _turn = MAPPING.lock();
    if of(class).lock().available() < wanted {
        let slab = Slab::map(class).inspect_err(|_| SCARCE.store(true, Ordering::Relaxed))?;
        SCARCE.store(false, Ordering::Relaxed);
        slab.publish();
        of(class).lock().add(slab);
    }
    Ok(())
}

/// Whether any depot holds free stacks that still have their memory.
pub(super) fn has_surplus() -> bool {
    HOT.load(Ordering::Relaxed) > 0
}

/// Gives back the memory of a few free stacks; returns false when there are none left.
pub(super) fn trim(class: SizeClass) -> bool {
    let mut depot = of(class).lock();
    let permits = depot.permit(class.batch());
    let slots = depot.withdraw_surplus(permits.max(1));
    if permits == 0 {
        // Every slot is promised to somebody, who must find it in the depot: it stays locked for
        // the one stack.
        guard::release(&slots);
    } else {
        drop(depot);
        guard::release(&slots);
        depot = of(class).lock();
    }
    depot.revoke(permits);
    depot.cold.extend_from_slice(&slots);
    !slots.is_empty()
}

/// How many stacks there are, in all classes.
pub(crate) struct Usage {
    /// That have been used.
    pub(crate) used: usize,
    /// Of those, that nobody keeps and that still have their memory.
    pub(crate) hot: usize,
    /// Of those, that have none.
    pub(crate) cold: usize,
}

/// Counts the stacks.
pub(crate) fn usage() -> Usage {
    let mut usage = Usage {
        used: 0,
        hot: 0,
        cold: 0,
    };
    for depot in &DEPOTS {
        let depot = depot.lock();
        let fresh: usize = depot.fresh.iter().map(|it| it.0.slots - it.1).sum();
        usage.used += depot.mapped - fresh;
        usage.hot += depot.hot.len();
        usage.cold += depot.cold.len();
    }
    usage
}
