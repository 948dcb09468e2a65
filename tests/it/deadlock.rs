//! Deadlocks of a hub: reported when nobody can ever wake it, and only then.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use greenloop::{
    Builder, JoinHandle, ScopedJoinHandle, inspect, run, scope, sleep, spawn, spawn_blocking,
    spawn_later, spawn_local, sync, thread, yield_now,
};

use crate::child::{Child, this_test};
use crate::hub::panic_of;
use crate::within::{LONG, until, within};

/// Two that join each other, in a scope whose owner waits for both.
fn deadlock(beside: impl FnOnce() + Send) {
    scope(|s| {
        let slots: [Arc<Mutex<Option<ScopedJoinHandle<'_, ()>>>>; 2] = Default::default();
        let name = |name: &str| Builder::new().name(name.into());
        for (me, other) in [("hen", 1), ("egg", 0)] {
            let slot = slots[other].clone();
            let join = move || {
                let handle = slot.lock().unwrap().take();
                drop(handle.unwrap().join());
            };
            let handle = name(me).spawn_scoped(s, join).unwrap();
            *slots[1 - other].lock().unwrap() = Some(handle);
        }
        name("beside").spawn_scoped(s, beside).unwrap();
    });
}

// gevent 2 #10.
#[test]
fn a_deadlock_of_two_joins_is_reported_and_names_both() {
    let child = Child::new(this_test!()).limit(Duration::from_secs(20));
    child.passes(|| {
        let text = panic_of(|| run(|| deadlock(|| ())));
        for part in ["hen", "egg", "deadlock.rs"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(run(|| spawn(|| 1).join().unwrap()), 1);
    });
}

// gevent 2 #10 and #21.
#[test]
fn a_sleeper_postpones_a_deadlock() {
    let child = Child::new(this_test!()).limit(Duration::from_secs(20));
    child.passes(|| {
        let slept = Cell::new(false);
        let flag = AtomicBool::new(false);
        let text = panic_of(|| {
            run(|| {
                deadlock(|| {
                    sleep(Duration::from_millis(100));
                    flag.store(true, Ordering::SeqCst);
                });
            })
        });
        slept.set(flag.load(Ordering::SeqCst));
        assert!(slept.get() && text.contains("hen"), "{text}");
    });
}

// gevent 2 #10, the self-join.
#[test]
fn a_wait_for_its_own_end_is_a_panic_that_names_it() {
    let text = run(|| {
        let slot: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
        let own = slot.clone();
        let (tell, told) = mpsc::channel();
        let join = move || {
            let handle = own.lock().unwrap().take().unwrap();
            tell.send(panic_of(|| drop(handle.join()))).unwrap();
        };
        let handle = Builder::new().name("narcissus".into()).spawn(join).unwrap();
        *slot.lock().unwrap() = Some(handle);
        yield_now();
        told.try_recv().unwrap()
    });
    assert!(
        text.contains("narcissus") && text.contains("its own end"),
        "{text}"
    );
}

#[test]
fn an_os_thread_that_could_still_wake_is_no_deadlock() {
    within(LONG, || {
        run(|| {
            let me = thread::current();
            let waker = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                me.unpark();
            });
            thread::park();
            waker.join().unwrap();
        });
    });
}

#[test]
fn joins_of_others_than_its_own_are_no_deadlock() {
    within(LONG, || {
        run(|| {
            let outside = spawn_blocking(|| {
                std::thread::sleep(Duration::from_millis(20));
                let worker = spawn_later(Duration::from_millis(20), || 1);
                worker.join().unwrap()
            });
            let inside = spawn_local(move || outside.join().unwrap());
            assert_eq!(inside.join().unwrap(), 1);
        });
    });
}

#[test]
fn joins_of_sleepers_and_parked_ones_are_no_deadlock() {
    within(LONG, || {
        run(|| {
            let sleeper = spawn(|| sleep(Duration::from_millis(20)));
            let joiner = spawn(move || sleeper.join().unwrap());
            joiner.join().unwrap();
            let (parked, flag) = (spawn(thread::park), Arc::new(AtomicBool::new(false)));
            let (waker, theirs) = (parked.thread().clone(), flag.clone());
            let os = std::thread::spawn(move || {
                until("all joins wait", || theirs.load(Ordering::SeqCst));
                waker.unpark();
            });
            let joiner = spawn(move || parked.join().unwrap());
            flag.store(true, Ordering::SeqCst);
            joiner.join().unwrap();
            os.join().unwrap();
        });
    });
}

#[test]
fn a_scope_s_child_that_was_spawned_elsewhere_is_no_deadlock() {
    within(LONG, || {
        let done = AtomicBool::new(false);
        run(|| {
            scope(|s| {
                s.spawn(|| {
                    // From an OS thread: it runs on a worker, while the hub's own ones have ended.
                    std::thread::scope(|os| {
                        os.spawn(|| {
                            s.spawn(|| {
                                sleep(Duration::from_millis(50));
                                done.store(true, Ordering::SeqCst);
                            });
                        });
                    });
                });
            });
        });
        assert!(done.load(Ordering::SeqCst));
    });
}

/// Whom a callback may kill.
static VICTIM: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);

/// A `run` of two that want each other's locks, one of whom is the victim.
fn run_two_locks() {
    run(|| {
        let locks = Arc::new([sync::Mutex::new(()), sync::Mutex::new(())]);
        let [victim, other] = [0, 1].map(|me| {
            let locks = locks.clone();
            spawn(move || {
                let _first = locks[me].lock();
                yield_now();
                drop(locks[1 - me].lock());
            })
        });
        *VICTIM.lock().unwrap() = Some(victim);
        other.join().unwrap();
    });
}

#[test]
fn a_callback_that_kills_lets_a_run_go_on() {
    Child::new(this_test!()).passes(|| {
        inspect::on_deadlock(|it| {
            assert_eq!(it.members().len(), 2);
            VICTIM.lock().unwrap().take().unwrap().kill();
        });
        for _ in 0..3 {
            run_two_locks();
        }
        assert_eq!(inspect::deadlocks().len(), 3);
    });
}

#[test]
fn callbacks_hear_of_a_run_before_it_panics() {
    Child::new(this_test!()).passes(|| {
        let (told, tells) = mpsc::channel();
        inspect::on_deadlock(move |it| told.send(it.to_string()).unwrap());
        let text = panic_of(run_two_locks);
        assert!(text.starts_with("this `run` would wait forever"), "{text}");
        let told = tells.try_recv().unwrap();
        assert!(told.contains("locking the mutex at "), "{told}");
    });
}

#[test]
fn who_is_unparked_again_and_again_does_not_keep_a_run() {
    Child::new(this_test!()).passes(|| {
        inspect::on_deadlock(|_| ());
        std::thread::spawn(|| {
            loop {
                if let Some(victim) = &*VICTIM.lock().unwrap() {
                    victim.thread().unpark();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let text = panic_of(run_two_locks);
        assert!(text.starts_with("this `run` would wait forever"), "{text}");
    });
}

#[test]
fn a_callback_that_does_not_return_is_not_waited_for() {
    Child::new(this_test!()).passes(|| {
        inspect::on_deadlock(|_| {
            loop {
                std::thread::park();
            }
        });
        let text = panic_of(run_two_locks);
        assert!(text.starts_with("this `run` would wait forever"), "{text}");
    });
}
