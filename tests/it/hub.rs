//! `greenloop::run`: one hub on the caller's thread.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use greenloop::{joinall, run, sleep, spawn, spawn_blocking, spawn_local, thread, yield_now};

use crate::child::{Child, this_test};
use crate::counted::{Counted, Drops};
use crate::within::{LONG, within};

/// What the panic of `f` says.
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).map(drop).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn it_returns_what_f_returns_and_f_may_borrow() {
    let (text, mut count) = (String::from("text"), 0);
    let same = run(|| {
        count += 1;
        yield_now();
        text.as_str()
    });
    assert_eq!((same, count), ("text", 1));
}

#[test]
fn it_stays_on_the_caller_s_thread() {
    let here = std::thread::current().id();
    run(|| {
        let there = || std::thread::current().id();
        assert_eq!(there(), here);
        let homes = joinall((0..100).map(|_| spawn(there)));
        assert!(homes.into_iter().all(|home| home.unwrap() == here));
        let deeper = spawn(move || spawn(there).join().unwrap());
        assert_eq!(deeper.join().unwrap(), here);
    });
}

#[test]
fn code_between_two_yields_is_atomic() {
    let count = run(|| {
        let count = Rc::new(Cell::new(0));
        let handles: Vec<_> = (0..10)
            .map(|_| {
                let count = count.clone();
                spawn_local(move || {
                    for _ in 0..1_000 {
                        let seen = count.get();
                        std::hint::black_box(&count);
                        count.set(seen + 1);
                        yield_now();
                    }
                })
            })
            .collect();
        joinall(handles);
        count.get()
    });
    assert_eq!(count, 10_000);
}

#[test]
fn f_s_panic_propagates() {
    let payload = catch_unwind(|| run(|| -> () { resume_unwind(Box::new(17)) })).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&17));
    assert_eq!(run(|| 1), 1, "the thread is as good as before");
}

#[test]
fn a_nested_run_panics() {
    let text = run(|| panic_of(|| run(|| ())));
    assert!(text.contains("run") && text.contains("inside"), "{text}");
    let deeper = run(|| spawn_local(|| panic_of(|| run(|| ()))).join().unwrap());
    assert_eq!(deeper, text);
    assert_eq!(run(|| 1), 1);
}

#[test]
fn a_run_inside_of_spawn_panics() {
    let text = spawn(|| panic_of(|| run(|| ()))).join().unwrap();
    assert!(text.contains("run") && text.contains("worker"), "{text}");
}

#[test]
fn a_run_on_the_blocking_pool_works() {
    assert_eq!(
        spawn_blocking(|| run(|| spawn(|| 3).join().unwrap()))
            .join()
            .unwrap(),
        3
    );
}

// gevent 1.1 `get_hub`: one a thread.
// gevent 2 #19.
#[test]
fn hubs_on_several_threads_run_at_once() {
    within(LONG, || {
        let meeting = Arc::new(std::sync::Barrier::new(8));
        let hubs: Vec<_> = (0..8)
            .map(|n| {
                let meeting = meeting.clone();
                std::thread::spawn(move || {
                    run(|| {
                        // All eight are inside.
                        meeting.wait();
                        let order = Rc::new(RefCell::new(Vec::new()));
                        let handles: Vec<_> = (0..100)
                            .map(|k| {
                                let order = order.clone();
                                spawn_local(move || {
                                    yield_now();
                                    order.borrow_mut().push(n * k);
                                })
                            })
                            .collect();
                        joinall(handles);
                        order.take()
                    })
                })
            })
            .collect();
        for (n, hub) in hubs.into_iter().enumerate() {
            assert!(hub.join().unwrap().into_iter().eq((0..100).map(|k| n * k)));
        }
    });
}

#[test]
fn one_run_after_another() {
    within(LONG, || {
        for n in 0..2_000 {
            let result = run(|| {
                let left = spawn_local(thread::park);
                let other = spawn(move || n);
                drop(left);
                other.join().unwrap()
            });
            assert_eq!(result, n);
        }
    });
}

#[test]
fn hubs_of_ended_threads_leave_nothing_behind() {
    Child::new(this_test!()).passes(|| {
        let hub = || std::thread::spawn(|| run(|| sleep(Duration::from_micros(1)))).join();
        hub().unwrap();
        let before = std::fs::read_dir("/proc/self/fd").unwrap().count();
        for _ in 0..5_000 {
            hub().unwrap();
        }
        assert_eq!(std::fs::read_dir("/proc/self/fd").unwrap().count(), before);
    });
}

#[test]
fn foreign_threads_wake_a_hub_at_any_moment_of_its_life() {
    within(LONG, || {
        for _ in 0..500 {
            let (sender, receiver) = std::sync::mpsc::channel::<thread::Thread>();
            let waker = std::thread::spawn(move || {
                for thread in receiver {
                    (0..20).for_each(|_| thread.unpark());
                }
            });
            run(|| {
                for _ in 0..4 {
                    let parked = spawn(|| {
                        (0..4).for_each(|_| thread::park_timeout(Duration::from_micros(20)))
                    });
                    sender.send(parked.thread().clone()).unwrap();
                }
                sender.send(thread::current()).unwrap();
                thread::park_timeout(Duration::from_micros(50));
            });
            drop(sender);
            waker.join().unwrap();
        }
    });
}

#[test]
fn what_f_owns_is_dropped_before_it_returns() {
    let drops = Drops::new();
    let counted: Counted = drops.counted();
    let kept = run(move || {
        yield_now();
        counted
    });
    assert_eq!(drops.count(), 0);
    drop(kept);
    assert_eq!(drops.count(), 1);
}
