//! What std's documentation of `Mutex`, `RwLock`, `Condvar`, `Barrier`, `Once`, `OnceLock` and
//! `LazyLock` shows by examples: the same tests for std and for `greenloop`. Only the `use` lines
//! differ. `std_thread.rs` has `mpsc`, `thread` and `scope`.
//!
//! Long because the tests of one macro cannot be in several files, and each is short.

use crate::within::{LONG, within};
use greenloop::{run, spawn};

/// The body on an OS thread.
pub(crate) fn plainly(body: fn()) {
    within(LONG, body);
}

/// The body on a green thread of a worker.
pub(crate) fn on_a_worker(body: fn()) {
    within(LONG, move || spawn(body).join().unwrap());
}

/// The body in a hub.
pub(crate) fn in_a_hub(body: fn()) {
    within(LONG, move || run(body));
}

macro_rules! examples {
    ($($place:ident: $($sync:ident)::+, $($thread:ident)::+, $run:ident;)+) => {$(
        mod $place {
            use super::$run;
            use $($sync)::+::atomic::{AtomicUsize, Ordering::SeqCst};
            use $($sync)::+::mpsc::channel;
            use $($sync)::+::{
                Arc, Barrier, BarrierWaitResult, Condvar, LazyLock, LockResult, Mutex, MutexGuard,
                Once, OnceLock, OnceState, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
                TryLockResult, WaitTimeoutResult,
            };
            use $($thread)::+ as thread;
            use std::time::Duration;

            const MOMENT: Duration = Duration::from_millis(10);

            // Mutex

            #[test]
            fn whoever_is_the_last_to_lock_tells() {
                $run(|| {
                    let (tell, told) = channel();
                    let names = Arc::new(Mutex::new(Vec::new()));
                    for number in 0..10 {
                        let (names, tell) = (Arc::clone(&names), tell.clone());
                        thread::spawn(move || {
                            let mut names = names.lock().unwrap();
                            names.push(number);
                            if names.len() == 10 {
                                tell.send(()).unwrap();
                            }
                        });
                    }
                    told.recv().unwrap();
                    let mut names = names.lock().unwrap();
                    names.sort();
                    assert_eq!(*names, Vec::from_iter(0..10));
                });
            }

            #[test]
            fn a_guard_ends_with_its_block_its_statement_or_drop() {
                $run(|| {
                    let (first, second) = (Mutex::new(vec![1, 2]), Mutex::new(0));
                    let sum = {
                        let mut list = first.lock().unwrap();
                        assert!(first.try_lock().is_err());
                        list.push(3);
                        list.iter().sum::<i32>()
                    };
                    assert!(first.try_lock().is_ok());
                    *second.lock().unwrap() += sum;
                    *second.lock().unwrap() += 1;
                    let guard = second.lock().unwrap();
                    thread::scope(|s| {
                        let other = s.spawn(|| *second.lock().unwrap() *= 2);
                        assert!(second.try_lock().is_err());
                        drop(guard);
                        other.join().unwrap();
                    });
                    assert_eq!(second.into_inner().unwrap(), 14);
                });
            }

            #[test]
            fn another_thread_changes_what_try_lock_got() {
                $run(|| {
                    let mutex = Arc::new(Mutex::new(1));
                    let theirs = Arc::clone(&mutex);
                    let other = thread::spawn(move || match theirs.try_lock() {
                        Ok(mut value) => *value = 2,
                        Err(error) => unreachable!("nobody holds it: {error}"),
                    });
                    other.join().unwrap();
                    assert_eq!(*mutex.lock().unwrap(), 2);
                });
            }

            #[test]
            fn what_a_panic_left_in_a_mutex_is_recovered() {
                $run(|| {
                    let mutex = Arc::new(Mutex::new(1));
                    let theirs = Arc::clone(&mutex);
                    let broken = thread::spawn(move || {
                        *theirs.lock().unwrap() = 2;
                        let _guard = theirs.lock().unwrap();
                        panic!("on purpose");
                    });
                    assert!(broken.join().is_err() && mutex.is_poisoned());
                    let mut guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
                    *guard += 1;
                    drop(guard);
                    assert!(mutex.is_poisoned(), "a look does not heal it");
                    let guard = mutex.lock().unwrap_or_else(|mut poisoned| {
                        assert_eq!(**poisoned.get_ref(), 3);
                        **poisoned.get_mut() = 4;
                        mutex.clear_poison();
                        poisoned.into_inner()
                    });
                    assert_eq!(*guard, 4);
                    drop(guard);
                    assert!(!mutex.is_poisoned() && mutex.lock().is_ok());
                });
            }

            // RwLock

            #[test]
            fn readers_hold_it_at_the_same_time() {
                $run(|| {
                    let (lock, together) = (RwLock::new(5), Barrier::new(3));
                    thread::scope(|s| {
                        for _ in 0..3 {
                            s.spawn(|| {
                                let value = lock.read().unwrap();
                                together.wait(); // with all three guards alive
                                assert_eq!(*value, 5);
                            });
                        }
                    });
                    *lock.write().unwrap() += 1;
                    assert_eq!(lock.into_inner().unwrap(), 6);
                });
            }

            #[test]
            fn another_thread_can_read_beside_a_reader_and_not_beside_a_writer() {
                $run(|| {
                    let lock = RwLock::new(String::from("old"));
                    let may_read = || thread::scope(|s| {
                        s.spawn(|| lock.try_read().is_ok()).join().unwrap()
                    });
                    let may_write = || thread::scope(|s| {
                        s.spawn(|| lock.try_write().is_ok()).join().unwrap()
                    });
                    let reader = lock.read().unwrap();
                    assert_eq!((reader.as_str(), may_read(), may_write()), ("old", true, false));
                    drop(reader);
                    let mut writer = lock.write().unwrap();
                    writer.replace_range(.., "new");
                    assert_eq!((may_read(), may_write()), (false, false));
                    drop(writer);
                    assert_eq!((may_read(), may_write()), (true, true));
                    assert_eq!(lock.into_inner().unwrap(), "new");
                });
            }

            #[test]
            fn what_a_panic_left_in_a_rwlock_is_recovered() {
                $run(|| {
                    let lock = Arc::new(RwLock::new(1));
                    let theirs = Arc::clone(&lock);
                    let broken = thread::spawn(move || {
                        *theirs.write().unwrap() = 2;
                        let _guard = theirs.write().unwrap();
                        panic!("on purpose");
                    });
                    assert!(broken.join().is_err() && lock.is_poisoned());
                    assert_eq!(**lock.read().unwrap_err().get_ref(), 2);
                    let guard = lock.write().unwrap_or_else(|mut poisoned| {
                        **poisoned.get_mut() = 3;
                        lock.clear_poison();
                        poisoned.into_inner()
                    });
                    assert!(!lock.is_poisoned() && *guard == 3);
                });
            }

            #[test]
            fn a_poisoned_rwlock_says_so_when_it_is_taken_apart() {
                $run(|| {
                    let mut lock = RwLock::new(1);
                    thread::scope(|s| {
                        let broken = s.spawn(|| {
                            let _guard = lock.write();
                            panic!("on purpose");
                        });
                        assert!(broken.join().is_err());
                    });
                    **lock.get_mut().unwrap_err().get_mut() = 2;
                    assert_eq!(lock.into_inner().unwrap_err().into_inner(), 2);
                });
            }

            // Condvar

            type Started = (Mutex<bool>, Condvar);

            /// Each way of waiting until it has started.
            const WAYS: [fn(&Started); 5] = [
                |(lock, changed)| {
                    let mut started = lock.lock().unwrap();
                    while !*started {
                        started = changed.wait(started).unwrap();
                    }
                },
                |(lock, changed)| {
                    let started = lock.lock().unwrap();
                    let started = changed.wait_while(started, |started| !*started).unwrap();
                    assert!(*started);
                },
                |(lock, changed)| {
                    let mut started = lock.lock().unwrap();
                    while !*started {
                        started = changed.wait_timeout(started, MOMENT).unwrap().0;
                    }
                },
                #[expect(deprecated, reason = "as in std")]
                |(lock, changed)| {
                    let mut started = lock.lock().unwrap();
                    while !*started {
                        started = changed.wait_timeout_ms(started, 10).unwrap().0;
                    }
                },
                |(lock, changed)| {
                    let started = lock.lock().unwrap();
                    let waited =
                        changed.wait_timeout_while(started, 1000 * MOMENT, |started| !*started);
                    let (started, result) = waited.unwrap();
                    assert!(*started && !result.timed_out());
                },
            ];

            #[test]
            fn each_way_of_waiting_sees_the_start() {
                $run(|| {
                    for way in WAYS {
                        for wake in [Condvar::notify_one, Condvar::notify_all] {
                            let pair: Arc<Started> = Arc::default();
                            let theirs = Arc::clone(&pair);
                            let starter = thread::spawn(move || {
                                *theirs.0.lock().unwrap() = true;
                                wake(&theirs.1);
                            });
                            way(&pair);
                            starter.join().unwrap();
                            way(&pair); // and does not wait for what has come
                        }
                    }
                });
            }

            #[test]
            #[expect(deprecated, reason = "as in std")]
            fn a_wait_in_milliseconds_tells_if_it_was_notified() {
                $run(|| {
                    let pair: Arc<Started> = Arc::default();
                    let guard = pair.0.lock().unwrap();
                    // A wait may end early for no reason, but not every time.
                    let mut guard = Some(guard);
                    let timed_out = (0..10).any(|_| {
                        let waited = pair.1.wait_timeout_ms(guard.take().unwrap(), 5).unwrap();
                        guard = Some(waited.0);
                        !waited.1
                    });
                    assert!(timed_out);
                    let theirs = Arc::clone(&pair);
                    let notifier = thread::spawn(move || {
                        let _guard = theirs.0.lock().unwrap();
                        theirs.1.notify_one();
                    });
                    let waited = pair.1.wait_timeout_ms(guard.take().unwrap(), 60_000).unwrap();
                    assert!(waited.1);
                    drop(waited);
                    notifier.join().unwrap();
                });
            }

            // Barrier

            #[test]
            fn nobody_passes_a_barrier_before_all_have_come() {
                $run(|| {
                    let (barrier, before) = (Barrier::new(10), AtomicUsize::new(0));
                    let leaders = AtomicUsize::new(0);
                    thread::scope(|s| {
                        for _ in 0..10 {
                            s.spawn(|| {
                                before.fetch_add(1, SeqCst);
                                let result: BarrierWaitResult = barrier.wait();
                                assert_eq!(before.load(SeqCst), 10);
                                leaders.fetch_add(usize::from(result.is_leader()), SeqCst);
                            });
                        }
                    });
                    assert_eq!(leaders.into_inner(), 1);
                });
            }

            // Once, OnceLock, LazyLock

            #[test]
            fn a_call_is_complete_only_when_it_has_ended() {
                $run(|| {
                    static ONCE: Once = Once::new();
                    assert!(!ONCE.is_completed());
                    ONCE.call_once(|| assert!(!ONCE.is_completed()));
                    assert!(ONCE.is_completed());
                });
            }

            #[test]
            fn the_poison_of_a_once_goes_on_until_it_is_forced() {
                $run(|| {
                    static ONCE: Once = Once::new();
                    let call = |f: fn()| thread::spawn(move || ONCE.call_once(f)).join();
                    assert!(call(|| panic!("on purpose")).is_err() && !ONCE.is_completed());
                    assert!(call(|| ()).is_err(), "it goes on to the next one");
                    ONCE.call_once_force(|state| assert!(state.is_poisoned()));
                    assert!(call(|| unreachable!()).is_ok() && ONCE.is_completed());
                    let clean = Once::new();
                    clean.call_once_force(|state| assert!(!state.is_poisoned()));
                    assert!(clean.is_completed());
                });
            }

            #[test]
            fn those_who_wait_see_what_the_setup_did() {
                $run(|| {
                    static READY: Once = Once::new();
                    static SETUP: AtomicUsize = AtomicUsize::new(0);
                    let waiting = thread::spawn(|| {
                        READY.wait();
                        SETUP.load(SeqCst)
                    });
                    READY.call_once(|| SETUP.store(7, SeqCst));
                    assert_eq!(waiting.join().unwrap(), 7);
                });
            }

            #[test]
            #[expect(deprecated, reason = "as in std")]
            fn a_once_may_be_made_by_the_constant() {
                $run(|| {
                    static ONCE: Once = $($sync)::+::ONCE_INIT;
                    static RUNS: AtomicUsize = AtomicUsize::new(0);
                    (0..3).for_each(|_| ONCE.call_once(|| _ = RUNS.fetch_add(1, SeqCst)));
                    assert_eq!(RUNS.load(SeqCst), 1);
                });
            }

            #[test]
            fn a_static_cell_is_written_by_another_thread() {
                $run(|| {
                    static MADE: OnceLock<u32> = OnceLock::new();
                    static SET: OnceLock<u32> = OnceLock::new();
                    assert!(MADE.get().is_none() && SET.get().is_none());
                    thread::spawn(|| assert_eq!(MADE.get_or_init(|| 5), &5)).join().unwrap();
                    thread::spawn(|| assert_eq!(SET.set(6), Ok(()))).join().unwrap();
                    assert_eq!((MADE.get(), SET.get(), SET.set(7)), (Some(&5), Some(&6), Err(7)));
                });
            }

            #[test]
            fn who_waits_for_a_cell_sees_what_is_set() {
                $run(|| {
                    let cell = OnceLock::new();
                    thread::scope(|s| {
                        s.spawn(|| cell.set(1 + 1));
                        assert_eq!(cell.wait(), &2);
                    });
                });
            }

            /// A list that only grows, of cells that are each written once.
            struct Chain {
                value: OnceLock<usize>,
                next: OnceLock<Box<Chain>>,
            }

            impl Chain {
                const fn new() -> Chain {
                    Chain { value: OnceLock::new(), next: OnceLock::new() }
                }

                fn push(&self, value: usize) {
                    let mut link = self;
                    while link.value.set(value).is_err() {
                        link = link.next.get_or_init(|| Box::new(Chain::new()));
                    }
                }

                fn values(&self) -> Vec<usize> {
                    let links = std::iter::successors(Some(self), |link| {
                        link.next.get().map(|next| &**next)
                    });
                    links.filter_map(|link| link.value.get().copied()).collect()
                }
            }

            #[test]
            fn a_chain_of_cells_is_filled_by_many() {
                $run(|| {
                    static CHAIN: Chain = Chain::new();
                    thread::scope(|s| {
                        for first in 0..4 {
                            s.spawn(move || (first..200).step_by(4).for_each(|n| CHAIN.push(n)));
                        }
                    });
                    let mut values = CHAIN.values();
                    values.sort();
                    assert_eq!(values, Vec::from_iter(0..200));
                });
            }

            #[test]
            fn a_lazy_value_is_a_static_a_field_or_made_of_what_its_closure_owns() {
                $run(|| {
                    static RUNS: AtomicUsize = AtomicUsize::new(0);
                    static LAZY: LazyLock<String> = LazyLock::new(|| {
                        RUNS.fetch_add(1, SeqCst);
                        "made once".to_owned()
                    });
                    struct Holds {
                        number: LazyLock<u32>,
                    }
                    let holds = Holds { number: LazyLock::new(|| 5) };
                    thread::scope(|s| {
                        for _ in 0..4 {
                            s.spawn(|| {
                                assert_eq!((LAZY.as_str(), *holds.number), ("made once", 5));
                            });
                        }
                    });
                    assert_eq!(RUNS.load(SeqCst), 1);
                    let word = String::from("loud");
                    let lazy = LazyLock::new(|| word.to_uppercase());
                    assert_eq!((&*lazy, LazyLock::force(&lazy)), (&"LOUD".into(), &"LOUD".into()));
                });
            }

            // The signatures, where a test does not show them already.

            #[test]
            fn locks_have_these_signatures() {
                static MUTEX: Mutex<u8> = Mutex::new(1);
                static LOCK: RwLock<u8> = RwLock::new(2);
                static CONDVAR: Condvar = Condvar::new();
                static BARRIER: Barrier = Barrier::new(1);
                let lock: fn(&Mutex<u8>) -> LockResult<MutexGuard<'_, u8>> = Mutex::lock;
                let try_lock: fn(&Mutex<u8>) -> TryLockResult<MutexGuard<'_, u8>> = Mutex::try_lock;
                let read: fn(&RwLock<u8>) -> LockResult<RwLockReadGuard<'_, u8>> = RwLock::read;
                let try_read: fn(&RwLock<u8>) -> TryLockResult<RwLockReadGuard<'_, u8>> =
                    RwLock::try_read;
                let write: fn(&RwLock<u8>) -> LockResult<RwLockWriteGuard<'_, u8>> = RwLock::write;
                let try_write: fn(&RwLock<u8>) -> TryLockResult<RwLockWriteGuard<'_, u8>> =
                    RwLock::try_write;
                let timed: fn(
                    &Condvar,
                    MutexGuard<'static, u8>,
                    Duration,
                ) -> LockResult<(MutexGuard<'static, u8>, WaitTimeoutResult)> = Condvar::wait_timeout;
                let poisoned: fn(&OnceState) -> bool = OnceState::is_poisoned;
                *lock(&MUTEX).unwrap() += 1;
                *try_lock(&MUTEX).unwrap() -= 1;
                *write(&LOCK).unwrap() += 1;
                *try_write(&LOCK).unwrap() -= 1;
                assert_eq!(*read(&LOCK).unwrap() + *try_read(&LOCK).unwrap(), 4);
                let (guard, result) = timed(&CONDVAR, MUTEX.lock().unwrap(), Duration::ZERO).unwrap();
                assert_eq!((*guard, result, result.clone().timed_out()), (1, result, true));
                assert!(BARRIER.wait().is_leader());
                Once::new().call_once_force(|state| assert!(!poisoned(state)));
            }
        }
    )+};
}

examples! {
    std_s: std::sync, std::thread, plainly;
    os_threads: greenloop::sync, greenloop::thread, plainly;
    workers: greenloop::sync, greenloop::thread, on_a_worker;
    hub: greenloop::sync, greenloop::thread, in_a_hub;
}

/// What std has only since later versions than the oldest supported one.
mod of_later_versions {
    use super::{in_a_hub, on_a_worker, plainly};
    use greenloop::sync::{Arc, LazyLock, RwLock, RwLockWriteGuard};
    use greenloop::thread;

    #[test]
    fn no_writer_comes_between_a_downgrade_and_its_reader() {
        for run in [plainly, on_a_worker, in_a_hub] {
            run(|| {
                let lock = Arc::new(RwLock::new(1));
                let mut writer = lock.write().unwrap();
                let theirs = Arc::clone(&lock);
                let other = thread::spawn(move || {
                    let mut value = theirs.write().unwrap();
                    *value *= 10;
                });
                thread::yield_now();
                *writer = 2;
                let reader = RwLockWriteGuard::downgrade(writer);
                thread::yield_now();
                assert_eq!(*reader, 2);
                drop(reader);
                other.join().unwrap();
                assert_eq!(*lock.read().unwrap(), 20);
            });
        }
    }

    #[test]
    fn a_lazy_value_is_seen_only_once_it_is_made() {
        let mut lazy = LazyLock::new(|| 92);
        assert_eq!(LazyLock::get(&lazy), None);
        assert_eq!(LazyLock::get_mut(&mut lazy), None);
        assert_eq!(LazyLock::force(&lazy), &92);
        assert_eq!(LazyLock::get(&lazy), Some(&92));
        *LazyLock::get_mut(&mut lazy).unwrap() = 44;
        assert_eq!((*lazy, *LazyLock::force_mut(&mut lazy)), (44, 44));
    }
}
