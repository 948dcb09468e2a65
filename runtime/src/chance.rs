//! Chance, as far as fairness needs it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number below `count` that looks like chance, so that those who take turns do not see a
/// pattern; 0 if there is no other.
pub(crate) fn below(count: usize) -> usize {
    if count > 1 { number() % count } else { 0 }
}

/// A counter, mixed.
fn number() -> usize {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    const STEP: usize = 0x9E37_79B9_7F4A_7C15_u64 as usize;
    // Relaxed: it orders nothing.
    let mut number = COUNTER.fetch_add(STEP, Ordering::Relaxed) as u64;
    number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (number >> 33) as usize
}
