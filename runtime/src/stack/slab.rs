//! `Slab`: one mapping of many equal slots, never unmapped; and `Slot`, one stack's place in it.
//!
//! A slot, from its low end: the guard, the stack, the label (who runs here), and a gap of 0 to 15
//! cache lines, its *colour*, without which the tops of all stacks would fall into the same sets of
//! the first-level cache.
//!
//! The label lies in the slot and not in a table of the slab: its cache line is the one that the
//! switch touches anyway, and no other worker writes to it.

use super::class::SizeClass;
use super::limits::Refusal;
use super::{Label, guard};
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicPtr, Ordering};

const COLOURS: usize = 16;
const CLASS_BITS: usize = 0xff;
const LINE: usize = 64;
const LABEL: usize = 16;

/// The newest slab, of any class, and through it all older ones.
///
/// Null, then slabs that are never freed: [`Slab::publish`] puts each before the former newest.
/// Release there pairs with Acquire in [`slabs`].
static NEWEST: AtomicPtr<Slab> = AtomicPtr::new(std::ptr::null_mut());

#[derive(Debug)]
pub(super) struct Slab {
    base: usize,
    pub(super) slots: usize,
    class: SizeClass,
    /// Whether the guards came with the slab; if not, each is installed when its slot is first
    /// used.
    pub(super) guarded: bool,
    older: AtomicPtr<Slab>,
}

impl Slab {
    /// Maps a slab of as many slots as the class prefers, or as the system allows; not so few that
    /// the last piece of address space is taken from the heap.
    pub(super) fn map(class: SizeClass) -> Result<&'static Slab, Refusal> {
        let mut slots = class.slab_slots();
        let fewest = (slots / 128).max(1);
        let base = loop {
            match map(slots * class.slot()) {
                Ok(base) => break base,
                Err(error) if slots == fewest => return Err(Refusal::Slab(class, error)),
                Err(_) => slots = (slots / 4).max(fewest),
            }
        };
        Slab::guarded(base, slots, class).inspect_err(|_| unmap(base, slots * class.slot()))
    }

    fn guarded(base: usize, slots: usize, class: SizeClass) -> Result<&'static Slab, Refusal> {
        let guards = (0..slots).map(|index| base + index * class.slot());
        let guarded = guard::prepare(guards.map(|low| low..low + class.guard()))
            .map_err(|error| Refusal::Guards(class, error))?;
        let slab = Slab {
            base,
            slots,
            class,
            guarded,
            older: AtomicPtr::default(),
        };
        Ok(Box::leak(Box::new(slab)))
    }

    /// Makes the slab known to [`find`].
    pub(super) fn publish(&'static self) {
        let this = std::ptr::from_ref(self).cast_mut();
        let mut newest = NEWEST.load(Ordering::Relaxed);
        loop {
            self.older.store(newest, Ordering::Relaxed);
            match NEWEST.compare_exchange_weak(newest, this, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => newest = now,
            }
        }
    }

    pub(super) fn slot(&self, index: usize) -> Slot {
        Slot::new(self.base + index * self.class.slot(), self.class)
    }

    fn range(&self) -> Range<usize> {
        self.base..self.base + self.slots * self.class.slot()
    }
}

/// Returns the slot that `address` lies in. Takes no lock and allocates nothing: a signal handler
/// calls it.
pub(super) fn find(address: usize) -> Option<Slot> {
    let slab = slabs().find(|slab| slab.range().contains(&address))?;
    Some(slab.slot((address - slab.base) / slab.class.slot()))
}

/// All slabs, newest first.
pub(super) fn slabs() -> impl Iterator<Item = &'static Slab> {
    let follow = |link: &AtomicPtr<Slab>, order| {
        // SAFETY: a link is null or holds what `publish` took as `&'static Slab`. A slab is
        // published with Release after its own link was stored, and the head is read with Acquire,
        // so all of the chain is visible.
        unsafe { link.load(order).as_ref::<'static>() }
    };
    let newest = follow(&NEWEST, Ordering::Acquire);
    std::iter::successors(newest, move |slab| follow(&slab.older, Ordering::Relaxed))
}

/// The place of one stack: its lowest address, with the class in the bits that are zero in the
/// start of a page.
///
/// One word, because a cache stores and loads many of them, and a pair that is stored by halves is
/// slow to load.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Slot(NonZeroUsize);

impl Slot {
    fn new(low: usize, class: SizeClass) -> Slot {
        let word = NonZeroUsize::new(low | class.index());
        Slot(word.expect("no mapping starts at address zero"))
    }

    pub(super) fn class(self) -> SizeClass {
        SizeClass::from_index(self.0.get() & CLASS_BITS)
    }

    pub(super) fn low(self) -> usize {
        self.0.get() & !CLASS_BITS
    }

    pub(super) fn guard(self) -> Range<usize> {
        self.low()..self.low() + self.class().guard()
    }

    /// All that is not guard.
    pub(super) fn body(self) -> Range<usize> {
        self.guard().end..self.low() + self.class().slot()
    }

    /// Where the stack starts, downwards; what lies above is the label.
    pub(super) fn top(self) -> usize {
        self.top_line() + LINE - LABEL
    }

    /// The cache line that the label shares with the first bytes of the stack.
    pub(super) fn top_line(self) -> usize {
        let colour = self.low() / self.class().slot() % COLOURS * LINE;
        self.low() + self.class().slot() - colour - LINE
    }

    pub(super) fn label(self) -> &'static AtomicPtr<Label> {
        let label = std::ptr::with_exposed_provenance_mut(self.top());
        // SAFETY: `top` lies 16-byte aligned in a slab, which is writable there, never unmapped,
        // and exposed by `map`. The words between a stack and its colour are reached through this
        // function alone. Fresh and trimmed memory is zero, a valid null.
        unsafe { AtomicPtr::from_ptr(label) }
    }
}

fn map(bytes: usize) -> io::Result<usize> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no existing
    // memory; the advice concerns the fresh mapping alone. It only fails on kernels without huge
    // pages, where nothing is lost.
    let base = unsafe {
        let base = libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0);
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        libc::madvise(base, bytes, libc::MADV_NOHUGEPAGE);
        base
    };
    Ok(base.expose_provenance())
}

/// Takes back a mapping that was never published. If the kernel refuses, only address space is
/// lost.
fn unmap(base: usize, bytes: usize) {
    // SAFETY: `base` and `bytes` are those of a mapping of `map`, and nothing refers to it yet.
    unsafe { libc::munmap(std::ptr::with_exposed_provenance_mut(base), bytes) };
}
