//! Joining: from everywhere, in every order, all at once.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::{
    JoinHandle, LocalJoinHandle, joinall, run, sleep, spawn, spawn_blocking, spawn_later,
    spawn_local, thread, yield_now,
};

use crate::within::{LONG, until, within};

#[test]
fn handles_cross_threads() {
    fn assert_crosses<T: Send + Sync>() {}
    assert_crosses::<JoinHandle<u32>>();
    assert_crosses::<thread::Thread>();
    let handle = spawn(|| 1);
    let joined = std::thread::spawn(move || handle.join().unwrap());
    assert_eq!(joined.join().unwrap(), 1);
    let handle = spawn(|| 2);
    assert_eq!(spawn(move || handle.join().unwrap()).join().unwrap(), 2);
    let handle = spawn(|| 3);
    assert_eq!(run(move || handle.join().unwrap()), 3);
}

#[test]
fn a_hub_and_the_workers_join_each_others() {
    within(LONG, || {
        let (to_worker, from_hub) = mpsc::channel::<JoinHandle<u32>>();
        let joiner = spawn_blocking(move || {
            let handle = from_hub.recv().unwrap();
            spawn(move || handle.join().unwrap()).join().unwrap()
        });
        run(move || {
            let slow = spawn_later(Duration::from_millis(10), || 4);
            to_worker.send(slow).unwrap();
            assert_eq!(joiner.join().unwrap(), 4);
        });
    });
}

#[test]
fn joinall_keeps_the_order_given() {
    let delays = [30, 1, 20, 10, 0];
    let results = joinall(delays.map(|delay| {
        spawn(move || {
            sleep(Duration::from_millis(delay));
            delay
        })
    }));
    let results: Vec<u64> = results.into_iter().map(Result::unwrap).collect();
    assert_eq!(results, delays);
}

#[test]
fn joinall_spawns_all_before_it_waits() {
    let order = run(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        joinall((0..3).map(|n| {
            let order = order.clone();
            spawn(move || {
                order.lock().unwrap().push(n);
                yield_now();
                order.lock().unwrap().push(n);
            })
        }));
        order.lock().unwrap().clone()
    });
    assert_eq!(order, [0, 1, 2, 0, 1, 2]);
}

// gevent 1.1 `joinall` of an empty list; the others of this row are in `wait.rs`.
#[test]
fn joinall_of_none_is_none() {
    assert!(joinall(Vec::<JoinHandle<()>>::new()).is_empty());
    assert!(joinall(Vec::<LocalJoinHandle<()>>::new()).is_empty());
}

#[test]
fn joinall_returns_panics_in_their_places() {
    let results = joinall((0..4).map(|n| {
        spawn(move || {
            if n == 2 {
                std::panic::resume_unwind(Box::new("two"));
            }
            n
        })
    }));
    let values: Vec<Option<u32>> = results.into_iter().map(Result::ok).collect();
    assert_eq!(values, [Some(0), Some(1), None, Some(3)]);
}

// gevent 1.2 `ready`, `dead`.
#[test]
fn is_finished_tells_the_end_and_never_waits() {
    run(|| {
        let handle = spawn(thread::park);
        assert!(!handle.is_finished());
        yield_now();
        assert!(!handle.is_finished());
        handle.thread().unpark();
        assert!(!handle.is_finished(), "a wake-up does not switch");
        yield_now();
        assert!(handle.is_finished());
        handle.join().unwrap();
    });
}

// gevent 1.2 `get`: on a ready target no switch happens.
// gevent 2 #5.
#[test]
fn joining_a_finished_one_does_not_yield() {
    run(|| {
        let ended = spawn(|| 1);
        yield_now();
        let waiting = spawn(|| ());
        assert_eq!(ended.join().unwrap(), 1);
        assert!(!waiting.is_finished());
    });
}

// gevent 1.2 `dead`: False for the current one, to the last.
#[test]
fn nobody_finds_itself_finished() {
    struct Looks(Rc<Cell<Option<bool>>>, Rc<OnceCell<LocalJoinHandle<()>>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            yield_now();
            self.0.set(self.1.get().map(LocalJoinHandle::is_finished));
        }
    }
    run(|| {
        let (found, own) = (Rc::new(Cell::new(None)), Rc::new(OnceCell::new()));
        let looks = Looks(found.clone(), own.clone());
        own.set(spawn_local(move || drop(looks))).unwrap();
        yield_now();
        yield_now();
        assert_eq!(found.get(), Some(false));
        assert!(own.get().unwrap().is_finished());
    });
}

#[test]
fn end_and_join_may_race() {
    within(LONG, || {
        for n in 0..20_000_u32 {
            let handle = spawn(move || n);
            if n % 2 == 0 {
                std::thread::yield_now();
            }
            assert_eq!(handle.join().unwrap(), n);
        }
    });
}

#[test]
fn chains_of_joins_unwind_from_the_end() {
    fn chain(depth: u32) -> u32 {
        if depth == 0 {
            return 0;
        }
        1 + spawn(move || chain(depth - 1)).join().unwrap()
    }
    assert_eq!(chain(1_000), 1_000);
    assert_eq!(run(|| chain(1_000)), 1_000);
}

#[test]
fn a_panic_passes_along_a_chain_of_joins() {
    let payload = spawn(|| {
        let inner = spawn(|| -> () { std::panic::resume_unwind(Box::new(41)) });
        let payload = inner.join().unwrap_err();
        std::panic::resume_unwind(payload)
    });
    let payload = payload.join().map(|(): ()| ()).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&41));
}

#[test]
fn a_handle_shows_its_thread() {
    let handle = thread::Builder::new()
        .name("shown".into())
        .spawn(|| thread::current().id())
        .unwrap();
    let (id, debug) = (handle.thread().id(), format!("{handle:?}"));
    assert_eq!(handle.thread().name(), Some("shown"));
    assert!(debug.contains("shown"), "{debug}");
    until("it finishes", || handle.is_finished());
    assert_eq!(handle.thread().name(), Some("shown"));
    assert_eq!(handle.join().unwrap(), id);
}

#[test]
fn many_os_threads_join_many_green_ones() {
    within(LONG, || {
        let joiners: Vec<_> = (0..8)
            .map(|k| {
                let handles: Vec<_> = (0..500)
                    .map(|n| {
                        spawn(move || {
                            yield_now();
                            k * n
                        })
                    })
                    .collect();
                std::thread::spawn(move || {
                    joinall(handles)
                        .into_iter()
                        .map(Result::unwrap)
                        .sum::<u64>()
                })
            })
            .collect();
        let sums = joiners.into_iter().map(|joiner| joiner.join().unwrap());
        assert_eq!(sums.sum::<u64>(), 28 * (499 * 500 / 2));
    });
}

#[test]
fn local_handles_join_where_they_are() {
    let result = run(|| {
        let handles = [1, 2, 3].map(|n| spawn_local(move || n));
        let finished = handles.iter().any(LocalJoinHandle::is_finished);
        assert!(!finished);
        joinall(handles)
            .into_iter()
            .map(Result::unwrap)
            .sum::<u32>()
    });
    assert_eq!(result, 6);
}
