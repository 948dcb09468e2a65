//! The guards at the low ends of slots, and giving the pages above them back.
//!
//! A guard is a range of markers in the page table (`MADV_GUARD_INSTALL`, Linux 6.13 and later),
//! installed when its slot is first used: it costs no mapping of its own, of which a process has
//! 65,530. Where the kernel refuses (it is older, or the memory is locked), guards are `PROT_NONE`
//! pages, installed with the slab so that reaching the limit meets whoever spawns.

use super::slab::Slot;
use crate::abort::broken;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

const GUARD_INSTALL: libc::c_int = 102;
/// Tells `process_madvise` the calling process without a descriptor; Linux 6.14 and later.
const PIDFD_SELF: libc::c_int = -10_000;
const MOST_RANGES: usize = 64;

const UNKNOWN: u8 = 0;
const MARKERS: u8 = 1;
const PAGES: u8 = 2;

/// What guards are made of: `UNKNOWN` -> `MARKERS` (the first slab), either -> `PAGES` (a slab that
/// is refused markers, or a test). Relaxed: it only chooses how new slabs are guarded, and each
/// slab says how it was.
static KIND: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Makes all guards `PROT_NONE` pages, as on an older kernel. Returns false if the first slab was
/// mapped before.
pub fn force_mprotect_guards() -> bool {
    KIND.compare_exchange(UNKNOWN, PAGES, Ordering::Relaxed, Ordering::Relaxed)
        .is_ok()
}

/// Whether each guard costs mappings, so that unused slots are not to be had in plenty.
pub(super) fn are_scarce() -> bool {
    KIND.load(Ordering::Relaxed) == PAGES
}

/// Finds out how the slots of a new slab can be guarded. Returns true if all of them now are.
pub(super) fn prepare(mut guards: impl Iterator<Item = Range<usize>> + Clone) -> io::Result<bool> {
    if !are_scarce() && guards.clone().next().is_some_and(accepts_markers) {
        _ = KIND.compare_exchange(UNKNOWN, MARKERS, Ordering::Relaxed, Ordering::Relaxed);
        return Ok(false);
    }
    KIND.store(PAGES, Ordering::Relaxed);
    guards.try_for_each(protect).map(|()| true)
}

/// Installs the guards of slots that were never used.
pub(super) fn install(slots: &[Slot]) {
    advise_all(slots, Slot::guard, GUARD_INSTALL, |guard| {
        // The memory was locked after the slab was mapped: pages are the last resort.
        if protect(guard).is_err() {
            broken("a stack can no longer be guarded");
        }
    });
}

/// Gives the pages of free slots back to the kernel. Their guards stay.
pub(super) fn release(slots: &[Slot]) {
    // Locked memory cannot be given back; then it is kept, as whoever locked it wanted.
    advise_all(slots, Slot::body, libc::MADV_DONTNEED, |_| ());
}

pub(super) fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

fn accepts_markers(guard: Range<usize>) -> bool {
    advise(guard, GUARD_INSTALL).is_ok()
}

/// Advises on a part of each slot with few system calls, or one by one where the kernel cannot;
/// `refused` gets each failure.
fn advise_all(
    slots: &[Slot],
    part: fn(Slot) -> Range<usize>,
    advice: libc::c_int,
    refused: impl Fn(Range<usize>),
) {
    for chunk in slots.chunks(MOST_RANGES) {
        if !advise_vectors(chunk, part, advice) {
            let failed = |range: &Range<usize>| advise(range.clone(), advice).is_err();
            chunk
                .iter()
                .map(|slot| part(*slot))
                .filter(failed)
                .for_each(&refused);
        }
    }
}

fn iovec(range: Range<usize>) -> libc::iovec {
    libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(range.start),
        iov_len: range.len(),
    }
}

/// Returns whether the kernel took the advice for all of at most `MOST_RANGES` slots.
fn advise_vectors(slots: &[Slot], part: fn(Slot) -> Range<usize>, advice: libc::c_int) -> bool {
    let range = |index| slots.get(index).map_or(0..0, |slot| part(*slot));
    let vectors: [_; MOST_RANGES] = std::array::from_fn(|index| iovec(range(index)));
    let bytes: usize = vectors.iter().map(|vector| vector.iov_len).sum();
    let (first, count) = (vectors.as_ptr(), slots.len());
    // SAFETY: `first` and `count` describe the start of a live array. The ranges are guards of
    // slots, or bodies of slots that nobody uses, so neither advice takes memory from anyone;
    // PIDFD_SELF is this process, or an error on older kernels.
    let done = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            PIDFD_SELF,
            first,
            count,
            advice,
            0,
        )
    };
    usize::try_from(done) == Ok(bytes)
}

fn advise(range: Range<usize>, advice: libc::c_int) -> io::Result<()> {
    let start = std::ptr::with_exposed_provenance_mut(range.start);
    loop {
        // SAFETY: as in `advise_vectors`, for one range.
        if unsafe { libc::madvise(start, range.len(), advice) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) {
            return Err(error);
        }
    }
}

fn protect(range: Range<usize>) -> io::Result<()> {
    let start = std::ptr::with_exposed_provenance_mut(range.start);
    // SAFETY: the range is the guard of a slot, which nothing may ever touch.
    match unsafe { libc::mprotect(start, range.len(), libc::PROT_NONE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
