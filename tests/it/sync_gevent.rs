//! gevent's and threading's own: semaphores, events, results, re-entrant locks (rows of gevent's 1.5 and
//! 1.6), and the order in which all of `greenloop::sync` serves.
//!
//! Long because it has many small tests, of types that belong together.

use greenloop::sync::mpsc::{self, channel};
use greenloop::sync::{
    Arc, AsyncResult, Barrier, BoundedSemaphore, Condvar, Event, LazyLock, Mutex, Once, OnceLock,
    OverReleased, ReentrantMutex, RwLock, Semaphore,
};
use greenloop::{
    iwait, joinall, run, sleep, spawn, spawn_local, timeout, wait, wait_any, yield_now,
};
use std::cell::{Cell, RefCell};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(60);

fn settle() {
    (0..5).for_each(|_| yield_now());
}

/// Runs `wait` on five green threads of a hub, then `wake` on itself until all are through; says in which
/// order they were.
fn order(wait: impl Fn() + 'static, wake: impl Fn()) -> Vec<i32> {
    let (wait, order) = (Rc::new(wait), Rc::new(RefCell::new(Vec::new())));
    let handles: Vec<_> = (0..5)
        .map(|number| {
            let (wait, order) = (wait.clone(), order.clone());
            spawn_local(move || {
                wait();
                order.borrow_mut().push(number);
            })
        })
        .collect();
    settle();
    assert!(order.borrow().is_empty(), "all wait");
    wake();
    handles
        .into_iter()
        .for_each(|handle| handle.join().unwrap());
    order.take()
}

// gevent 1.6 `Semaphore`, 2 #15.
#[test]
fn all_are_served_in_the_order_in_which_they_came() {
    run(|| {
        let fifo = [0, 1, 2, 3, 4];
        let mutex: &Mutex<()> = Box::leak(Box::default());
        let guard = Cell::new(Some(mutex.lock().unwrap()));
        assert_eq!(
            order(move || drop(mutex.lock()), || drop(guard.take())),
            fifo
        );
        let reentrant: &ReentrantMutex<()> = Box::leak(Box::default());
        let guard = Cell::new(Some(reentrant.lock()));
        assert_eq!(
            order(move || drop(reentrant.lock()), || drop(guard.take())),
            fifo
        );
        let rwlock: &RwLock<()> = Box::leak(Box::default());
        let guard = Cell::new(Some(rwlock.read().unwrap()));
        assert_eq!(
            order(move || drop(rwlock.write()), || drop(guard.take())),
            fifo
        );
        let guard = Cell::new(Some(rwlock.write().unwrap()));
        assert_eq!(
            order(move || drop(rwlock.read()), || drop(guard.take())),
            fifo
        );
        let semaphore = Rc::new(Semaphore::new(0));
        let theirs = semaphore.clone();
        let release_all = || (0..5).for_each(|_| semaphore.release());
        assert_eq!(order(move || theirs.acquire(), release_all), fifo);
        let event = Rc::new(Event::new());
        let theirs = event.clone();
        assert_eq!(order(move || theirs.wait(), || event.set()), fifo);
        let pair = Rc::new((Mutex::new(()), Condvar::new()));
        let theirs = pair.clone();
        let wait = move || drop(theirs.1.wait(theirs.0.lock().unwrap()));
        assert_eq!(
            order(wait, || (0..5).for_each(|_| pair.1.notify_one())),
            fifo
        );
        let theirs = pair.clone();
        let wait = move || drop(theirs.1.wait(theirs.0.lock().unwrap()));
        assert_eq!(order(wait, || pair.1.notify_all()), fifo);
        let barrier = Rc::new(Barrier::new(6));
        let theirs = barrier.clone();
        assert_eq!(
            order(move || _ = theirs.wait(), || _ = barrier.wait()),
            fifo
        );
    });
}

#[test]
fn senders_that_wait_keep_their_order() {
    run(|| {
        for bound in [0, 1, 2] {
            let (sender, receiver) = mpsc::sync_channel(bound);
            for number in 0..10 {
                let sender = sender.clone();
                spawn(move || sender.send(number).unwrap());
            }
            drop(sender);
            settle();
            assert_eq!(receiver.iter().collect::<Vec<_>>(), Vec::from_iter(0..10));
        }
    });
}

// gevent 1.6 `Semaphore`, 2 #15.
#[test]
fn barging_is_allowed_but_nobody_starves() {
    run(|| {
        let mutex = Rc::new(Mutex::new(()));
        let (theirs, got_it) = (mutex.clone(), Rc::new(Cell::new(false)));
        let told = got_it.clone();
        let guard = mutex.lock().unwrap();
        let waiter = spawn_local(move || {
            drop(theirs.lock());
            told.set(true);
        });
        yield_now();
        drop(guard);
        // The waiter has been woken, but who runs is faster; once.
        let mut guard = mutex.try_lock().unwrap();
        for round in 0.. {
            yield_now();
            drop(guard);
            guard = mutex.lock().unwrap();
            if got_it.get() {
                break;
            }
            assert!(round < 2, "the waiter starves");
        }
        waiter.join().unwrap();
    });
}

// gevent 2 #15, `TestSemaphoreFair`.
#[test]
fn two_that_hold_a_lock_over_their_waits_take_turns() {
    run(|| {
        let shared = Rc::new((Semaphore::new(1), [Cell::new(0u32), Cell::new(0)]));
        let both: Vec<_> = (0..2)
            .map(|me| {
                let shared = shared.clone();
                spawn_local(move || {
                    for _ in 0..100 {
                        let _permit = shared.0.permit();
                        yield_now();
                        let mine = shared.1[me].get() + 1;
                        shared.1[me].set(mine);
                        assert!(shared.1[1 - me].get().abs_diff(mine) <= 3 || mine > 97);
                    }
                })
            })
            .collect();
        both.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn a_writer_does_not_starve_behind_readers() {
    run(|| {
        let lock = Arc::new(RwLock::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let (lock, stop) = (lock.clone(), stop.clone());
                spawn(move || {
                    while !stop.load(SeqCst) {
                        let _guard = lock.read().unwrap();
                        yield_now();
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            *lock.write().unwrap() += 1;
            yield_now();
        }
        stop.store(true, SeqCst);
        joinall(readers);
    });
}

// gevent 2 #5.
#[test]
fn what_is_free_is_taken_without_a_yield() {
    run(|| {
        let ran = Rc::new(Cell::new(false));
        let theirs = ran.clone();
        let other = spawn_local(move || theirs.set(true));
        let (semaphore, event) = (Semaphore::new(1), Event::new());
        semaphore.acquire();
        semaphore.release();
        event.set();
        event.wait();
        drop(Mutex::new(()).lock());
        drop(RwLock::new(()).write());
        drop(ReentrantMutex::new(()).lock());
        let (sender, receiver) = channel();
        sender.send(()).unwrap();
        receiver.recv().unwrap();
        let result = AsyncResult::new();
        result.set(1).unwrap();
        assert_eq!(result.get(), 1);
        assert!(!semaphore.acquire_timeout(Duration::ZERO) || semaphore.available() == 0);
        assert!(!ran.get());
        other.join().unwrap();
    });
}

// gevent 1.6 `Semaphore`.
#[test]
fn a_semaphore_counts() {
    let semaphore = Semaphore::new(2);
    assert!(semaphore.try_acquire() && semaphore.try_acquire() && !semaphore.try_acquire());
    let start = Instant::now();
    assert!(!semaphore.acquire_timeout(MOMENT) && start.elapsed() >= MOMENT);
    assert!(!semaphore.acquire_timeout(Duration::ZERO));
    assert_eq!(semaphore.available(), 0);
    (0..3).for_each(|_| semaphore.release()); // more than were taken, as in gevent
    assert_eq!(semaphore.available(), 3);
    drop(semaphore.permit());
    assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 3, .. }");
    assert_eq!(Semaphore::default().available(), 1);
    assert!(std::panic::catch_unwind(|| Semaphore::new(usize::MAX)).is_err());
    let full = Semaphore::new(Semaphore::MAX);
    assert!(std::panic::catch_unwind(|| full.release()).is_err());
    assert_eq!(full.available(), Semaphore::MAX);
}

// gevent 1.6 `BoundedSemaphore`.
#[test]
fn a_bounded_semaphore_refuses_one_too_many() {
    let semaphore = BoundedSemaphore::new(2);
    assert_eq!(semaphore.release(), Err(OverReleased));
    assert_eq!(semaphore.available(), 2);
    assert!(semaphore.try_acquire());
    assert_eq!(
        (semaphore.release(), semaphore.release()),
        (Ok(()), Err(OverReleased))
    );
    assert_eq!(
        OverReleased.to_string(),
        "semaphore released too many times"
    );
    let permit = semaphore.permit();
    assert_eq!(semaphore.release(), Ok(()));
    drop(permit); // nothing to give back any more
    assert_eq!(semaphore.available(), 2);
    assert_eq!(BoundedSemaphore::new(0).release(), Err(OverReleased));
    assert!(!BoundedSemaphore::new(0).acquire_timeout(MOMENT));
}

#[test]
fn over_releases_race_and_none_gets_through() {
    let semaphore = Arc::new(BoundedSemaphore::new(3));
    let handles = (0..8).map(|_| {
        let semaphore = semaphore.clone();
        spawn(move || {
            for _ in 0..200 {
                semaphore.acquire();
                yield_now();
                semaphore.release().unwrap();
                assert!(semaphore.available() <= 3);
            }
        })
    });
    joinall(handles).into_iter().for_each(Result::unwrap);
    assert_eq!(
        (semaphore.available(), semaphore.release()),
        (3, Err(OverReleased))
    );
}

// gevent 1.5 `Event`.
// gevent 2 #17.
#[test]
fn set_and_clear_wakes_all_who_waited_and_nobody_else() {
    run(|| {
        let event = Arc::new(Event::new());
        let waiting = || {
            let event = event.clone();
            spawn(move || event.wait_timeout(LONG))
        };
        let before = [waiting(), waiting(), waiting()];
        settle();
        event.set();
        event.clear();
        let later = waiting();
        settle();
        assert!(before.iter().all(|handle| handle.is_finished()) && !later.is_finished());
        assert!(joinall(before).into_iter().all(Result::unwrap));
        event.set();
        assert!(later.join().unwrap() && event.is_set());
        assert_eq!(format!("{event:?}"), "Event { is_set: true, .. }");
        event.clear();
        assert!(!event.wait_timeout(MOMENT));
    });
}

// gevent 1.5 `Threading`: here for all threads.
#[test]
fn an_event_between_workers_hubs_and_os_threads() {
    let (event, woken) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
    let wait = || {
        let (event, woken) = (event.clone(), woken.clone());
        move || {
            event.wait();
            woken.fetch_add(1, SeqCst);
        }
    };
    let green: Vec<_> = (0..4).map(|_| spawn(wait())).collect();
    let os: Vec<_> = (0..2).map(|_| std::thread::spawn(wait())).collect();
    let (first, second) = (wait(), wait());
    let hub = std::thread::spawn(|| run(|| drop(joinall([spawn(first), spawn(second)]))));
    sleep(MOMENT);
    assert_eq!(woken.load(SeqCst), 0);
    event.set();
    joinall(green);
    os.into_iter().for_each(|thread| thread.join().unwrap());
    hub.join().unwrap();
    assert_eq!(woken.load(SeqCst), 8);
}

#[test]
fn a_mutex_between_workers_hubs_and_os_threads() {
    let count = Arc::new(Mutex::new(0));
    let work = || {
        let count = count.clone();
        move || {
            for _ in 0..500 {
                let mut count = count.lock().unwrap();
                *count += 1;
                if *count % 7 == 0 {
                    yield_now();
                }
            }
        }
    };
    let green: Vec<_> = (0..4).map(|_| spawn(work())).collect();
    let os: Vec<_> = (0..2).map(|_| std::thread::spawn(work())).collect();
    let (first, second) = (work(), work());
    let hub = std::thread::spawn(|| run(|| drop(joinall([spawn(first), spawn(second)]))));
    joinall(green).into_iter().for_each(Result::unwrap);
    os.into_iter().for_each(|thread| thread.join().unwrap());
    hub.join().unwrap();
    assert_eq!(*count.lock().unwrap(), 8 * 500);
}

#[test]
fn a_channel_between_workers_hubs_and_os_threads() {
    for bound in [None, Some(0), Some(2)] {
        let (back, echo) = channel();
        let (send, receiver): (Box<dyn Fn(u32) + Send>, _) = match bound {
            None => {
                let (sender, receiver) = channel();
                (Box::new(move |n| sender.send(n).unwrap()), receiver)
            }
            Some(bound) => {
                let (sender, receiver) = mpsc::sync_channel(bound);
                (Box::new(move |n| sender.send(n).unwrap()), receiver)
            }
        };
        let green = spawn(move || {
            receiver
                .into_iter()
                .for_each(|n: u32| back.send(n + 1).unwrap())
        });
        let hub =
            std::thread::spawn(move || run(move || spawn(move || (0..200).for_each(send)).join()));
        assert_eq!(echo.iter().collect::<Vec<_>>(), Vec::from_iter(1..=200));
        hub.join().unwrap().unwrap();
        green.join().unwrap();
    }
}

// gevent 1.5 `AsyncResult`; more of it is in `event.rs`.
#[test]
fn an_async_result_is_set_once() {
    run(|| {
        let result = Arc::new(AsyncResult::new());
        assert!(!result.is_ready() && result.try_get().is_none());
        assert_eq!(format!("{result:?}"), "AsyncResult(<not ready>)");
        assert!(
            result.get_timeout(MOMENT).is_err() && result.wait_timeout(Duration::ZERO).is_err()
        );
        let waiters = [0; 3].map(|_| {
            let result = result.clone();
            spawn(move || result.get())
        });
        settle();
        assert_eq!(result.set("first".to_string()), Ok(()));
        assert_eq!(result.set("second".into()), Err("second".into()));
        assert!(
            joinall(waiters)
                .into_iter()
                .all(|got| got.unwrap() == "first")
        );
        assert_eq!(
            (result.wait().as_str(), result.try_get().unwrap().as_str()),
            ("first", "first")
        );
        assert_eq!(result.get_timeout(Duration::ZERO).as_deref(), Ok("first"));
        assert_eq!(
            Arc::into_inner(result).unwrap().into_inner().as_deref(),
            Some("first")
        );
    });
}

// gevent 1.5 `AsyncResult` as a link, 1.2 `link`.
#[test]
fn an_async_result_is_the_target_of_a_link() {
    let result = Arc::new(AsyncResult::new());
    let (handle, linked) = (spawn(|| ()), result.clone());
    handle.link(move || linked.set("ended").unwrap());
    assert_eq!(result.get(), "ended");
}

// gevent 1.6 `RLock`.
#[test]
fn a_reentrant_mutex_knows_its_owner() {
    run(|| {
        let mutex = Arc::new(ReentrantMutex::new(Cell::new(1)));
        let outer = mutex.lock();
        let inner = mutex.try_lock().unwrap();
        inner.set(outer.get() + 1);
        drop(outer); // in any order
        assert!(mutex.is_locked());
        let theirs = mutex.clone();
        let other = spawn(move || {
            assert!(theirs.try_lock().is_none() && theirs.lock_timeout(MOMENT).is_none());
            assert_eq!(
                format!("{theirs:?}"),
                "ReentrantMutex { data: <locked>, .. }"
            );
            theirs.lock().get()
        });
        sleep(4 * MOMENT);
        inner.set(3);
        drop(inner);
        assert_eq!(other.join().unwrap(), 3);
        let theirs = mutex.clone();
        std::thread::spawn(move || theirs.lock().set(4))
            .join()
            .unwrap();
        assert_eq!(
            format!("{mutex:?}"),
            "ReentrantMutex { data: Cell { value: 4 }, .. }"
        );
        assert!(!mutex.is_locked());
        assert_eq!(Arc::into_inner(mutex).unwrap().into_inner().get(), 4);
    });
}

#[test]
fn a_guard_that_was_leaked_does_not_pass_to_a_later_thread() {
    let mutex: &ReentrantMutex<Cell<u32>> = Box::leak(Box::new(ReentrantMutex::new(Cell::new(0))));
    run(|| {
        spawn(|| std::mem::forget(mutex.lock())).join().unwrap();
        // These use the same control block again.
        for _ in 0..10 {
            assert!(spawn(|| mutex.try_lock().is_none()).join().unwrap());
        }
    });
}

// gevent 1.1 `wait`: whatever can be linked.
#[test]
fn events_results_and_semaphores_can_be_waited_for_together() {
    run(|| {
        let (event, semaphore) = (Event::new(), Semaphore::new(0));
        let (bounded, result) = (BoundedSemaphore::new(1), AsyncResult::<u32>::new());
        bounded.acquire();
        assert!(wait([&event], Some(MOMENT), None).is_empty());
        greenloop::scope(|s| {
            s.spawn(|| {
                yield_now();
                semaphore.release();
            });
            assert_eq!(wait_any(&[&event, &semaphore, &bounded, &result]), 1);
            assert_eq!(semaphore.available(), 1, "it is not taken");
            s.spawn(|| bounded.release());
            assert_eq!(wait_any(&[&event, &result, &bounded]), 2);
            s.spawn(|| result.set(1));
            assert_eq!(wait_any(&[&event, &result]), 1);
            s.spawn(|| {
                event.set();
                event.clear();
            });
            assert_eq!(wait_any(&[&event]), 0);
            assert_eq!(wait_any(&[&event, &semaphore]), 1, "already ready");
        });
    });
}

#[test]
fn iwait_yields_events_as_they_are_set() {
    run(|| {
        let events: Vec<_> = (0..3).map(|_| Arc::new(Event::new())).collect();
        let theirs = events.clone();
        let setter = spawn(move || [2, 0, 1].map(|n: usize| theirs[n].set()));
        let order: Vec<usize> = iwait(events.iter().map(|event| &**event))
            .map(|set| {
                events
                    .iter()
                    .position(|event| std::ptr::eq(&**event, set))
                    .unwrap()
            })
            .collect();
        assert_eq!(order, [2, 0, 1]);
        setter.join().unwrap();
    });
}

#[test]
fn a_watcher_of_a_semaphore_takes_no_wake_up_from_those_who_acquire() {
    run(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let theirs = semaphore.clone();
        let watcher = spawn(move || wait([&*theirs], None, None).len());
        settle();
        let theirs = semaphore.clone();
        let taker = spawn(move || theirs.acquire());
        settle();
        semaphore.release();
        taker.join().unwrap();
        assert_eq!(watcher.join().unwrap(), 1);
    });
}

#[test]
fn locks_work_in_destructors_that_unwind() {
    run(|| {
        struct Locks(Arc<Mutex<u32>>);
        impl Drop for Locks {
            fn drop(&mut self) {
                *self.0.lock().unwrap() += 1;
            }
        }
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.lock().unwrap();
        let locks = Locks(mutex.clone());
        let victim = spawn(move || {
            let _locks = locks;
            sleep(LONG);
        });
        settle();
        victim.kill_nowait();
        settle();
        assert!(!victim.is_finished(), "its destructor waits for the mutex");
        drop(guard);
        victim.join().unwrap_err();
        assert_eq!(*mutex.lock().unwrap(), 1);
    });
}

#[test]
fn a_timed_wait_ends_with_the_nearer_of_two_times() {
    run(|| {
        let semaphore = Semaphore::new(0);
        assert!(timeout(MOMENT, || semaphore.acquire_timeout(LONG)).is_err());
        assert_eq!(
            timeout(LONG, || semaphore.acquire_timeout(MOMENT)),
            Ok(false)
        );
    });
}

#[test]
fn all_survive_a_panic() {
    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    is_unwind_safe::<Mutex<Cell<u32>>>();
    is_unwind_safe::<RwLock<Cell<u32>>>();
    is_unwind_safe::<(Condvar, Barrier, Once, Event, Semaphore, BoundedSemaphore)>();
    is_unwind_safe::<(
        OnceLock<u32>,
        LazyLock<u32>,
        AsyncResult<u32>,
        ReentrantMutex<u32>,
    )>();
    is_unwind_safe::<(
        mpsc::Sender<Cell<u32>>,
        mpsc::SyncSender<u32>,
        mpsc::Receiver<u32>,
    )>();
}

#[test]
fn all_may_be_shared_as_in_std() {
    fn is_sync<T: Send + Sync>() {}
    is_sync::<(
        Mutex<Cell<u32>>,
        RwLock<u32>,
        Condvar,
        Barrier,
        Once,
        OnceLock<u32>,
    )>();
    is_sync::<(
        LazyLock<u32>,
        ReentrantMutex<Cell<u32>>,
        Event,
        Semaphore,
        BoundedSemaphore,
    )>();
    is_sync::<(
        AsyncResult<u32>,
        mpsc::Sender<Cell<u32>>,
        mpsc::SyncSender<Cell<u32>>,
    )>();
    fn is_send<T: Send>() {}
    is_send::<mpsc::Receiver<Cell<u32>>>();
}
