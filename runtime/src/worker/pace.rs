//! `Pace`: at which switch a worker looks at the world next.
//!
//! Every eighth one while switches are short: who waits for the clock, the inbox or the injector
//! waits a microsecond. Where green threads compute between two switches, that would be eight times
//! as long as they do, so then it is every one.

use crate::clock;
use std::cell::Cell;

/// Switches between two looks, while they are short.
const INTERVAL: u64 = 8;
/// From so many nanoseconds on, on average, they are long. More than what the coarse clock leaves
/// out, 4 ms, by the 61 switches between two looks at it.
const LONG: u64 = 100_000;

pub(super) struct Pace {
    /// The switch of the next look.
    next: Cell<u64>,
    /// There are to be looks at every switch.
    slow: Cell<bool>,
    /// What time it was when that was last looked at, and at which switch.
    seen: Cell<Moment>,
    /// From where on the average is taken.
    since: Cell<Moment>,
}

#[derive(Clone, Copy)]
struct Moment {
    time: u64,
    switches: u64,
}

impl Pace {
    /// Begins `now`, at a worker that has made so many switches.
    pub(super) fn new(now: u64, switches: u64) -> Pace {
        let begin = Moment {
            time: now,
            switches,
        };
        Pace {
            next: Cell::new(switches),
            slow: Cell::new(false),
            seen: Cell::new(begin),
            since: Cell::new(begin),
        }
    }

    #[inline(always)]
    pub(super) fn is_due(&self, switches: u64) -> bool {
        switches >= self.next.get()
    }

    /// The world has been looked at.
    #[inline]
    pub(super) fn looked(&self, switches: u64) {
        let interval = if self.slow.get() { 1 } else { INTERVAL };
        self.next.set(switches + interval);
    }

    /// What time it was when this worker last looked.
    #[inline(always)]
    pub(super) fn seen_at(&self) -> u64 {
        self.seen.get().time
    }

    /// About what time it is: the coarse clock may be behind what was last seen, which does not
    /// matter while switches are short.
    pub(super) fn rough_time(&self) -> u64 {
        if self.slow.get() {
            clock::now()
        } else {
            clock::coarse()
        }
    }

    /// It is `now`.
    pub(super) fn see(&self, now: u64, switches: u64) {
        let now = Moment {
            time: now,
            switches,
        };
        if self.seen.replace(now).switches == switches {
            return self.since.set(now); // it has slept, which does not count
        }
        let Moment { time, switches } = self.since.get();
        let took = now.time.saturating_sub(time);
        let count = now.switches.wrapping_sub(switches);
        if count >= INTERVAL || took >= INTERVAL * LONG {
            self.slow.set(took >= count.saturating_mul(LONG));
            self.since.set(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// The switches at which there is a look, among the next `count`, of which each takes `slice`.
    fn looks(pace: &Pace, now: &mut u64, switches: &mut u64, slice: u64, count: u64) -> u64 {
        let mut looks = 0;
        for _ in 0..count {
            (*now, *switches) = (*now + slice, *switches + 1);
            if pace.is_due(*switches) {
                pace.see(*now, *switches);
                pace.looked(*switches);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn it_follows_the_length_of_switches() {
        let (pace, mut now, mut switches) = (Pace::new(5 * MS, 0), 5 * MS, 0);
        looks(&pace, &mut now, &mut switches, 10, 1); // the first one
        assert_eq!(looks(&pace, &mut now, &mut switches, 10, 800), 100);
        looks(&pace, &mut now, &mut switches, MS, 8); // it finds out
        assert_eq!(looks(&pace, &mut now, &mut switches, MS, 100), 100);
        looks(&pace, &mut now, &mut switches, 10, 8);
        assert_eq!(looks(&pace, &mut now, &mut switches, 10, 80), 10);
    }

    #[test]
    fn one_short_switch_among_long_ones_changes_nothing() {
        let (pace, mut now, mut switches) = (Pace::new(5 * MS, 0), 5 * MS, 0);
        looks(&pace, &mut now, &mut switches, MS, 20);
        assert_eq!(looks(&pace, &mut now, &mut switches, 10, 1), 1);
        assert_eq!(looks(&pace, &mut now, &mut switches, MS, 20), 20);
    }

    #[test]
    fn a_sleep_is_no_long_switch() {
        let (pace, mut now, mut switches) = (Pace::new(5 * MS, 0), 5 * MS, 0);
        looks(&pace, &mut now, &mut switches, 10, 9);
        pace.see(now, switches);
        now += 1000 * MS;
        pace.see(now, switches);
        assert_eq!(looks(&pace, &mut now, &mut switches, 10, 80), 10);
    }
}
