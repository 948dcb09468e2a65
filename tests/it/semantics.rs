//! What people rely on: section 2 of gevent's specification, rows 5 to 9, 15 and 20, where no other
//! file shows them.

use std::cell::Cell;
use std::env;
use std::io::{Read, Write};
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use greenloop::net::{TcpListener, TcpStream};
use greenloop::pool::Pool;
use greenloop::queue::{Channel, Queue};
use greenloop::sync::mpsc::sync_channel;
use greenloop::sync::{Arc, AsyncResult, Barrier, Condvar, Event, Mutex, Once, RwLock, Semaphore};
use greenloop::{Killed, run, sleep, spawn, spawn_local, thread, timeout, yield_now};

use crate::child::{Child, this_test};
use crate::counted::Drops;
use crate::within::{LONG, until, within};

const MOMENT: Duration = Duration::from_millis(5);

/// In a hub: `f` does not yield, for another one that can run does not.
fn assert_no_yield(what: &str, f: impl FnOnce()) {
    let ran = Rc::new(Cell::new(false));
    let theirs = ran.clone();
    let other = spawn_local(move || theirs.set(true));
    f();
    assert!(!ran.get(), "{what} yields");
    other.join().unwrap();
    assert!(ran.get());
}

// Row 5: "only real waits … leaving a Timeout block".
#[test]
fn a_timeout_or_scope_around_what_does_not_wait_does_not_yield() {
    within(LONG, || {
        run(|| {
            assert_no_yield("timeout", || assert_eq!(timeout(LONG, || 1), Ok(1)));
            assert_no_yield("shield", || greenloop::shield(|| ()));
            assert_no_yield("scope", || greenloop::scope(|_| ()));
            assert_no_yield("spawn", || drop(spawn(|| ())));
            assert_no_yield("try_spawn", || drop(Pool::new(1).try_spawn(|| ())));
            assert_no_yield("try_lock", || {
                let mutex = Mutex::new(());
                let _guard = mutex.lock();
                assert!(mutex.try_lock().is_err());
            });
        });
    });
}

// Row 5: "recv/send that succeed".
#[test]
fn sockets_that_are_ready_do_not_yield() {
    within(LONG, || {
        run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let mut far = listener.accept().unwrap().0;
            assert_no_yield("write", || near.write_all(b"four").unwrap());
            let mut bytes = [0; 4];
            assert_eq!(far.peek(&mut bytes).unwrap(), 4); // it has come
            assert_no_yield("read", || far.read_exact(&mut bytes).unwrap());
            assert_eq!(&bytes, b"four");
        });
    });
}

// The model: "set(), release(), put() only schedule; the caller keeps running"; rows 5, 15 and 17.
#[test]
fn waking_somebody_does_not_yield() {
    /// What makes one wait, and what wakes it.
    struct Case {
        what: &'static str,
        wait: Box<dyn FnOnce()>,
        wake: Box<dyn FnOnce()>,
    }
    fn case<T: 'static>(what: &'static str, it: T, wait: fn(&T), wake: fn(&T)) -> Case {
        let ours = Rc::new(it);
        let it = ours.clone();
        Case {
            what,
            wait: Box::new(move || wait(&it)),
            wake: Box::new(move || wake(&ours)),
        }
    }
    within(LONG, || {
        run(|| {
            let pair = || (Mutex::new(()), Condvar::new());
            let wait_for = |pair: &(Mutex<()>, Condvar)| {
                drop(pair.1.wait(pair.0.lock().unwrap()));
            };
            let cases = [
                case(
                    "release",
                    Semaphore::new(0),
                    Semaphore::acquire,
                    Semaphore::release,
                ),
                case("set", Event::new(), Event::wait, Event::set),
                case("notify_one", pair(), wait_for, |pair| pair.1.notify_one()),
                case("notify_all", pair(), wait_for, |pair| pair.1.notify_all()),
                case(
                    "a result",
                    AsyncResult::new(),
                    |it| _ = it.get(),
                    |it| it.set(1).unwrap(),
                ),
                case(
                    "put",
                    Queue::new(),
                    |it| _ = it.get(),
                    |it| it.put(1).unwrap(),
                ),
                case(
                    "try_put",
                    Channel::new(),
                    |it| _ = it.get(),
                    |it| it.try_put(1).unwrap(),
                ),
                case(
                    "send",
                    sync_channel(1),
                    |it| _ = it.1.recv(),
                    |it| it.0.send(1).unwrap(),
                ),
                case(
                    "the last one at a barrier",
                    Barrier::new(2),
                    |it| _ = it.wait(),
                    |it| {
                        it.wait();
                    },
                ),
                case(
                    "call_once",
                    Once::new(),
                    |it| it.wait(),
                    |it| it.call_once(|| ()),
                ),
            ];
            for Case { what, wait, wake } in cases {
                let waiter = spawn_local(wait);
                yield_now();
                assert!(!waiter.is_finished(), "{what}: it waits");
                assert_no_yield(what, wake);
                waiter.join().unwrap();
            }
        });
    });
}

// Row 15: "no hand-off": who unlocks may lock again at once, and the waiter waits on.
#[test]
fn an_unlock_wakes_and_hands_nothing_over() {
    within(LONG, || {
        run(|| {
            let lock = Rc::new(RwLock::new(0));
            let theirs = lock.clone();
            let guard = lock.write().unwrap();
            let waiter = spawn_local(move || *theirs.write().unwrap() += 1);
            yield_now();
            assert_no_yield("the drop of a guard", || drop(guard));
            assert!(waiter.is_finished());
            assert_eq!(*lock.read().unwrap(), 1);
        });
    });
}

// Row 6: "printed once", "stored", "siblings, loop and main unaffected".
#[test]
fn a_panic_is_told_once_and_kept_for_the_joiner() {
    for place in ["worker", "hub"] {
        let end = Child::new(this_test!()).variable("PLACE", place).run(|| {
            let body = || {
                let sibling = spawn(yield_now);
                let broken = spawn(|| -> () { panic!("of all things") });
                until("it ends", || broken.is_finished());
                let payload = broken.join().unwrap_err();
                assert_eq!(payload.downcast_ref(), Some(&"of all things"));
                sibling.join().unwrap();
            };
            match env::var("PLACE").unwrap().as_str() {
                "hub" => run(body),
                _ => body(),
            }
        });
        assert!(end.status.success(), "{end}");
        assert_eq!(end.stderr.matches("of all things").count(), 1, "{end}");
    }
}

// Row 7: an exit in a green thread is the whole process's, at once.
#[test]
fn an_exit_in_a_green_thread_ends_the_process() {
    for place in ["worker", "hub"] {
        let end = Child::new(this_test!()).variable("PLACE", place).run(|| {
            let body = || {
                drop(spawn(|| std::process::exit(3)));
                thread::park();
                sleep(LONG);
            };
            match env::var("PLACE").unwrap().as_str() {
                "hub" => run(body),
                _ => body(),
            }
        });
        assert_eq!(end.status.code(), Some(3), "{end}");
    }
}

// Row 8: "stored as its failure like any exception"; and the timeouts around it are not deceived.
#[test]
fn a_timeout_that_is_thrown_on_is_a_failure_like_any_other() {
    within(LONG, || {
        run(|| {
            let handle = spawn(|| {
                let mut caught = None;
                let result = timeout(MOMENT, || caught = catch_unwind(|| sleep(LONG)).err());
                assert!(result.is_err());
                let payload = caught.unwrap();
                let _ = timeout(LONG, || resume_unwind(payload));
                unreachable!("the other timeout has taken it");
            });
            let payload = handle.join().map(|(): ()| ()).unwrap_err();
            assert!(!payload.is::<Killed>() && !payload.is::<&str>());
        });
    });
}

/// Says so on standard error when it is dropped.
struct Tells;

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = std::io::stderr().write_all(b"dropped\n");
    }
}

// Row 9: what is runnable or parked when the process ends neither runs nor unwinds.
#[test]
fn the_end_of_the_process_runs_and_unwinds_nobody() {
    let end = Child::new(this_test!())
        .variable("GREENLOOP_WORKERS", 1)
        .run(|| {
            let parked = Arc::new(AtomicBool::new(false));
            let theirs = parked.clone();
            drop(spawn(move || {
                let _tells = Tells;
                theirs.store(true, Ordering::SeqCst);
                loop {
                    thread::park();
                }
            }));
            until("it is parked", || parked.load(Ordering::SeqCst));
        });
    assert!(end.status.success(), "{end}");
    assert!(!end.said("dropped"), "{end}");
}

// Row 20: one whose waker is lost is neither freed nor unwound; here the end of its hub does that.
#[test]
fn one_that_nobody_can_wake_stays_until_its_hub_ends() {
    let drops = Drops::new();
    let ours = drops.clone();
    let hub = move || {
        let counted = ours.counted();
        drop(spawn(move || {
            let _counted = counted;
            Event::new().wait();
        }));
        for _ in 0..100 {
            spawn(yield_now).join().unwrap();
        }
        assert_eq!(ours.count(), 0);
    };
    within(LONG, || run(hub));
    assert_eq!(drops.count(), 1);
}
