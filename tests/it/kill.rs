//! Kills: of each kind of green thread, at each kind of wait, and what they leave behind. The matrix
//! of gevent 1.2 `kill` is in `kill_matrix.rs`.

use greenloop::net::{TcpListener, TcpStream};
use greenloop::{
    Killed, killall, run, scope, shield, sleep, spawn, spawn_later, thread, yield_now,
};
use std::cell::{Cell, RefCell};
use std::io::Read;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(10);

fn is_killed<T>(result: std::thread::Result<T>) -> bool {
    result.err().is_some_and(|payload| payload.is::<Killed>())
}

/// Sets a flag when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn flag() -> (Arc<AtomicBool>, Flag) {
    let flag = Arc::new(AtomicBool::new(false));
    (flag.clone(), Flag(flag))
}

// gevent.md section 2, row 13.
#[test]
fn one_that_has_not_started_never_runs() {
    run(|| {
        let (dropped, guard) = flag();
        let handle = spawn(move || {
            let _guard = guard;
            unreachable!("it was killed before it could run");
        });
        handle.kill_nowait();
        assert!(handle.is_finished(), "it ends without a switch");
        assert!(dropped.load(Ordering::SeqCst), "what it owned is dropped");
        yield_now();
        assert!(is_killed(handle.join()));
    });
}

// gevent.md section 2, row 14: the victim hears of it where it waits; others run first.
#[test]
fn one_that_waits_unwinds_there() {
    run(|| {
        let (dropped, guard) = flag();
        let handle = spawn(move || {
            let _guard = guard;
            sleep(LONG);
        });
        yield_now();
        handle.kill_nowait();
        assert!(
            !handle.is_finished() && !dropped.load(Ordering::SeqCst),
            "nothing runs inline"
        );
        yield_now();
        assert!(handle.is_finished() && dropped.load(Ordering::SeqCst));
        assert!(is_killed(handle.join()));
    });
}

#[test]
fn one_that_has_ended_keeps_its_result() {
    let handle = spawn(|| 7);
    while !handle.is_finished() {
        std::thread::yield_now();
    }
    handle.kill_nowait();
    handle.kill();
    assert!(handle.kill_timeout(Duration::ZERO));
    assert_eq!(handle.join().unwrap(), 7);
}

// gevent 1.2 `kill`: `finally` runs and may block, and the kill waits for it.
#[test]
fn a_kill_waits_for_destructors_that_wait() {
    struct Slow(Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            sleep(SOON);
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let done = Arc::new(AtomicBool::new(false));
    let slow = Slow(done.clone());
    let handle = spawn(move || {
        let _slow = slow;
        sleep(LONG);
    });
    handle.kill();
    assert!(done.load(Ordering::SeqCst) && handle.is_finished());
}

// gevent.md 1.2, `kill`: the victim may catch it; then kill(timeout) returns with it alive.
#[test]
fn it_is_delivered_once() {
    run(|| {
        let handle = spawn(|| {
            let caught = std::panic::catch_unwind(|| sleep(LONG)).unwrap_err();
            assert!(caught.is::<Killed>());
            sleep(SOON);
            "survived"
        });
        yield_now();
        assert!(!handle.kill_timeout(Duration::ZERO));
        assert_eq!(handle.join().unwrap(), "survived");
    });
}

#[test]
fn a_spinner_can_be_killed() {
    run(|| {
        let handle = spawn(|| -> () {
            loop {
                yield_now();
            }
        });
        yield_now();
        handle.kill();
        assert!(is_killed(handle.join()));
    });
}

// gevent.md 1.2: a self-kill without waiting takes effect at the next wait.
#[test]
fn one_may_kill_itself() {
    run(|| {
        let own = Rc::new(RefCell::new(None::<greenloop::LocalJoinHandle<()>>));
        let (theirs, reached) = (own.clone(), Rc::new(Cell::new(false)));
        let mark = reached.clone();
        let handle = greenloop::spawn_local(move || {
            theirs.borrow().as_ref().unwrap().kill_nowait();
            mark.set(true);
            sleep(LONG);
            unreachable!("the sleep unwinds");
        });
        *own.borrow_mut() = Some(handle);
        yield_now();
        assert!(reached.get());
        assert!(is_killed(own.take().unwrap().join()));
    });
}

// gevent 1.1 `spawn_later`: killed before it fires, it never runs.
#[test]
fn a_delayed_one_never_runs() {
    let handle = spawn_later(LONG, || unreachable!("it was killed before its time"));
    handle.kill();
    assert!(is_killed(handle.join()));
}

#[test]
fn it_reaches_every_kind_of_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    let (read, idle) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    let accepting = listener.try_clone().unwrap();
    let _accepted = listener.accept().unwrap();
    type Case = (&'static str, Box<dyn FnOnce() + Send>);
    let cases: Vec<Case> = vec![
        ("sleep", Box::new(|| sleep(LONG))),
        ("park", Box::new(thread::park)),
        ("park_timeout", Box::new(|| thread::park_timeout(LONG))),
        ("join", Box::new(|| spawn(thread::park).join().unwrap())),
        (
            "join_timeout",
            Box::new(|| drop(spawn(thread::park).join_timeout(LONG))),
        ),
        (
            "wait_any",
            Box::new(|| {
                let _ = greenloop::wait_any(&[&spawn(thread::park)]);
            }),
        ),
        (
            "iwait",
            Box::new(|| drop(greenloop::iwait([spawn(thread::park)]).next())),
        ),
        (
            "kill",
            Box::new(|| {
                let started = Arc::new(AtomicBool::new(false));
                let flag = started.clone();
                let shielded = spawn(move || {
                    flag.store(true, Ordering::SeqCst);
                    shield(|| sleep(Duration::from_secs(1)));
                });
                while !started.load(Ordering::SeqCst) {
                    yield_now();
                }
                shielded.kill();
            }),
        ),
        ("spawn_blocking", {
            let (hold, held) = mpsc::channel::<()>();
            let job = greenloop::spawn_blocking(move || held.recv().unwrap_err());
            Box::new(move || {
                let _hold = hold;
                job.join().unwrap();
            })
        }),
        (
            "scope",
            Box::new(|| scope(|s| drop(s.spawn(|| sleep(SOON)).join()))),
        ),
        ("read", Box::new(move || drop((&read).read(&mut [0; 8])))),
        ("accept", Box::new(move || drop(accepting.accept()))),
    ];
    for (name, case) in cases {
        let handle = spawn(case);
        let started = handle.thread().clone();
        // Whether it waits already or not: the kill finds it.
        yield_now();
        drop(started);
        assert!(
            handle.kill_timeout(Duration::from_secs(10)),
            "{name}: it did not end"
        );
        assert!(is_killed(handle.join()), "{name}: it was not killed");
    }
    drop(idle);
}

#[test]
fn a_siblings_mutex_is_not_poisoned_by_a_destructor_that_waits() {
    run(|| {
        struct Yields;
        impl Drop for Yields {
            fn drop(&mut self) {
                yield_now();
            }
        }
        let mutex = Arc::new(std::sync::Mutex::new(0));
        let victim = spawn(|| {
            let _yields = Yields;
            sleep(LONG);
        });
        yield_now();
        victim.kill_nowait();
        let ours = mutex.clone();
        let sibling = spawn(move || {
            assert!(!thread::panicking());
            *ours.lock().unwrap() += 1;
        });
        assert!(is_killed(victim.join()));
        sibling.join().unwrap();
        assert_eq!(*mutex.lock().expect("not poisoned"), 1);
    });
}

// The hole of other runtimes: a scope whose owner is cancelled while children borrow its stack.
#[test]
fn a_scope_waits_for_its_children_though_its_owner_is_killed() {
    let touched = Arc::new(AtomicUsize::new(0));
    let count = touched.clone();
    let (inside, entered) = mpsc::channel();
    let owner = spawn(move || {
        let data = vec![1usize; 100];
        scope(|s| {
            s.spawn(|| {
                inside.send(()).unwrap();
                for _ in 0..10 {
                    shield(|| sleep(Duration::from_millis(2)));
                    count.fetch_add(data.iter().sum::<usize>(), Ordering::SeqCst);
                }
            });
        });
    });
    entered.recv().unwrap();
    owner.kill();
    assert_eq!(touched.load(Ordering::SeqCst), 1000);
    owner.join().unwrap_err();
}

#[test]
fn many_are_killed_in_time() {
    let handles: Vec<_> = (0..1000).map(|_| spawn(|| sleep(LONG))).collect();
    let start = Instant::now();
    killall(&handles, Some(Duration::from_secs(20))).unwrap();
    assert!(start.elapsed() < Duration::from_secs(20));
    assert!(handles.into_iter().all(|handle| is_killed(handle.join())));
}

// gevent 1.1 `killall`: a timeout is an error; more of it is in `wait.rs`.
#[test]
fn killall_says_when_some_are_left() {
    run(|| {
        let stubborn = [spawn(|| shield(|| sleep(Duration::from_millis(50))))];
        yield_now();
        assert!(killall(&stubborn, Some(SOON)).is_err());
    });
}

/// Killers race with the wake-ups of what they kill: each ends in one way or the other.
#[test]
fn kills_race_with_wakeups() {
    for round in 0..2000 {
        let handle = spawn(|| {
            thread::park();
            yield_now();
        });
        let unparker = handle.thread().clone();
        let waker = spawn(move || unparker.unpark());
        if round % 2 == 0 {
            yield_now();
        }
        handle.kill();
        waker.join().unwrap();
        assert!(handle.is_finished());
    }
}
