//! `Patience`: whether a worker that has nothing to do looks around for a moment before it sleeps.
//!
//! Two workers that hand things to each other would otherwise sleep between any two of them, and a
//! sleep and a wake-up take tens of microseconds. To look around pays only if something comes soon,
//! so it is done only after short sleeps that others ended, and no more after it was in vain: an
//! idle program does not, nor one that waits for descriptors or time.
//!
//! On a machine with more to run than CPUs it does not pay either: who looks around lets others
//! run, and comes back milliseconds later, while who sleeps is put first when it is woken. That is
//! noticed by the clock, and remembered for long.

use super::Worker;
use crate::clock;
use std::cell::Cell;
use std::time::Duration;
use std::{hint, thread};

/// How long a worker looks around, in nanoseconds: a little longer than it takes to wake another
/// one, which is then to answer.
const LINGER: u64 = 50_000;

/// A sleep during which another worker was woken and answered, in nanoseconds.
const SHORT: u64 = 150_000;

/// Looks at what is handed over between two at the rest of the world.
const LOOKS: u32 = 30;

/// From this score on it is worth while.
const ENOUGH: i32 = 2;
const MOST: i32 = 4;
/// The score when others have taken the CPU: so many short sleeps are to come first.
const CROWDED: i32 = -1000;

pub(super) struct Patience {
    score: Cell<i32>,
    /// There are others, which run at the same time.
    has_others: bool,
}

impl Patience {
    pub(super) fn new(has_others: bool) -> Patience {
        Patience {
            score: Cell::new(0),
            has_others,
        }
    }

    /// Is it worth while to look around?
    fn is_enough(&self) -> bool {
        self.has_others && self.score.get() >= ENOUGH
    }

    /// After a sleep of this many nanoseconds: did it end as something was handed over?
    pub(super) fn slept(&self, nanos: u64, handed_over: bool) {
        if handed_over && nanos < SHORT {
            self.score.set(MOST.min(self.score.get() + 1));
        }
    }

    /// After a look around: was something handed over, and how many nanoseconds took the last look?
    fn looked_around(&self, handed_over: bool, nanos: u64) {
        self.score.set(if nanos > LINGER {
            CROWDED
        } else if handed_over {
            MOST
        } else {
            self.score.get() - ENOUGH
        });
    }
}

impl Worker {
    /// Before a sleep, if others are likely to hand something over at once: looks out for that;
    /// true if something has come.
    pub(super) fn linger(&self) -> bool {
        if !self.patience.is_enough() {
            return false;
        }
        self.look_at_timers(clock::now());
        let end = self.seen_at() + LINGER;
        loop {
            let since = self.seen_at();
            let came = self.look_out();
            let now = self.seen_at();
            if came || now >= end {
                // What the reactor or a timer brings would have ended a sleep as soon.
                let handed_over = self.is_handed_something();
                self.patience.looked_around(handed_over, now - since);
                return came;
            }
        }
    }

    /// Has another thread woken or spawned something here?
    pub(super) fn is_handed_something(&self) -> bool {
        !self.remote.inbox.is_empty() || !self.remote.injector.is_empty()
    }

    /// Looks out for what others do, for a few microseconds.
    fn look_out(&self) -> bool {
        for _ in 0..LOOKS {
            if self.is_handed_something() {
                return true;
            }
            hint::spin_loop();
        }
        // Whoever is to hand something over may wait for this very CPU; so may anybody else.
        thread::yield_now();
        if self.reactor.has_waiters() {
            self.reactor.poll(Some(Duration::ZERO));
        }
        self.look_at_timers(clock::now());
        // Not more often: their queues are in the caches of those who use them.
        let others = self
            .place
            .is_some_and(|it| it.scheduler.has_work_of_others(it.position));
        others || self.remote.counts.are_timers_due() || !self.fifo.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_with_short_sleeps_that_others_ended() {
        let patience = Patience::new(true);
        patience.slept(SHORT - 1, true);
        assert!(!patience.is_enough());
        patience.slept(SHORT - 1, false);
        patience.slept(SHORT, true);
        assert!(!patience.is_enough());
        patience.slept(SHORT - 1, true);
        assert!(patience.is_enough());
    }

    #[test]
    fn it_goes_when_it_was_in_vain() {
        let patience = Patience::new(true);
        patience.looked_around(true, 0);
        assert!(patience.is_enough());
        (0..2).for_each(|_| patience.looked_around(false, 0));
        assert!(!patience.is_enough());
        (0..2).for_each(|_| patience.slept(0, true));
        assert!(patience.is_enough());
        patience.looked_around(false, 0);
        assert!(!patience.is_enough());
    }

    #[test]
    fn it_goes_for_long_when_others_take_the_cpu() {
        let patience = Patience::new(true);
        patience.looked_around(true, LINGER + 1);
        (0..100).for_each(|_| patience.slept(0, true));
        assert!(!patience.is_enough());
        (0..1000).for_each(|_| patience.slept(0, true));
        assert!(patience.is_enough());
    }

    #[test]
    fn who_is_alone_has_none() {
        let patience = Patience::new(false);
        (0..10).for_each(|_| patience.slept(0, true));
        assert!(!patience.is_enough());
    }
}
