//! Closures and results: dropped exactly once, whatever ends first, and whatever their destructors do.

use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::{Builder, Killed, joinall, run, sleep, spawn, spawn_later, spawn_local, yield_now};

use crate::child::{Child, this_test};
use crate::counted::{Counted, Drops};
use crate::within::{LONG, until, within};

/// What to do with a handle, and in which order with the end of its green thread.
#[derive(Clone, Copy, Debug)]
enum Order {
    FinishThenJoin,
    JoinThenFinish,
    FinishThenDetach,
    DetachThenFinish,
}

const ORDERS: [Order; 4] = [
    Order::FinishThenJoin,
    Order::JoinThenFinish,
    Order::FinishThenDetach,
    Order::DetachThenFinish,
];

/// Spawns one that returns what `make` makes, and meets its end in the given order.
fn meet<T: Send + 'static>(order: Order, make: impl FnOnce() -> T + Send + 'static) {
    let gate = Arc::new(AtomicBool::new(false));
    let theirs = gate.clone();
    let handle = spawn(move || {
        until("the gate opens", || theirs.load(Ordering::SeqCst));
        make()
    });
    match order {
        Order::FinishThenJoin | Order::FinishThenDetach => {
            gate.store(true, Ordering::SeqCst);
            until("it finishes", || handle.is_finished());
            if matches!(order, Order::FinishThenJoin) {
                drop(handle.join());
            }
        }
        Order::JoinThenFinish => {
            drop(spawn_later(Duration::from_millis(1), move || {
                gate.store(true, Ordering::SeqCst)
            }));
            drop(handle.join());
        }
        Order::DetachThenFinish => {
            drop(handle);
            gate.store(true, Ordering::SeqCst);
        }
    }
}

#[test]
fn results_are_dropped_exactly_once_in_every_order() {
    for order in ORDERS {
        let drops = Drops::new();
        let (small, big, lost) = (drops.counted(), drops.counted(), drops.counted());
        meet(order, move || small);
        meet(order, move || (big, [0_u64; 100]));
        meet(order, move || -> () { resume_unwind(Box::new(lost)) });
        until("all three are dropped", || drops.count() >= 3);
        // A second drop would come with the slot's next use.
        joinall((0..1000).map(|_| spawn(|| ())));
        assert_eq!(drops.count(), 3, "{order:?}");
    }
}

#[test]
fn results_are_dropped_exactly_once_when_end_and_detach_race() {
    const ROUNDS: usize = 10_000;
    let drops = Drops::new();
    within(LONG, {
        let drops = drops.clone();
        move || {
            for _ in 0..ROUNDS {
                let result = drops.counted();
                drop(spawn(move || result));
            }
        }
    });
    until("all are dropped", || drops.count() >= ROUNDS);
    joinall((0..1000).map(|_| spawn(|| ())));
    assert_eq!(drops.count(), ROUNDS);
}

#[test]
fn closures_that_never_run_are_dropped_exactly_once() {
    let drops = Drops::new();
    let handles = run(|| {
        let (kept, local, detached) = (drops.counted(), drops.counted(), drops.counted());
        drop(spawn(move || drop(detached)));
        drop(spawn_local(move || drop(local)));
        let big = (kept, [0_u8; 1000]);
        [spawn(move || big.1.len()), spawn(|| 0)]
    });
    assert_eq!(drops.count(), 3);
    for result in joinall(handles) {
        assert!(result.unwrap_err().is::<Killed>());
    }
    assert_eq!(drops.count(), 3);
}

#[test]
fn a_closure_that_is_refused_is_dropped_exactly_once() {
    let drops = Drops::new();
    let counted = drops.counted();
    let refused = Builder::new()
        .stack_size(usize::MAX)
        .spawn(move || drop(counted));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(
        error.to_string().contains(&usize::MAX.to_string()),
        "{error}"
    );
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_result_whose_destructor_panics_harms_nobody() {
    struct Bomb(#[expect(dead_code, reason = "dropped for its count")] Counted);
    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("bomb"));
        }
    }
    let drops = Drops::new();
    for _ in 0..10 {
        let bomb = Bomb(drops.counted());
        drop(spawn(move || bomb));
    }
    until("all results are dropped", || drops.count() == 10);
    assert_eq!(spawn(|| 5).join().unwrap(), 5);
}

#[test]
fn destructors_of_unstarted_closures_may_spawn_and_are_refused() {
    struct Spawner(Arc<Mutex<Option<ErrorKind>>>);
    impl Drop for Spawner {
        fn drop(&mut self) {
            let refused = Builder::new().spawn(|| ());
            *self.0.lock().unwrap() = refused.err().map(|error| error.kind());
        }
    }
    let refusal = Arc::new(Mutex::new(None));
    let spawner = Spawner(refusal.clone());
    run(move || drop(spawn(move || drop(spawner))));
    assert_eq!(*refusal.lock().unwrap(), Some(ErrorKind::BrokenPipe));
}

/// Waits in its destructor, in every way there is.
struct WaitsInDrop(#[expect(dead_code, reason = "dropped for its count")] Counted);

impl Drop for WaitsInDrop {
    fn drop(&mut self) {
        sleep(Duration::from_millis(1));
        yield_now();
        spawn(yield_now).join().unwrap();
    }
}

#[test]
fn a_detached_result_s_destructor_may_wait() {
    Child::new(this_test!()).passes(|| {
        let drops = Drops::new();
        for _ in 0..100 {
            let waits = WaitsInDrop(drops.counted());
            drop(spawn(move || waits));
            let waits = WaitsInDrop(drops.counted());
            drop(spawn(move || -> () { resume_unwind(Box::new(waits)) }));
        }
        until("all results are dropped", || drops.count() == 200);
        assert_eq!(spawn(|| 5).join().unwrap(), 5);
    });
}

#[test]
fn a_detached_result_s_destructor_may_wait_in_a_hub() {
    Child::new(this_test!()).passes(|| {
        let drops = Drops::new();
        run(|| {
            for _ in 0..100 {
                let waits = WaitsInDrop(drops.counted());
                drop(spawn(move || waits));
            }
            until("all results are dropped", || drops.count() == 100);
        });
    });
}

#[test]
fn a_detached_closure_s_captures_may_wait_in_their_destructors() {
    Child::new(this_test!()).passes(|| {
        let drops = Drops::new();
        for _ in 0..100 {
            let waits = WaitsInDrop(drops.counted());
            drop(spawn(move || drop(waits)));
        }
        until("all captures are dropped", || drops.count() == 100);
    });
}

#[test]
fn an_unstarted_closure_whose_destructor_panics_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("bomb"));
        }
    }
    let handle = run(|| {
        let bomb = Bomb;
        spawn(move || drop(bomb))
    });
    assert!(handle.join().unwrap_err().is::<Killed>());
}
