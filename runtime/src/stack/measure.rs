//! `Use`: how much of their stacks the green threads of one place of the program use, at most.
//!
//! Of those that are chosen, one in so many, the stack's memory is given back before the first run;
//! at the end the lowest word that is not zero tells how far down it was used. What a green thread
//! wrote as zero, and nothing else below it, is missed: a call leaves its return address.
//!
//! Rejected: a pattern in all of the stack (each page of it is touched, and takes memory), and the
//! pages of stacks as they are recycled (those tell of all who ever had them).

use super::{Slot, Stack, guard};
use crate::atomic::{AtomicU32, Ordering};
use crate::lock::Lock;
use std::collections::BTreeMap;
use std::panic::Location;

/// One in how many is chosen; 0 is none. Relaxed: a wish.
static ONE_IN: AtomicU32 = AtomicU32::new(0);
/// Counts those that start, once any are to be chosen.
static STARTED: AtomicU32 = AtomicU32::new(0);

type Place = (&'static str, u32, u32);

static USES: Lock<BTreeMap<Place, Use>> = Lock::new(BTreeMap::new());

/// What was measured of those that were spawned at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) location: &'static Location<'static>,
    pub(crate) count: u64,
    pub(crate) most: usize,
    pub(crate) reserved: usize,
}

/// From now on one in so many of those that start is measured; 0 is none.
pub(crate) fn choose(one_in: u32) {
    ONE_IN.store(one_in, Ordering::Relaxed);
}

/// Is the one that starts now to be measured?
#[inline]
pub(crate) fn is_chosen() -> bool {
    let one_in = ONE_IN.load(Ordering::Relaxed);
    one_in != 0
        && STARTED
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(one_in)
}

/// Adds what one used that was spawned at `location` and has ended. Its stack was forgotten before
/// it ran.
#[cold]
pub(crate) fn note(location: &'static Location<'static>, stack: &Stack) {
    let (used, reserved) = (used(stack.0), stack.0.class().usable());
    let place = (location.file(), location.line(), location.column());
    let mut uses = USES.lock();
    let of_place = uses.entry(place).or_insert(Use {
        location,
        count: 0,
        most: 0,
        reserved,
    });
    of_place.count += 1;
    of_place.most = of_place.most.max(used);
    of_place.reserved = of_place.reserved.max(reserved);
}

/// What was measured so far.
pub(crate) fn uses() -> Vec<Use> {
    USES.lock().values().copied().collect()
}

/// How many pages are asked about at once.
const PAGES: usize = 256;

/// Bytes from the top to the lowest word that is not zero.
fn used(slot: Slot) -> usize {
    let (body, page) = (slot.body(), guard::page_size());
    let mut chunk = body.start;
    while chunk < body.end {
        let end = body.end.min(chunk + PAGES * page);
        for index in present(chunk, (end - chunk) / page) {
            if let Some(lowest) = lowest_written(chunk + index * page, page) {
                return body.end - lowest;
            }
        }
        chunk = end;
    }
    0
}

/// Which of so many pages have memory; all, if the kernel does not say.
fn present(start: usize, pages: usize) -> impl Iterator<Item = usize> {
    let mut map = [1_u8; PAGES];
    let bytes = pages * guard::page_size();
    // SAFETY: the range lies in a slab, and the array has room for an entry of each page.
    unsafe {
        libc::mincore(
            std::ptr::with_exposed_provenance_mut(start),
            bytes,
            map.as_mut_ptr(),
        )
    };
    (0..pages).filter(move |index| map[*index] & 1 != 0)
}

fn lowest_written(page: usize, bytes: usize) -> Option<usize> {
    let words = (page..page + bytes).step_by(size_of::<usize>());
    words.into_iter().find(|word| {
        // SAFETY: an aligned word of a stack that nobody runs on, above its guard, and owned by the
        // caller.
        unsafe { std::ptr::with_exposed_provenance::<usize>(*word).read() != 0 }
    })
}
