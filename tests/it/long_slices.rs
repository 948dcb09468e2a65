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
/// The turn under way, the one before the look, and the one before that in the queue; one to spare.
const MOST: u64 = 4;

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

#[test]
fn a_spawn_from_outside() {
    Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", 1)
        .passes(|| {
            let hog = Hog::start();
            for _ in 0..20 {
                let (before, turns) = (hog.turns()(), hog.turns());
                let took = spawn(turns).join().unwrap() - before;
                assert!(took <= MOST, "it took {took} turns");
            }
            hog.end();
        });
}

#[test]
fn a_wake_up_from_outside() {
    Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", 1)
        .passes(|| {
            let hog = Hog::start();
            for _ in 0..20 {
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
                let took = parked.join().unwrap() - before;
                assert!(took <= MOST, "it took {took} turns");
            }
            hog.end();
        });
}

#[test]
fn a_timer() {
    Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", 1)
        .passes(|| {
            let hog = Hog::start();
            let turns = hog.turns();
            let sleeper = spawn(move || {
                for _ in 0..20 {
                    let before = turns();
                    sleep(3 * SLICE);
                    let took = turns() - before;
                    assert!(took <= 3 + MOST, "a sleep of three turns took {took}");
                }
            });
            sleeper.join().unwrap();
            hog.end();
        });
}

#[test]
fn a_dump() {
    Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", 1)
        .passes(|| {
            let hog = Hog::start();
            let turns = hog.turns();
            for _ in 0..20 {
                let before = turns();
                let dump = inspect::dump_with(patient());
                let took = turns() - before;
                assert!(took <= MOST, "it took {took} turns");
                assert_eq!(dump.workers()[0].activity(), Activity::Busy);
            }
            hog.end();
        });
}
