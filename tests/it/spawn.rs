//! Spawning: order, payloads of panics, delays, and spawns from everywhere.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use greenloop::{Builder, joinall, run, sleep, spawn, spawn_later, spawn_local, yield_now};

use crate::counted::Drops;
use crate::within::{LONG, until, within};

// gevent 1.1 `spawn`: it runs at the next yield of the caller, never inline.
// gevent 2 #1.
#[test]
fn spawning_runs_nothing_at_once() {
    let order = run(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let handles: Vec<_> = (0..5)
            .map(|n| {
                let order = order.clone();
                spawn(move || order.lock().unwrap().push(n.to_string()))
            })
            .collect();
        order.lock().unwrap().push("main".to_owned());
        joinall(handles);
        order.lock().unwrap().clone()
    });
    assert_eq!(order, ["main", "0", "1", "2", "3", "4"]);
}

// gevent 2 #1.
#[test]
fn grandchildren_queue_behind_children() {
    let order = run(|| {
        let order = Rc::new(RefCell::new(Vec::new()));
        let parents = [("p0", "c0"), ("p1", "c1")].map(|(parent, child)| {
            let order = order.clone();
            spawn_local(move || {
                order.borrow_mut().push(parent);
                let order = order.clone();
                spawn_local(move || order.borrow_mut().push(child))
            })
        });
        for child in joinall(parents) {
            child.unwrap().join().unwrap();
        }
        order.take()
    });
    assert_eq!(order, ["p0", "p1", "c0", "c1"]);
}

#[test]
fn local_and_movable_ones_share_one_queue() {
    let order = run(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        for n in 0..10 {
            let order = order.clone();
            let push = move || order.lock().unwrap().push(n);
            if n % 2 == 0 {
                drop(spawn(push));
            } else {
                drop(spawn_local(push));
            }
        }
        yield_now();
        order.lock().unwrap().clone()
    });
    assert_eq!(order, (0..10).collect::<Vec<_>>());
}

// gevent 1.2 `get`, `exception`: the very payload.
// gevent 2 #6.
#[test]
fn a_panic_reaches_the_joiner_with_its_payload() {
    #[derive(Debug, PartialEq)]
    struct Custom(u32);
    let text = spawn(|| -> () { panic!("literal") }).join().unwrap_err();
    assert_eq!(text.downcast_ref::<&str>(), Some(&"literal"));
    let number = 7;
    let text = spawn(move || -> () { panic!("number {number}") }).join();
    assert_eq!(
        text.unwrap_err().downcast_ref::<String>().unwrap(),
        "number 7"
    );
    let custom = spawn(|| -> () { std::panic::panic_any(Custom(3)) }).join();
    assert_eq!(
        *custom.unwrap_err().downcast::<Custom>().unwrap(),
        Custom(3)
    );
    let inside = run(|| spawn_local(|| -> () { resume_unwind(Box::new(Custom(4))) }).join());
    assert_eq!(
        *inside.unwrap_err().downcast::<Custom>().unwrap(),
        Custom(4)
    );
}

// gevent 2 #6.
#[test]
fn a_panic_harms_no_sibling() {
    let done = Arc::new(AtomicUsize::new(0));
    let results = joinall((0..100).map(|n| {
        let done = done.clone();
        spawn(move || {
            yield_now();
            if n % 3 == 0 {
                resume_unwind(Box::new(n));
            }
            yield_now();
            done.fetch_add(1, Ordering::SeqCst);
            n
        })
    }));
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(value) => assert!(value == n && n % 3 != 0),
            Err(payload) => assert_eq!(payload.downcast_ref::<usize>(), Some(&n)),
        }
    }
    assert_eq!(done.load(Ordering::SeqCst), 66);
}

// gevent 1.1 `spawn_raw`: one without a handle; the panic hook alone hears of its panic.
#[test]
fn a_detached_one_that_panics_harms_nobody() {
    let drops = Drops::new();
    for _ in 0..100 {
        let payload = drops.counted();
        drop(spawn(move || -> () { resume_unwind(Box::new(payload)) }));
    }
    until("all payloads are dropped", || drops.count() == 100);
    assert_eq!(spawn(|| 5).join().unwrap(), 5);
}

#[test]
fn closures_and_results_of_any_size_and_alignment_arrive() {
    #[repr(align(128))]
    #[derive(Clone, Copy)]
    struct Aligned([u8; 128]);
    let aligned = Aligned([7; 128]);
    let returned = spawn(move || {
        assert_eq!(std::ptr::from_ref(&aligned).addr() % 128, 0);
        yield_now();
        aligned
    });
    assert_eq!(returned.join().unwrap().0, [7; 128]);
    let array: [u64; 1000] = std::array::from_fn(|n| n as u64);
    assert_eq!(spawn(move || array).join().unwrap(), array);
    spawn(|| ()).join().unwrap();
}

#[test]
fn spawn_local_stays_and_needs_no_send() {
    let sum = spawn(|| {
        let home = std::thread::current().id();
        let sum = Rc::new(RefCell::new(0));
        let handles: Vec<_> = (0..100)
            .map(|n| {
                let sum = sum.clone();
                spawn_local(move || {
                    yield_now();
                    *sum.borrow_mut() += n;
                    std::thread::current().id()
                })
            })
            .collect();
        let homes = joinall(handles);
        assert!(homes.into_iter().all(|there| there.unwrap() == home));
        sum.take()
    });
    assert_eq!(sum.join().unwrap(), 4950);
}

#[test]
fn spawn_local_outside_of_a_green_thread_is_an_error_that_says_so() {
    let drops = Drops::new();
    let counted = drops.counted();
    let error = Builder::new()
        .spawn_local(move || drop(counted))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("spawn_local"), "{error}");
    assert_eq!(drops.count(), 1);
    let panic = std::panic::catch_unwind(|| spawn_local(|| ()).join()).unwrap_err();
    assert!(
        panic
            .downcast_ref::<String>()
            .unwrap()
            .contains("spawn_local")
    );
}

// gevent 1.1 `spawn_later`: timers of one moment fire in the order of their making.
#[test]
fn spawn_later_waits_and_keeps_the_order_of_equals() {
    const DELAY: Duration = Duration::from_millis(250);
    let order = run(|| {
        let start = Instant::now();
        let order = Arc::new(Mutex::new(Vec::new()));
        let handles: Vec<_> = (0..1000)
            .map(|n| {
                let order = order.clone();
                spawn_later(DELAY, move || {
                    assert!(start.elapsed() >= DELAY);
                    order.lock().unwrap().push(n);
                })
            })
            .collect();
        let none_yet = order.lock().unwrap().is_empty();
        assert!(none_yet);
        assert!(joinall(handles).iter().all(Result::is_ok));
        order.lock().unwrap().clone()
    });
    assert_eq!(order, (0..1000).collect::<Vec<_>>());
}

// gevent 1.1 `spawn_later`: 0 "does not run within sleep(0), needs a loop turn".
#[test]
fn spawn_later_of_no_time_takes_more_than_a_yield() {
    run(|| {
        let late = spawn_later(Duration::ZERO, || ());
        let soon = spawn(|| ());
        yield_now();
        assert!(soon.is_finished() && !late.is_finished());
        late.join().unwrap();
    });
}

#[test]
fn spawn_later_keeps_the_order_when_all_are_late() {
    let order = run(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let later = |name: &'static str| {
            let order = order.clone();
            spawn_later(Duration::from_millis(5), move || {
                order.lock().unwrap().push(name)
            })
        };
        let first = later("first");
        yield_now();
        // The first one sleeps, the second has not started, and the moments of both pass.
        let (second, start) = (later("second"), Instant::now());
        while start.elapsed() < Duration::from_millis(10) {
            std::hint::spin_loop();
        }
        joinall([first, second]);
        order.lock().unwrap().clone()
    });
    assert_eq!(order, ["first", "second"]);
}

#[test]
fn spawn_later_counts_from_the_spawn() {
    const DELAY: Duration = Duration::from_millis(50);
    let took = || {
        let start = Instant::now();
        let late = spawn_later(DELAY, Instant::now);
        while start.elapsed() < DELAY {
            std::hint::spin_loop();
        }
        late.join().unwrap() - start
    };
    // Its time has come before it starts: it need not wait once more. Once in five times nothing else disturbs.
    assert!(run(|| (0..5).any(|_| took() < 2 * DELAY)));
}

#[test]
fn lone_spawns_from_outside_always_run() {
    within(LONG, || {
        for n in 0..10_000 {
            assert_eq!(spawn(move || n).join().unwrap(), n);
        }
    });
}

#[test]
fn bursts_from_outside_always_run() {
    within(LONG, || {
        for n in 0..2_000 {
            let burst = n % 17 + 1;
            let results = joinall((0..burst).map(|k| spawn(move || k)));
            assert!((0..burst).eq(results.into_iter().map(Result::unwrap)));
        }
    });
}

#[test]
fn spawns_from_many_os_threads_always_run() {
    within(LONG, || {
        let spawners: Vec<_> = (0..8)
            .map(|_| {
                std::thread::spawn(|| (0..2_000).map(|_| spawn(|| 1).join().unwrap()).sum::<u32>())
            })
            .collect();
        for spawner in spawners {
            assert_eq!(spawner.join().unwrap(), 2_000);
        }
    });
}

#[test]
fn spawns_after_a_pause_always_run() {
    // Workers that have just fallen asleep, or are about to, are found.
    within(LONG, || {
        for n in 0..300_u64 {
            sleep(Duration::from_micros(n % 30 * 37));
            let inner = spawn(move || spawn(move || n).join().unwrap());
            assert_eq!(inner.join().unwrap(), n);
        }
    });
}
