//! Bugs that were found once in the end of a `run`: a test named for each.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use greenloop::{
    Killed, run, scope, sleep, spawn, spawn_blocking, spawn_later, spawn_local, thread, yield_now,
};

use crate::child::{Child, this_test};
use crate::counted::Drops;
use crate::regressions::{DoubleBomb, OnDrop};
use crate::within::{LONG, within};

/// Longer than the end of a `run` waits before it says for whom.
const IMPATIENT: Duration = Duration::from_millis(1_200);

/// Every wait of a destructor, none of which may let the others overtake it.
fn wait_in_every_way() {
    yield_now();
    sleep(Duration::from_millis(2));
    thread::current().unpark();
    thread::park();
    spawn_blocking(|| ()).join().unwrap();
    yield_now();
}

#[test]
fn a_cancelled_child_drops_what_it_borrows_before_its_scope_ends() {
    Child::new(this_test!()).passes(|| {
        let trace = Arc::new(Mutex::new(Vec::new()));
        let theirs = trace.clone();
        run(move || {
            drop(spawn_local(move || {
                let trace = |what| theirs.lock().unwrap().push(what);
                let borrowed = OnDrop(|| trace("what it borrows"));
                scope(|s| {
                    let (trace, borrowed) = (&trace, &borrowed);
                    let captured = OnDrop(move || {
                        let _kill = catch_unwind(wait_in_every_way);
                        let _alive = borrowed;
                        trace("capture");
                    });
                    s.spawn(move || {
                        let _captured = captured;
                        trace("ran");
                    });
                });
                trace("went on");
            }));
            yield_now();
        });
        assert_eq!(*trace.lock().unwrap(), ["capture", "what it borrows"]);
    });
}

#[test]
fn a_scope_whose_child_never_ran_kills_its_owner() {
    let end = Child::new(this_test!()).run(|| {
        let (ran, went_on) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (theirs, goes_on) = (ran.clone(), went_on.clone());
        let owner = run(move || {
            let owner = spawn(move || {
                scope(|s| drop(s.spawn(|| theirs.store(true, Ordering::SeqCst))));
                goes_on.store(true, Ordering::SeqCst);
            });
            yield_now();
            owner
        });
        assert!(owner.join().unwrap_err().is::<Killed>());
        assert!(!ran.load(Ordering::SeqCst) && !went_on.load(Ordering::SeqCst));
    });
    assert!(end.status.success(), "{end}");
    assert!(!end.stderr.contains("panicked"), "{end}");
}

#[test]
fn a_scope_whose_parked_child_is_killed_says_nothing_of_a_panic() {
    let end = Child::new(this_test!()).run(|| {
        let owner = run(|| {
            let owner = spawn(|| scope(|s| drop(s.spawn(thread::park))));
            yield_now();
            yield_now();
            owner
        });
        assert!(owner.join().unwrap_err().is::<Killed>());
    });
    assert!(end.status.success(), "{end}");
    assert!(!end.stderr.contains("panicked"), "{end}");
}

/// A capture that notes on which OS thread it is dropped, and a flag for a closure that runs.
struct Traces {
    dropped_on: Arc<Mutex<Vec<ThreadId>>>,
    runs: Arc<AtomicUsize>,
}

impl Traces {
    fn new() -> Traces {
        Traces {
            dropped_on: Arc::default(),
            runs: Arc::default(),
        }
    }

    fn closure(&self) -> impl FnOnce() + Send + 'static {
        let (dropped_on, runs) = (self.dropped_on.clone(), self.runs.clone());
        let capture = OnDrop(move || {
            let here = std::thread::current().id();
            dropped_on.lock().unwrap().push(here);
        });
        move || {
            let _capture = capture;
            runs.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// One that holds up its OS thread in its destructor, for longer than the patience of the end.
fn spawn_slow() {
    drop(spawn(|| {
        let _slow = OnDrop(|| std::thread::sleep(IMPATIENT));
        loop {
            yield_now();
        }
    }));
    yield_now();
}

#[test]
fn closures_that_the_end_finds_unstarted_are_dropped_by_then() {
    Child::new(this_test!()).passes(|| {
        let traces = Traces::new();
        let (movable, local, late) = run(|| {
            spawn_slow();
            (
                spawn(traces.closure()),
                spawn_local(traces.closure()),
                spawn_later(Duration::from_millis(1), traces.closure()),
            )
        });
        let here = std::thread::current().id();
        assert_eq!(*traces.dropped_on.lock().unwrap(), [here; 3]);
        let another = std::thread::spawn(|| {
            run(|| {
                spawn(|| ()).join().unwrap();
                sleep(Duration::from_millis(20));
            });
        });
        another.join().unwrap();
        assert!(movable.is_finished() && local.is_finished() && late.is_finished());
        for result in [movable.join(), local.join(), late.join()] {
            assert!(result.unwrap_err().is::<Killed>());
        }
        assert_eq!(traces.runs.load(Ordering::SeqCst), 0);
        assert_eq!(traces.dropped_on.lock().unwrap().len(), 3);
    });
}

#[test]
fn an_unstarted_closure_that_panics_twice_when_dropped_does_not_abort() {
    Child::new(this_test!()).passes(|| {
        let drops = Drops::new();
        let bombs = [drops.counted(), drops.counted(), drops.counted()].map(DoubleBomb);
        let [movable, local, late] = bombs;
        let handle = run(|| {
            drop(spawn_local(move || drop(local)));
            drop(spawn_later(LONG, move || drop(late)));
            spawn(move || drop(movable))
        });
        assert!(handle.join().unwrap_err().is::<Killed>());
        assert_eq!(drops.count(), 3);
        assert_eq!(run(|| spawn(|| 1).join().unwrap()), 1);
    });
}

/// Does in its first, second and third record what a logger should not.
struct Rude(AtomicUsize);

impl log::Log for Rude {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let text = record.args().to_string();
        if !text.contains("still waits for") {
            return;
        }
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => drop(spawn(|| ())),
            1 => panic!("the logger's own"),
            _ => panic_any(OnDrop(|| panic!("the payload's destructor"))),
        }
    }

    fn flush(&self) {}
}

static RUDE: Rude = Rude(AtomicUsize::new(0));

#[test]
fn a_logger_that_spawns_or_panics_at_the_end_does_not_abort() {
    Child::new(this_test!()).passes(|| {
        log::set_logger(&RUDE).unwrap();
        log::set_max_level(log::LevelFilter::Warn);
        let stubborn = || {
            let end = Instant::now() + IMPATIENT;
            while Instant::now() < end {
                let _kill = catch_unwind(yield_now);
            }
        };
        run(|| {
            for _ in 0..3 {
                drop(spawn(stubborn));
            }
            yield_now();
        });
        assert_eq!(RUDE.0.load(Ordering::SeqCst), 3);
        assert_eq!(run(|| spawn(|| 1).join().unwrap()), 1);
    });
}

#[test]
fn one_that_catches_every_kill_lets_the_others_end() {
    let waits: [fn(); 3] = [|| sleep(Duration::from_millis(10)), thread::park, yield_now];
    for wait in waits {
        within(LONG, move || {
            let drops = Drops::new();
            let (counted, others) = (drops.counted(), drops.clone());
            run(move || {
                drop(spawn(move || {
                    while others.count() == 0 {
                        let _kill = catch_unwind(wait);
                    }
                }));
                drop(spawn(move || {
                    let _counted = counted;
                    let _waits = OnDrop(wait_in_every_way);
                    thread::park();
                }));
                yield_now();
            });
            assert_eq!(drops.count(), 1);
        });
    }
}

std::thread_local! {
    static OF_ITS_OS_THREAD: String = "A".repeat(40);
}

#[test]
fn one_that_borrows_from_its_os_thread_is_never_given_up() {
    Child::new(this_test!()).passes(|| {
        let read = Arc::new(AtomicBool::new(false));
        let theirs = read.clone();
        let borrow = move |borrowed: &String| {
            std::thread::scope(|s| {
                let reader = s.spawn(|| {
                    std::thread::sleep(IMPATIENT);
                    assert_eq!(*borrowed, "A".repeat(40));
                    theirs.store(true, Ordering::SeqCst);
                });
                while !reader.is_finished() {
                    let _kill = catch_unwind(yield_now);
                }
            });
        };
        let seen = read.clone();
        let os_thread = std::thread::spawn(move || {
            run(|| {
                drop(spawn(move || OF_ITS_OS_THREAD.with(borrow)));
                yield_now();
            });
            seen.load(Ordering::SeqCst)
        });
        assert!(os_thread.join().unwrap(), "`run` returned too early");
    });
}

#[test]
fn a_run_whose_own_f_catches_every_panic_is_never_given_up() {
    Child::new(this_test!()).passes(|| {
        let borrowed = AtomicBool::new(false);
        let result = catch_unwind(AssertUnwindSafe(|| {
            run(|| {
                std::thread::scope(|s| {
                    let reader = s.spawn(|| {
                        std::thread::sleep(IMPATIENT);
                        borrowed.store(true, Ordering::SeqCst);
                    });
                    while !reader.is_finished() {
                        let _panic = catch_unwind(|| thread::park_timeout(IMPATIENT / 100));
                    }
                });
            });
        }));
        assert!(result.is_ok() && borrowed.into_inner());
    });
}

/// Counts only if its destructor's waits are not cut short.
fn waits_when_dropped(drops: &Drops) -> OnDrop<impl FnMut() + Send + 'static> {
    let mut counted = Some(drops.counted());
    OnDrop(move || {
        let kept = counted.take();
        if catch_unwind(wait_in_every_way).is_err() {
            std::mem::forget(kept);
        }
    })
}

#[test]
fn a_capture_of_an_unstarted_one_that_waits_at_the_end_is_dropped_whole() {
    let drops = Drops::new();
    let captures = [(); 4].map(|()| waits_when_dropped(&drops));
    within(LONG, move || {
        run(move || {
            let [movable, local, late, scoped] = captures;
            drop(spawn(move || {
                scope(|s| drop(s.spawn(move || drop(scoped))))
            }));
            yield_now();
            drop(spawn(move || drop(movable)));
            drop(spawn_local(move || drop(local)));
            drop(spawn_later(LONG, move || drop(late)));
        });
    });
    assert_eq!(drops.count(), 4);
}

#[test]
fn a_result_whose_destructor_waits_at_the_end_is_dropped_whole() {
    let drops = Drops::new();
    let result = waits_when_dropped(&drops);
    within(LONG, move || {
        run(move || {
            drop(spawn(move || result));
            yield_now();
        });
    });
    assert_eq!(drops.count(), 1);
}
