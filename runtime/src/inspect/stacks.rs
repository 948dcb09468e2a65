//! `SiteUse`: how much stack the green threads of one place of the program use.

use crate::stack::measure;
use std::panic::Location;

/// What was measured of the green threads that were spawned at one place.
#[derive(Clone, Copy, Debug)]
pub struct SiteUse {
    location: &'static Location<'static>,
    count: u64,
    high_water: usize,
    reserved: usize,
}

impl SiteUse {
    /// The place that spawned them.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The most bytes that any of them used.
    pub fn high_water(&self) -> usize {
        self.high_water
    }

    /// The bytes that they had, of which a [`Builder::stack_size`](crate::Builder::stack_size) can
    /// give them more or less.
    pub fn reserved(&self) -> usize {
        self.reserved
    }
}

/// Measures the stacks of one in so many green threads that start from now on; 0, the default,
/// measures none, and costs nothing.
///
/// One that is measured costs some microseconds more: its stack begins with fresh memory. What it
/// used is known at its end.
///
/// # Examples
///
/// ```
/// use greenloop::inspect;
///
/// inspect::measure_stacks(1);
/// let deep = greenloop::spawn(|| std::hint::black_box([1_u8; 20_000]).len());
/// deep.join().unwrap();
/// inspect::measure_stacks(0);
/// let measured = || inspect::stacks().into_iter().find(|it| it.location().file() == file!());
/// while measured().is_none() {
///     greenloop::yield_now();
/// }
/// assert!(measured().unwrap().high_water() > 20_000);
/// ```
pub fn measure_stacks(one_in: u32) {
    measure::choose(one_in);
}

/// What was measured so far, for each place that spawned some: to choose
/// [`Builder::stack_size`](crate::Builder::stack_size) by. Leave room: a panic with a backtrace
/// takes 23 KB.
pub fn stacks() -> Vec<SiteUse> {
    let site = |it: measure::Use| SiteUse {
        location: it.location,
        count: it.count,
        high_water: it.most,
        reserved: it.reserved,
    };
    measure::uses().into_iter().map(site).collect()
}
