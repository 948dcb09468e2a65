//! Scheduling on one worker: round robin, and fairness to those who wait.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use greenloop::{Source, joinall, run, sleep, spawn, spawn_local, thread, yield_now};

use crate::child::{Child, this_test};
use crate::within::{LONG, within};
use crate::within::{NOISE, assert_prompt};

// gevent 2 #2.
#[test]
fn yields_are_a_strict_round_robin() {
    let order = run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let handles: Vec<_> = (0..7)
            .map(|n| {
                let order = order.clone();
                spawn_local(move || {
                    for _ in 0..1_000 {
                        order.borrow_mut().push(n);
                        yield_now();
                    }
                })
            })
            .collect();
        joinall(handles);
        order.take()
    });
    assert!(order.into_iter().eq((0..7_000).map(|turn| turn % 7)));
}

#[test]
fn spawns_yields_and_wake_ups_enter_one_queue() {
    let order = run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let push = |name: &'static str| {
            let order = order.clone();
            move || order.borrow_mut().push(name)
        };
        let parked = push("unparked");
        let parked = spawn_local(move || {
            thread::park();
            parked();
        });
        yield_now();
        let (before, after) = (push("spawned before"), push("spawned after"));
        spawn_local(before);
        parked.thread().unpark();
        spawn_local(after);
        yield_now();
        push("yielded")();
        order.take()
    });
    let expected = ["spawned before", "unparked", "spawned after", "yielded"];
    assert_eq!(order, expected);
}

/// Yields for ever, until the hub or the flag ends it.
pub(crate) fn spin_until(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        yield_now();
    }
}

/// Measures the longest of `rounds` waits for one byte beside `spinners` that never wait.
pub(crate) fn longest_wait_beside(spinners: usize, rounds: u32) -> Duration {
    let stop = Arc::new(AtomicBool::new(false));
    let spinning: Vec<_> = (0..spinners)
        .map(|_| {
            let stop = stop.clone();
            spawn_local(move || spin_until(stop))
        })
        .collect();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let (sender, receiver) = mpsc::channel::<Instant>();
    let (ask, asked) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        for () in asked {
            theirs.write_all(b"x").unwrap();
            sender.send(Instant::now()).unwrap();
        }
    });
    let reader = spawn_local(move || {
        let source = Source::new(ours);
        let waits = (0..rounds).map(|_| {
            ask.send(()).unwrap();
            let mut byte = [0];
            source.read(None, |mut io| io.read(&mut byte)).unwrap();
            receiver.recv().unwrap().elapsed()
        });
        waits.max().unwrap()
    });
    let longest = reader.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    joinall(spinning);
    writer.join().unwrap();
    longest
}

// gevent 1.1 `getswitchinterval`: descriptors are looked at, however much there is to run.
// gevent 2 #3.
#[test]
fn spinners_do_not_starve_one_who_waits_for_a_descriptor() {
    within(LONG, || {
        for spinners in [1, 10, 100] {
            let what = format!("beside {spinners} spinners");
            assert_prompt(&what, || run(|| longest_wait_beside(spinners, 10)));
            assert_prompt(&what, || {
                let longest = spawn(move || longest_wait_beside(spinners, 10));
                longest.join().unwrap()
            });
        }
    });
}

// gevent 2 #3.
#[test]
fn spinners_do_not_starve_a_sleeper() {
    within(LONG, || {
        run(|| {
            let stop = Arc::new(AtomicBool::new(false));
            for _ in 0..10 {
                let stop = stop.clone();
                spawn_local(move || spin_until(stop));
            }
            let sleeper = spawn_local(|| {
                for _ in 0..20 {
                    let (start, duration) = (Instant::now(), Duration::from_millis(2));
                    sleep(duration);
                    let slept = start.elapsed();
                    assert!(slept >= duration && slept < duration + NOISE, "{slept:?}");
                }
            });
            sleeper.join().unwrap();
            stop.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn spinners_do_not_starve_a_wake_up_from_outside() {
    within(LONG, || {
        run(|| {
            let stop = Arc::new(AtomicBool::new(false));
            let theirs = stop.clone();
            let spinner = spawn_local(move || spin_until(theirs));
            let me = thread::current();
            let woken = Arc::new(AtomicBool::new(false));
            let theirs = woken.clone();
            let waker = std::thread::spawn(move || {
                theirs.store(true, Ordering::SeqCst);
                me.unpark();
            });
            while !woken.load(Ordering::SeqCst) {
                thread::park();
            }
            stop.store(true, Ordering::Relaxed);
            spinner.join().unwrap();
            waker.join().unwrap();
        });
    });
}

#[test]
fn spinners_on_every_worker_do_not_starve_a_spawn_from_outside() {
    Child::new(this_test!()).passes(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let spinners: Vec<_> = (0..16)
            .map(|_| {
                let stop = stop.clone();
                spawn(move || spin_until(stop))
            })
            .collect();
        for _ in 0..10 {
            assert_prompt("a spawn from outside", || {
                let start = Instant::now();
                spawn(move || start.elapsed()).join().unwrap()
            });
        }
        stop.store(true, Ordering::Relaxed);
        assert!(joinall(spinners).iter().all(Result::is_ok));
    });
}

#[test]
fn an_eager_descriptor_does_not_starve_siblings() {
    run(|| {
        let source = Source::new(fs::File::open("/dev/zero").unwrap());
        let turns = Rc::new(Cell::new(0));
        let theirs = turns.clone();
        spawn_local(move || {
            loop {
                theirs.set(theirs.get() + 1);
                yield_now();
            }
        });
        for _ in 0..10_000 {
            source.read(None, |mut io| io.read(&mut [0; 8])).unwrap();
        }
        // A budget of a few hundred operations at most; and not a switch for each.
        assert!((10..5_000).contains(&turns.get()), "{} turns", turns.get());
    });
}

#[test]
fn rc_lives_across_yields() {
    let handles = (0..100).map(|n| {
        spawn(move || {
            let shared = Rc::new(RefCell::new(vec![n]));
            let other = shared.clone();
            let guard = shared.borrow_mut();
            yield_now();
            sleep(Duration::from_micros(50));
            drop(guard);
            other.borrow_mut().push(n);
            (Rc::strong_count(&shared), shared.take())
        })
    });
    for (n, result) in (0..100).zip(joinall(handles)) {
        assert_eq!(result.unwrap(), (2, vec![n, n]));
    }
}
