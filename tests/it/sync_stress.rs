//! Killers against waiters, for each primitive of `greenloop::sync`: whoever is killed, whenever, every
//! count is exact in the end.

use crate::within::{LONG, within};
use greenloop::sync::{
    Arc, AsyncResult, Barrier, BoundedSemaphore, Condvar, Event, Mutex, Once, ReentrantMutex,
    RwLock, Semaphore, mpsc,
};
use greenloop::{joinall, run, spawn, yield_now};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// A number that looks random, from a seed.
fn next_number(seed: &mut u64) -> u64 {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

/// Kills victims at random moments while they do `work` again and again; says how many times it was
/// done, wholly.
fn harass(work: impl Fn() + Send + Sync + 'static) -> usize {
    let (work, done) = (Arc::new(work), Arc::new(AtomicUsize::new(0)));
    let mut seed = 7;
    for _ in 0..40 {
        let handles: Vec<_> = (0..6)
            .map(|_| {
                let (work, done) = (work.clone(), done.clone());
                spawn(move || {
                    for _ in 0..20 {
                        work();
                        done.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        for handle in &handles[..3] {
            for _ in 0..next_number(&mut seed) % 40 {
                yield_now();
            }
            handle.kill_nowait();
        }
        let ends = joinall(handles);
        assert!(
            ends[3..].iter().all(Result::is_ok),
            "who is not killed, is served"
        );
    }
    done.load(SeqCst)
}

/// On the workers, on one hub, and with an OS thread as the killer.
fn everywhere(test: fn()) {
    within(LONG, move || {
        test();
        run(test);
        spawn(test).join().unwrap();
    });
}

#[test]
fn stress_a_mutex() {
    everywhere(|| {
        let mutex = Arc::new(Mutex::new(0));
        let theirs = mutex.clone();
        let done = harass(move || {
            let mut guard = theirs.lock().unwrap();
            yield_now();
            *guard += 1;
        });
        assert_eq!(*mutex.try_lock().unwrap(), done);
    });
}

#[test]
fn stress_a_semaphore() {
    everywhere(|| {
        let (semaphore, inside) = (Arc::new(Semaphore::new(2)), Arc::new(AtomicUsize::new(0)));
        let theirs = (semaphore.clone(), inside.clone());
        harass(move || {
            struct Leaves<'a>(&'a AtomicUsize);
            impl Drop for Leaves<'_> {
                fn drop(&mut self) {
                    self.0.fetch_sub(1, SeqCst);
                }
            }
            let _permit = theirs.0.permit();
            assert!(theirs.1.fetch_add(1, SeqCst) < 2);
            let _leaves = Leaves(&theirs.1);
            yield_now();
        });
        assert_eq!((semaphore.available(), inside.load(SeqCst)), (2, 0));
    });
}

#[test]
fn stress_a_rwlock() {
    everywhere(|| {
        let lock = Arc::new(RwLock::new((0, 0)));
        let (theirs, turn) = (lock.clone(), AtomicUsize::new(0));
        harass(move || {
            if turn.fetch_add(1, SeqCst) % 3 == 0 {
                let mut guard = theirs.write().unwrap();
                guard.0 += 1;
                guard.1 += 1;
            } else {
                let guard = theirs.read().unwrap();
                assert_eq!(guard.0, guard.1);
                yield_now();
            }
        });
        let guard = lock.try_write().unwrap();
        assert_eq!(guard.0, guard.1);
    });
}

#[test]
fn stress_a_condvar() {
    everywhere(|| {
        let shared = Arc::new((Mutex::new(0), Condvar::new(), AtomicUsize::new(0)));
        let theirs = shared.clone();
        let producer = spawn(move || {
            for _ in 0..40 * 6 * 20 {
                *theirs.0.lock().unwrap() += 1;
                theirs.1.notify_one();
                yield_now();
            }
        });
        let theirs = shared.clone();
        harass(move || {
            let guard = theirs.0.lock().unwrap();
            let mut items = theirs.1.wait_while(guard, |items| *items == 0).unwrap();
            *items -= 1;
            theirs.2.fetch_add(1, SeqCst);
        });
        producer.join().unwrap();
        let (left, taken) = (*shared.0.lock().unwrap(), shared.2.load(SeqCst));
        assert_eq!(left + taken, 40 * 6 * 20);
    });
}

#[test]
fn stress_a_receiver() {
    everywhere(|| {
        for bound in [None, Some(0), Some(3)] {
            let taken = Arc::new(AtomicUsize::new(0));
            let (send, receiver): (Box<dyn Fn(usize) -> bool + Send>, _) = match bound {
                None => {
                    let (sender, receiver) = mpsc::channel();
                    (Box::new(move |n| sender.send(n).is_ok()), receiver)
                }
                Some(bound) => {
                    let (sender, receiver) = mpsc::sync_channel(bound);
                    (Box::new(move |n| sender.send(n).is_ok()), receiver)
                }
            };
            let producer = spawn(move || {
                let mut sent = 0;
                while sent < 40 * 6 * 20 && send(sent) {
                    sent += 1;
                    yield_now();
                }
            });
            let (receiver, next) = (Mutex::new(receiver), taken.clone());
            harass(move || {
                let receiver = receiver.lock().unwrap();
                // In order, and without a gap, whoever is killed.
                assert_eq!(receiver.recv(), Ok(next.load(SeqCst)));
                next.fetch_add(1, SeqCst);
            });
            producer.join().unwrap();
            assert!(taken.load(SeqCst) >= 40 * 3 * 20);
        }
    });
}

#[test]
fn stress_senders() {
    everywhere(|| {
        for bound in [0, 1, 3] {
            let (value, number) = (Arc::new(()), AtomicUsize::new(0));
            let (sender, receiver) = mpsc::sync_channel(bound);
            let consumer = spawn(move || {
                let mut seen: Vec<usize> = receiver.iter().map(|(n, _)| n).collect();
                let count = seen.len();
                seen.sort();
                seen.dedup();
                assert_eq!(seen.len(), count, "none twice");
                count
            });
            let theirs = value.clone();
            let done = harass(move || {
                let message = (number.fetch_add(1, SeqCst), theirs.clone());
                sender.send(message).unwrap();
            });
            let received = consumer.join().unwrap();
            // A kill may come between the last step of a send and the count.
            assert!(
                received >= done && received <= done + 40 * 3,
                "{received} {done}"
            );
            assert_eq!(Arc::strong_count(&value), 1, "none is lost");
        }
    });
}

#[test]
fn stress_an_event() {
    everywhere(|| {
        let event = Arc::new(Event::new());
        let theirs = event.clone();
        let stop = Arc::new(Event::new());
        let stopped = stop.clone();
        let setter = spawn(move || {
            while !stopped.is_set() {
                theirs.set();
                theirs.clear();
                yield_now();
            }
        });
        harass(move || event.wait());
        stop.set();
        setter.join().unwrap();
    });
}

#[test]
fn stress_a_barrier() {
    everywhere(|| {
        let (barrier, leaders) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let theirs = (barrier.clone(), leaders.clone());
        let pass = move || {
            let leads = theirs.0.wait().is_leader();
            theirs.1.fetch_add(usize::from(leads), SeqCst);
        };
        // There is always one for the last of the others to meet.
        let (meet, met) = (pass.clone(), Arc::new(AtomicUsize::new(0)));
        let meetings = met.clone();
        let partner = spawn(move || {
            loop {
                meet();
                meetings.fetch_add(1, SeqCst);
            }
        });
        let done = harass(pass);
        assert!(partner.kill_timeout(std::time::Duration::from_secs(60)));
        let (passed, places) = (done + met.load(SeqCst), 2 * leaders.load(SeqCst));
        // One that was let through may be killed before it says so.
        assert!(passed <= places && places <= passed + 40 * 3 + 1);
        let last = barrier.clone();
        let last = spawn(move || last.wait().is_leader());
        assert_ne!(barrier.wait().is_leader(), last.join().unwrap());
    });
}

#[test]
fn stress_a_reentrant_mutex() {
    everywhere(|| {
        let mutex = Arc::new(ReentrantMutex::new(Cell::new(0)));
        let theirs = mutex.clone();
        let done = harass(move || {
            let guard = theirs.lock();
            let before = theirs.lock().get();
            yield_now();
            guard.set(before + 1);
        });
        assert!(!mutex.is_locked());
        assert_eq!(mutex.lock().get(), done);
    });
}

#[test]
fn stress_a_bounded_semaphore() {
    everywhere(|| {
        let semaphore = Arc::new(BoundedSemaphore::new(2));
        let theirs = semaphore.clone();
        harass(move || {
            let _permit = theirs.permit();
            assert!(theirs.available() < 2);
            yield_now();
        });
        assert_eq!(semaphore.available(), 2);
        assert!(semaphore.release().is_err());
    });
}

#[test]
fn stress_an_async_result() {
    everywhere(|| {
        let newest = Arc::new(Mutex::new(Arc::new((0, AsyncResult::new()))));
        let (theirs, stop) = (newest.clone(), Arc::new(Event::new()));
        let stopped = stop.clone();
        let setter = spawn(move || {
            let mut number = 0;
            while !stopped.is_set() {
                number += 1;
                let next = Arc::new((number, AsyncResult::new()));
                let due = std::mem::replace(&mut *theirs.lock().unwrap(), next);
                due.1.set(due.0).unwrap();
                yield_now();
            }
            let last = theirs.lock().unwrap().clone();
            last.1.set(last.0).unwrap();
        });
        let theirs = newest.clone();
        harass(move || {
            let one = theirs.lock().unwrap().clone();
            assert_eq!(one.1.get(), one.0);
        });
        stop.set();
        setter.join().unwrap();
        assert_eq!(Arc::strong_count(&*newest.lock().unwrap()), 1);
    });
}

#[test]
fn stress_a_once() {
    everywhere(|| {
        let current = Arc::new(Mutex::new(Arc::new((Once::new(), AtomicUsize::new(0)))));
        let theirs = current.clone();
        harass(move || {
            let one = theirs.lock().unwrap().clone();
            one.0.call_once(|| {
                // Who is killed here leaves it to the next one.
                yield_now();
                one.1.fetch_add(1, SeqCst);
            });
            assert_eq!(one.1.load(SeqCst), 1);
            let mut current = theirs.lock().unwrap();
            if Arc::ptr_eq(&current, &one) {
                *current = Arc::new((Once::new(), AtomicUsize::new(0)));
            }
        });
        assert!(current.lock().unwrap().1.load(SeqCst) <= 1);
    });
}
