//! How long others wait for their turn beside one that computes between two switches, counted in
//! its turns: as many as a strict queue asks for, not eight times as many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use greenloop::inspect::{self, Activity};
use greenloop::{JoinHandle, sleep, spawn, thread, yield_now};

use crate::child::{Child, this_test};
use crate::inspect::patient;

const SLICE: Duration = Duration::from_millis(1);
/// The turn under way, and one that was queued before; one to spare.
const MOST: u64 = 3;
/// Of so many rounds half have to be as quick: a thread of the test may lose its CPU in any.
const ROUNDS: usize = 20;

/// One that computes for a millisecond at a time, on the only worker.
struct Hog {
    turns: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl Hog {
    /// After so many turns that its worker knows.
    fn start() -> Hog {
        let (turns, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (counted, stopped) = (turns.clone(), stop.clone());
        let handle = spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                counted.fetch_add(1, Ordering::Relaxed);
                let start = Instant::now();
                while start.elapsed() < SLICE {}
                yield_now();
            }
        });
        while turns.load(Ordering::Relaxed) < 200 {
            std::thread::sleep(SLICE);
        }
        Hog {
            turns,
            stop,
            handle,
        }
    }

    fn turns(&self) -> impl Fn() -> u64 + Send + 'static {
        let turns = self.turns.clone();
        move || turns.load(Ordering::Relaxed)
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.handle.join().unwrap();
    }
}

/// Runs `f` in a process of its own, with one worker.
fn beside_a_hog(test: &'static str, f: impl FnOnce(&Hog)) {
    let child = Child::new(test).variable("GREENLOOP_WORKERS", 1);
    child.passes(|| {
        let hog = Hog::start();
        f(&hog);
        hog.end();
    });
}

/// Fails if more than half of the rounds take more turns than `most`.
fn assert_mostly(most: u64, round: impl FnMut(usize) -> u64) {
    let mut took: Vec<u64> = (0..ROUNDS).map(round).collect();
    took.sort_unstable();
    assert!(took[ROUNDS / 2] <= most, "turns it took: {took:?}");
}

#[test]
fn a_spawn_from_outside() {
    beside_a_hog(this_test!(), |hog| {
        assert_mostly(MOST, |_| {
            let (before, turns) = (hog.turns()(), hog.turns());
            spawn(turns).join().unwrap() - before
        });
    });
}

#[test]
fn a_wake_up_from_outside() {
    beside_a_hog(this_test!(), |hog| {
        assert_mostly(MOST, |_| {
            let (turns, ready) = (hog.turns(), Arc::new(AtomicBool::new(false)));
            let parks = ready.clone();
            let parked = spawn(move || {
                parks.store(true, Ordering::Release);
                thread::park();
                turns()
            });
            while !ready.load(Ordering::Acquire) {
                std::thread::sleep(SLICE / 10);
            }
            let before = hog.turns()();
            parked.thread().unpark();
            parked.join().unwrap() - before
        });
    });
}

#[test]
fn a_timer() {
    beside_a_hog(this_test!(), |hog| {
        let turns = hog.turns();
        let sleeper = spawn(move || {
            assert_mostly(3 + MOST, |_| {
                let before = turns();
                sleep(3 * SLICE);
                turns() - before
            });
        });
        sleeper.join().unwrap();
    });
}

#[test]
fn a_dump() {
    beside_a_hog(this_test!(), |hog| {
        let turns = hog.turns();
        assert_mostly(MOST, |_| {
            let before = turns();
            let dump = inspect::dump_with(patient());
            assert_eq!(dump.workers()[0].activity(), Activity::Busy);
            turns() - before
        });
    });
}
