//! The end of a hub: what becomes of those whom it finds alive.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use greenloop::{
    Builder, JoinHandle, Killed, joinall, run, scope, sleep, spawn, spawn_local, thread, yield_now,
};

use crate::child::{Child, this_test};
use crate::counted::Drops;
use crate::within::{LONG, within};

/// Runs `act` when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

// gevent 2 #9 and #20; there nobody is unwound, here all are.
#[test]
fn its_end_kills_those_who_wait() {
    let drops = Drops::new();
    let waits: [fn(); 6] = [
        thread::park,
        || sleep(Duration::MAX),
        || thread::park_timeout(Duration::MAX),
        || loop {
            yield_now();
        },
        || {
            // Whether the other one's end comes first or the kill: it is told by the next wait.
            let _ = spawn_local(thread::park).join();
            thread::park();
        },
        || scope(|s| drop(s.spawn(thread::park))),
    ];
    let handles = run(|| {
        let handles = waits.map(|wait| {
            let counted = drops.counted();
            spawn(move || {
                let _counted = counted;
                wait();
            })
        });
        yield_now();
        yield_now();
        assert_eq!(drops.count(), 0);
        handles
    });
    assert_eq!(drops.count(), 6);
    for result in joinall(handles) {
        assert!(result.unwrap_err().is::<Killed>());
    }
}

// gevent 1.2 `GreenletExit`: it is no error, and not printed.
#[test]
fn a_killed_one_says_nothing() {
    let end = Child::new(this_test!()).run(|| {
        run(|| {
            drop(spawn(thread::park));
            yield_now();
        });
    });
    assert!(end.status.success(), "{end}");
    assert!(!end.stderr.contains("panicked"), "{end}");
}

#[test]
fn a_killed_one_may_wait_in_its_destructors() {
    let trace = run(|| {
        let trace = Arc::new(Mutex::new(Vec::new()));
        let theirs = trace.clone();
        drop(spawn(move || {
            let _last = OnDrop(|| {
                let start = Instant::now();
                sleep(Duration::from_millis(20));
                assert!(start.elapsed() >= Duration::from_millis(20));
                yield_now();
                theirs.lock().unwrap().push("slept");
            });
            let _first = OnDrop(|| theirs.lock().unwrap().push("killed"));
            thread::park();
            theirs.lock().unwrap().push("went on");
        }));
        yield_now();
        trace
    });
    assert_eq!(*trace.lock().unwrap(), ["killed", "slept"]);
}

#[test]
fn a_kill_is_delivered_again_to_who_swallows_it() {
    let kills = run(|| {
        let kills = Arc::new(AtomicUsize::new(0));
        let theirs = kills.clone();
        drop(spawn(move || {
            for _ in 0..3 {
                let wait = catch_unwind(thread::park).unwrap_err();
                theirs.fetch_add(usize::from(wait.is::<Killed>()), Ordering::SeqCst);
            }
        }));
        yield_now();
        kills
    });
    assert_eq!(kills.load(Ordering::SeqCst), 3);
}

#[test]
fn it_waits_for_who_takes_long_to_end() {
    within(LONG, || {
        let (handle, drops) = run(|| {
            let drops = Drops::new();
            let counted = drops.counted();
            let handle = spawn(move || {
                let _counted = counted;
                let _slow = OnDrop(|| sleep(Duration::from_millis(1_500)));
                thread::park();
            });
            yield_now();
            (handle, drops)
        });
        // Longer than its patience, after which it only says so.
        assert_eq!(drops.count(), 1);
        assert!(handle.join().unwrap_err().is::<Killed>());
    });
}

#[test]
fn its_end_waits_for_a_scope_s_children() {
    let drops = Drops::new();
    let ended = run(|| {
        let counted = drops.counted();
        let handle = spawn(move || {
            let borrowed = (counted, String::from("borrowed"));
            scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        let _late = OnDrop(|| {
                            sleep(Duration::from_millis(10));
                            assert_eq!(borrowed.1, "borrowed");
                        });
                        thread::park();
                    });
                }
            });
        });
        yield_now();
        yield_now();
        handle
    });
    assert_eq!(drops.count(), 1);
    assert!(ended.join().unwrap_err().is::<Killed>());
}

#[test]
fn spawns_after_its_end_are_refused() {
    let refusals = run(|| {
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let theirs = refusals.clone();
        drop(spawn(move || {
            let _late = OnDrop(|| {
                let refused = [
                    Builder::new().spawn(|| ()).unwrap_err(),
                    Builder::new().spawn_local(|| ()).unwrap_err(),
                ];
                theirs.lock().unwrap().extend(refused);
            });
            thread::park();
        }));
        yield_now();
        refusals
    });
    let refusals = refusals.lock().unwrap();
    assert_eq!(refusals.len(), 2);
    for refusal in refusals.iter() {
        assert_eq!(refusal.kind(), ErrorKind::BrokenPipe);
        assert!(refusal.to_string().contains("has ended"), "{refusal}");
    }
}

#[test]
fn its_end_drops_what_has_not_started() {
    let drops = Drops::new();
    let ran = Arc::new(AtomicBool::new(false));
    run(|| {
        for _ in 0..100 {
            let (counted, ran) = (drops.counted(), ran.clone());
            drop(spawn(move || {
                let _counted = counted;
                ran.store(true, Ordering::SeqCst);
            }));
        }
    });
    assert_eq!(drops.count(), 100);
    assert!(!ran.load(Ordering::SeqCst));
}

#[test]
fn f_s_panic_kills_the_others_first() {
    let drops = Drops::new();
    let counted = drops.counted();
    let result = catch_unwind(AssertUnwindSafe(|| {
        run(|| {
            drop(spawn(move || {
                let _counted = counted;
                thread::park();
            }));
            yield_now();
            resume_unwind(Box::new("f"))
        })
    }));
    assert_eq!(
        result.map(|(): ()| ()).unwrap_err().downcast_ref(),
        Some(&"f")
    );
    assert_eq!(drops.count(), 1);
}

#[test]
fn handles_outlive_the_hub() {
    let (done, lost) = run(|| {
        let done = spawn(|| String::from("done"));
        yield_now();
        (done, spawn(|| String::from("lost")))
    });
    assert_eq!(done.join().unwrap(), "done");
    assert!(lost.is_finished());
    lost.thread().unpark();
    assert!(lost.join().unwrap_err().is::<Killed>());
}

#[test]
fn an_os_thread_that_joins_one_of_a_hub_learns_its_end() {
    within(LONG, || {
        let (sender, receiver) = std::sync::mpsc::channel::<JoinHandle<()>>();
        let joiner = std::thread::spawn(move || {
            let handle = receiver.recv().unwrap();
            handle.join().unwrap_err().is::<Killed>()
        });
        run(move || {
            sender.send(spawn(thread::park)).unwrap();
            sleep(Duration::from_millis(5));
        });
        assert!(joiner.join().unwrap());
    });
}

#[test]
fn one_that_swallows_kills_keeps_others_from_nothing() {
    let child = Child::new(this_test!()).limit(Duration::from_secs(60));
    child.passes(|| {
        let wait: [fn(); 2] = [yield_now, thread::park];
        for wait in wait {
            let kills = run(|| {
                let kills = Arc::new(AtomicUsize::new(0));
                let theirs = kills.clone();
                drop(spawn(move || {
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_millis(1_200) {
                        theirs.fetch_add(catch_unwind(wait).is_err().into(), Ordering::SeqCst);
                    }
                }));
                drop(spawn(|| {
                    let _slow = OnDrop(|| sleep(Duration::from_millis(50)));
                    thread::park();
                }));
                yield_now();
                kills
            });
            assert!(kills.load(Ordering::SeqCst) > 1);
        }
    });
}

#[test]
fn a_deadlock_of_destructors_at_its_end_does_not_spin() {
    Child::new(this_test!()).passes(|| {
        std::thread::spawn(|| {
            run(|| {
                let slots: [Arc<Mutex<Option<JoinHandle<()>>>>; 2] = Default::default();
                for own in 0..2 {
                    let other = slots[1 - own].clone();
                    let handle = spawn(move || {
                        let _joins = OnDrop(move || {
                            let handle = other.lock().unwrap().take();
                            drop(handle.map(JoinHandle::join));
                        });
                        thread::park();
                    });
                    *slots[own].lock().unwrap() = Some(handle);
                }
                yield_now();
            });
            unreachable!("its destructors wait for each other");
        });
        // Longer than its patience, after which it reports them, and sleeps.
        std::thread::sleep(Duration::from_secs(3));
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
        let (user, system) = (ticks(11), ticks(12));
        assert!(
            user + system < 100,
            "{user} + {system} ticks of 10 ms in 3 s"
        );
    });
}
