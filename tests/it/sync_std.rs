//! `greenloop::sync` beside `std::sync`: the same tests for both, between OS threads, green threads of
//! several workers, and those of one hub. Only the `use` lines differ.
//!
//! Long because the tests of one macro cannot be in several files, and each is short.

/// Runs a test as it is.
fn plainly<T>(f: impl FnOnce() -> T) -> T {
    f()
}

macro_rules! same_as_std {
    ($($place:ident: $($sync:ident)::+, $($thread:ident)::+, $run:path;)+) => {$(
        mod $place {
            use $($sync)::+ as sync;
            use $($sync)::+::mpsc::{
                RecvError, RecvTimeoutError, TryRecvError, TrySendError, channel, sync_channel,
            };
            use $($thread)::+ as thread;
            use std::panic::{AssertUnwindSafe, catch_unwind};
            use std::time::{Duration, Instant};
            use sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
            use sync::{
                Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock,
                TryLockError,
            };

            const MOMENT: Duration = Duration::from_millis(10);
            const LONG: Duration = Duration::from_secs(60);

            #[test]
            fn a_mutex_excludes() {
                $run(|| {
                    let count = Arc::new(Mutex::new(0));
                    let threads: Vec<_> = (0..8)
                        .map(|_| {
                            let count = count.clone();
                            thread::spawn(move || {
                                for _ in 0..100 {
                                    let mut count = count.lock().unwrap();
                                    let before = *count;
                                    thread::yield_now();
                                    *count = before + 1;
                                }
                            })
                        })
                        .collect();
                    threads.into_iter().for_each(|thread| thread.join().unwrap());
                    assert_eq!(*count.lock().unwrap(), 800);
                    assert_eq!(Arc::into_inner(count).unwrap().into_inner().unwrap(), 800);
                });
            }

            #[test]
            fn a_mutex_can_be_tried() {
                $run(|| {
                    let mut mutex = Mutex::new(vec![1]);
                    {
                        let guard = mutex.lock().unwrap();
                        assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
                        assert_eq!(format!("{guard:?}"), "[1]");
                        assert_eq!(
                            format!("{mutex:?}"),
                            "Mutex { data: \"<locked>\", poisoned: false, .. }"
                        );
                    }
                    mutex.try_lock().unwrap().push(2);
                    mutex.get_mut().unwrap().push(3);
                    assert_eq!(
                        format!("{mutex:?}"),
                        "Mutex { data: [1, 2, 3], poisoned: false, .. }"
                    );
                    let unsized_value: &Mutex<[i32]> = &Mutex::new([1, 2]);
                    unsized_value.lock().unwrap()[0] = 4;
                    assert_eq!(&*unsized_value.lock().unwrap(), &[4, 2]);
                    assert_eq!(*Mutex::<i32>::default().lock().unwrap(), 0);
                    assert_eq!(format!("{}", Mutex::from("text").lock().unwrap()), "text");
                });
            }

            #[test]
            fn a_panic_poisons_a_mutex() {
                $run(|| {
                    let mutex = Arc::new(Mutex::new(1));
                    let theirs = mutex.clone();
                    let panicked = thread::spawn(move || {
                        let mut guard = theirs.lock().unwrap();
                        *guard = 2;
                        panic!("on purpose");
                    });
                    assert!(panicked.join().is_err());
                    assert!(mutex.is_poisoned());
                    assert_eq!(*mutex.lock().unwrap_err().into_inner(), 2);
                    match mutex.try_lock() {
                        Err(TryLockError::Poisoned(poisoned)) => assert_eq!(**poisoned.get_ref(), 2),
                        _ => panic!("it is poisoned"),
                    }
                    assert_eq!(format!("{mutex:?}"), "Mutex { data: 2, poisoned: true, .. }");
                    mutex.clear_poison();
                    assert!(!mutex.is_poisoned());
                    assert_eq!(*mutex.lock().unwrap(), 2);
                });
            }

            #[test]
            fn a_guard_taken_while_unwinding_does_not_poison() {
                $run(|| {
                    struct Locks<'a>(&'a Mutex<i32>);
                    impl Drop for Locks<'_> {
                        fn drop(&mut self) {
                            *self.0.lock().unwrap() += 1;
                        }
                    }
                    let mutex = Mutex::new(0);
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        let _locks = Locks(&mutex);
                        panic!("on purpose");
                    }));
                    assert!(caught.is_err() && !mutex.is_poisoned());
                    assert_eq!(*mutex.lock().unwrap(), 1);
                });
            }

            #[test]
            fn a_poisoned_mutex_says_so_when_it_is_taken_apart() {
                $run(|| {
                    let mut mutex = Mutex::new(1);
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        let _guard = mutex.lock();
                        panic!("on purpose");
                    }));
                    assert!(caught.is_err());
                    assert_eq!(**mutex.get_mut().unwrap_err().get_ref(), 1);
                    assert_eq!(mutex.into_inner().unwrap_err().into_inner(), 1);
                });
            }

            #[test]
            fn many_read_and_one_writes() {
                $run(|| {
                    let lock = Arc::new(RwLock::new(0));
                    let inside = Arc::new(AtomicUsize::new(0));
                    let threads: Vec<_> = (0..8)
                        .map(|number| {
                            let (lock, inside) = (lock.clone(), inside.clone());
                            thread::spawn(move || {
                                for _ in 0..50 {
                                    if number % 4 == 0 {
                                        let mut value = lock.write().unwrap();
                                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                                        thread::yield_now();
                                        *value += 1;
                                        inside.fetch_sub(1, SeqCst);
                                    } else {
                                        let value = lock.read().unwrap();
                                        let before = *value;
                                        thread::yield_now();
                                        assert_eq!(*value, before);
                                    }
                                }
                            })
                        })
                        .collect();
                    threads.into_iter().for_each(|thread| thread.join().unwrap());
                    assert_eq!(*lock.read().unwrap(), 100);
                });
            }

            #[test]
            fn a_rwlock_can_be_tried() {
                $run(|| {
                    let mut lock = RwLock::new(1);
                    {
                        let one = lock.read().unwrap();
                        let two = lock.try_read().unwrap();
                        assert_eq!(*one + *two, 2);
                        assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
                    }
                    {
                        let mut writer = lock.try_write().unwrap();
                        *writer = 2;
                        assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)));
                        assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
                        assert_eq!(
                            format!("{lock:?}"),
                            "RwLock { data: <locked>, poisoned: false, .. }"
                        );
                        assert_eq!(format!("{writer} {writer:?}"), "2 2");
                    }
                    *lock.get_mut().unwrap() = 3;
                    assert_eq!(lock.into_inner().unwrap(), 3);
                });
            }

            #[test]
            fn only_a_writer_poisons_a_rwlock() {
                $run(|| {
                    let lock = RwLock::new(1);
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        let _guard = lock.read();
                        panic!("on purpose");
                    }));
                    assert!(caught.is_err() && !lock.is_poisoned());
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        let _guard = lock.write();
                        panic!("on purpose");
                    }));
                    assert!(caught.is_err() && lock.is_poisoned());
                    assert_eq!(*lock.read().unwrap_err().into_inner(), 1);
                    assert!(matches!(lock.try_read(), Err(TryLockError::Poisoned(_))));
                    assert!(matches!(lock.try_write(), Err(TryLockError::Poisoned(_))));
                    lock.clear_poison();
                    assert_eq!(*lock.write().unwrap(), 1);
                });
            }

            #[test]
            fn a_condvar_wakes_one_or_all() {
                $run(|| {
                    let pair = Arc::new((Mutex::new((0, 0)), Condvar::new()));
                    let threads: Vec<_> = (0..6)
                        .map(|_| {
                            let pair = pair.clone();
                            thread::spawn(move || {
                                let mut state = pair.0.lock().unwrap();
                                state.0 += 1;
                                state = pair.1.wait_while(state, |state| state.1 == 0).unwrap();
                                state.1 -= 1;
                            })
                        })
                        .collect();
                    while pair.0.lock().unwrap().0 < 6 {
                        thread::yield_now();
                    }
                    pair.0.lock().unwrap().1 = 1;
                    pair.1.notify_one();
                    while pair.0.lock().unwrap().1 == 1 {
                        thread::yield_now();
                    }
                    pair.0.lock().unwrap().1 = 5;
                    pair.1.notify_all();
                    threads.into_iter().for_each(|thread| thread.join().unwrap());
                    assert_eq!(pair.0.lock().unwrap().1, 0);
                });
            }

            #[test]
            fn a_condvar_wait_can_time_out() {
                $run(|| {
                    let (mutex, condvar) = (Mutex::new(false), Condvar::new());
                    condvar.notify_one();
                    condvar.notify_all();
                    let start = Instant::now();
                    let guard = mutex.lock().unwrap();
                    let (guard, result) =
                        condvar.wait_timeout_while(guard, MOMENT, |done| !*done).unwrap();
                    assert!(result.timed_out() && start.elapsed() >= MOMENT);
                    let (guard, result) =
                        condvar.wait_timeout_while(guard, LONG, |done| *done).unwrap();
                    assert!(!result.timed_out());
                    let (guard, result) = condvar.wait_timeout(guard, Duration::ZERO).unwrap();
                    assert!(result.timed_out());
                    assert!(mutex.try_lock().is_err());
                    drop(guard);
                    assert!(mutex.try_lock().is_ok());
                });
            }

            #[test]
            fn a_notification_ends_a_timed_wait() {
                $run(|| {
                    let pair = Arc::new((Mutex::new(false), Condvar::new()));
                    let theirs = pair.clone();
                    let guard = pair.0.lock().unwrap();
                    let notifier = thread::spawn(move || {
                        *theirs.0.lock().unwrap() = true;
                        theirs.1.notify_one();
                    });
                    let (guard, result) =
                        pair.1.wait_timeout_while(guard, LONG, |ready| !*ready).unwrap();
                    assert!(*guard && !result.timed_out());
                    drop(guard);
                    notifier.join().unwrap();
                });
            }

            #[test]
            fn a_condvar_wait_sees_the_poison() {
                $run(|| {
                    let pair = Arc::new((Mutex::new(()), Condvar::new()));
                    let theirs = pair.clone();
                    let guard = pair.0.lock().unwrap();
                    let panicked = thread::spawn(move || {
                        let _guard = theirs.0.lock().unwrap();
                        theirs.1.notify_one();
                        panic!("on purpose");
                    });
                    assert!(pair.1.wait(guard).is_err());
                    assert!(panicked.join().is_err());
                });
            }

            #[test]
            fn a_barrier_opens_for_all_and_has_one_leader() {
                $run(|| {
                    let barrier = Arc::new(Barrier::new(10));
                    for _ in 0..3 {
                        let (sender, receiver) = channel();
                        for _ in 0..9 {
                            let (barrier, sender) = (barrier.clone(), sender.clone());
                            thread::spawn(move || {
                                sender.send(barrier.wait().is_leader()).unwrap();
                            });
                        }
                        assert_eq!(receiver.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
                        let mut leaders = usize::from(barrier.wait().is_leader());
                        leaders += receiver.iter().take(9).filter(|leads| *leads).count();
                        assert_eq!(leaders, 1);
                    }
                    assert!(Barrier::new(0).wait().is_leader());
                    assert!(Barrier::new(1).wait().is_leader());
                });
            }

            #[test]
            fn once_runs_once_and_the_others_wait() {
                $run(|| {
                    let once = Arc::new(Once::new());
                    let (runs, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
                    let threads: Vec<_> = (0..8)
                        .map(|number| {
                            let (once, runs, done) = (once.clone(), runs.clone(), done.clone());
                            thread::spawn(move || {
                                if number == 7 {
                                    once.wait();
                                } else {
                                    once.call_once(|| {
                                        runs.fetch_add(1, SeqCst);
                                        thread::sleep(MOMENT);
                                        done.store(true, SeqCst);
                                    });
                                }
                                assert!(done.load(SeqCst) && once.is_completed());
                            })
                        })
                        .collect();
                    threads.into_iter().for_each(|thread| thread.join().unwrap());
                    assert_eq!(runs.load(SeqCst), 1);
                    assert_eq!(format!("{once:?}"), "Once { .. }");
                });
            }

            #[test]
            fn a_panic_poisons_once() {
                $run(|| {
                    let once = Once::new();
                    let call = |f: fn()| catch_unwind(AssertUnwindSafe(|| once.call_once(f)));
                    assert!(call(|| panic!("on purpose")).is_err());
                    assert!(call(|| unreachable!()).is_err());
                    assert!(catch_unwind(AssertUnwindSafe(|| once.wait())).is_err());
                    assert!(!once.is_completed());
                    once.call_once_force(|state| assert!(state.is_poisoned()));
                    once.call_once_force(|_| unreachable!());
                    once.call_once(|| unreachable!());
                    once.wait();
                    once.wait_force();
                    assert!(once.is_completed());
                });
            }

            #[test]
            fn a_once_lock_is_written_once() {
                $run(|| {
                    let mut cell = OnceLock::new();
                    assert_eq!(format!("{cell:?}"), "OnceLock(<uninit>)");
                    assert!(cell.get().is_none() && cell.get_mut().is_none());
                    let init = || cell.get_or_init(|| panic!("on purpose"));
                    assert!(catch_unwind(AssertUnwindSafe(init)).is_err());
                    assert_eq!(cell.set(1), Ok(()));
                    assert_eq!(cell.set(2), Err(2));
                    assert_eq!(cell.get_or_init(|| unreachable!()), &1);
                    *cell.get_mut().unwrap() = 3;
                    assert_eq!(cell, cell.clone());
                    assert_eq!(cell, OnceLock::from(3));
                    assert_ne!(cell, OnceLock::default());
                    assert_eq!(format!("{cell:?}"), "OnceLock(3)");
                    assert_eq!((cell.take(), cell.take()), (Some(3), None));
                    assert_eq!(cell.set(4), Ok(()));
                    assert_eq!(cell.into_inner(), Some(4));
                });
            }

            #[test]
            fn one_of_many_fills_a_once_lock() {
                $run(|| {
                    let cell = Arc::new(OnceLock::new());
                    let threads: Vec<_> = (0..8)
                        .map(|number| {
                            let cell = cell.clone();
                            thread::spawn(move || match number {
                                0 => *cell.wait(),
                                _ => *cell.get_or_init(|| {
                                    thread::yield_now();
                                    number
                                }),
                            })
                        })
                        .collect();
                    let seen: Vec<i32> =
                        threads.into_iter().map(|thread| thread.join().unwrap()).collect();
                    assert!(seen.iter().all(|number| Some(number) == cell.get()));
                });
            }

            #[test]
            fn a_lazy_lock_is_made_at_first_use() {
                $run(|| {
                    let runs = AtomicUsize::new(0);
                    let lazy = LazyLock::new(|| runs.fetch_add(1, SeqCst) + 41);
                    assert_eq!(format!("{lazy:?}"), "LazyLock(<uninit>)");
                    assert_eq!(runs.load(SeqCst), 0);
                    assert_eq!((*lazy, *LazyLock::force(&lazy)), (41, 41));
                    assert_eq!((format!("{lazy:?}"), runs.load(SeqCst)), ("LazyLock(41)".into(), 1));
                    assert_eq!(*LazyLock::<u8>::default(), 0);
                });
            }

            #[test]
            fn a_lazy_lock_is_poisoned_by_its_panic() {
                $run(|| {
                    let lazy: LazyLock<u32> = LazyLock::new(|| panic!("on purpose"));
                    for _ in 0..2 {
                        assert!(catch_unwind(AssertUnwindSafe(|| *lazy)).is_err());
                    }
                });
            }

            #[test]
            fn a_channel_keeps_the_order() {
                $run(|| {
                    let (sender, receiver) = channel();
                    let threads: Vec<_> = (0..4)
                        .map(|number| {
                            let sender = sender.clone();
                            thread::spawn(move || {
                                for n in 0..500 {
                                    sender.send((number, n)).unwrap();
                                    if n % 50 == 0 {
                                        thread::yield_now();
                                    }
                                }
                            })
                        })
                        .collect();
                    drop(sender);
                    let mut next = [0; 4];
                    for (number, n) in &receiver {
                        assert_eq!(std::mem::replace(&mut next[number], n + 1), n);
                    }
                    assert_eq!(next, [500; 4]);
                    assert_eq!(receiver.recv(), Err(RecvError));
                    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
                    threads.into_iter().for_each(|thread| thread.join().unwrap());
                });
            }

            #[test]
            fn a_channel_says_what_is_wrong() {
                $run(|| {
                    let (sender, receiver) = channel();
                    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                    assert_eq!(receiver.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
                    sender.send(1).unwrap();
                    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
                    sender.send(2).unwrap();
                    drop(receiver);
                    assert_eq!(sender.send(3).unwrap_err().0, 3);
                    let (sender, receiver) = channel();
                    sender.clone().send(4).unwrap();
                    drop(sender);
                    assert_eq!(receiver.recv(), Ok(4));
                    assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
                });
            }

            #[test]
            fn what_nobody_receives_is_dropped() {
                $run(|| {
                    let value = Arc::new(());
                    let (sender, receiver) = channel();
                    (0..10).for_each(|_| sender.send(value.clone()).unwrap());
                    drop(receiver.recv().unwrap());
                    assert_eq!(Arc::strong_count(&value), 10);
                    drop(receiver);
                    assert_eq!(Arc::strong_count(&value), 1);
                    let (sender, receiver) = sync_channel(10);
                    (0..5).for_each(|_| sender.send(value.clone()).unwrap());
                    drop(sender);
                    assert_eq!(Arc::strong_count(&value), 6);
                    drop(receiver);
                    assert_eq!(Arc::strong_count(&value), 1);
                });
            }

            #[test]
            fn a_sync_channel_holds_senders_up() {
                $run(|| {
                    let (sender, receiver) = sync_channel(2);
                    let sent = Arc::new(AtomicUsize::new(0));
                    let theirs = sent.clone();
                    let thread = thread::spawn(move || {
                        for n in 0..100 {
                            sender.send(n).unwrap();
                            theirs.fetch_add(1, SeqCst);
                        }
                    });
                    thread::sleep(MOMENT);
                    for n in 0..100 {
                        assert!(sent.load(SeqCst) <= n + 3);
                        assert_eq!(receiver.recv(), Ok(n));
                    }
                    thread.join().unwrap();
                    assert_eq!(receiver.recv(), Err(RecvError));
                });
            }

            #[test]
            fn a_sync_channel_can_be_tried() {
                $run(|| {
                    let (sender, receiver) = sync_channel(1);
                    assert_eq!(sender.try_send(1), Ok(()));
                    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
                    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1]);
                    assert_eq!(sender.try_send(3), Ok(()));
                    drop(receiver);
                    assert_eq!(sender.try_send(4), Err(TrySendError::Disconnected(4)));
                    assert_eq!(sender.send(5).unwrap_err().0, 5);
                });
            }

            #[test]
            fn a_rendezvous_waits_for_both() {
                $run(|| {
                    let (sender, receiver) = sync_channel(0);
                    assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
                    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                    assert_eq!(receiver.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
                    assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
                    let passed = Arc::new(AtomicBool::new(false));
                    let theirs = passed.clone();
                    let thread = thread::spawn(move || {
                        sender.send(1).unwrap();
                        theirs.store(true, SeqCst);
                        while sender.try_send(2).is_err() {
                            thread::yield_now();
                        }
                        sender
                    });
                    thread::sleep(MOMENT);
                    assert!(!passed.load(SeqCst));
                    assert_eq!((receiver.recv(), receiver.recv()), (Ok(1), Ok(2)));
                    let sender = thread.join().unwrap();
                    let waits = thread::spawn(move || sender.send(3).unwrap_err().0);
                    thread::sleep(MOMENT);
                    drop(receiver);
                    assert_eq!(waits.join().unwrap(), 3);
                });
            }

            #[test]
            fn a_rendezvous_between_many() {
                $run(|| {
                    let (sender, receiver) = sync_channel(0);
                    for number in 0..4 {
                        let sender = sender.clone();
                        thread::spawn(move || (0..100).for_each(|n| sender.send(100 * number + n).unwrap()));
                    }
                    drop(sender);
                    let mut all: Vec<_> = receiver.into_iter().collect();
                    all.sort();
                    assert_eq!(all, Vec::from_iter(0..400));
                });
            }
        }
    )+};
}

same_as_std! {
    std_s: std::sync, std::thread, super::plainly;
    os_threads: greenloop::sync, std::thread, super::plainly;
    workers: greenloop::sync, greenloop::thread, super::plainly;
    hub: greenloop::sync, greenloop::thread, greenloop::run;
}

/// What std has only since later versions than the oldest supported one.
mod of_later_versions {
    use greenloop::sync::{Arc, LazyLock, RwLock, RwLockWriteGuard};
    use greenloop::thread;
    use std::time::Duration;

    const MOMENT: Duration = Duration::from_millis(10);

    #[test]
    fn a_downgrade_lets_the_waiting_readers_in() {
        greenloop::run(|| {
            let lock = Arc::new(RwLock::new(0));
            let mut writer = lock.write().unwrap();
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let lock = lock.clone();
                    thread::spawn(move || *lock.read().unwrap())
                })
                .collect();
            thread::sleep(MOMENT);
            *writer = 7;
            let reader = RwLockWriteGuard::downgrade(writer);
            for reader in readers {
                assert_eq!(reader.join().unwrap(), 7);
            }
            drop(reader);
            *lock.write().unwrap() = 8;
        });
    }

    #[test]
    fn a_downgrade_keeps_writers_out() {
        let lock = RwLock::new(1);
        let reader = RwLockWriteGuard::downgrade(lock.write().unwrap());
        assert_eq!(format!("{reader} {reader:?}"), "1 1");
        assert!(lock.try_read().is_ok() && lock.try_write().is_err());
    }

    #[test]
    fn a_lazy_lock_can_be_looked_into() {
        let mut lazy = LazyLock::new(|| 41);
        assert_eq!(LazyLock::get(&lazy), None);
        assert_eq!(LazyLock::get_mut(&mut lazy), None);
        *lazy += 1;
        assert_eq!(LazyLock::get(&lazy), Some(&42));
        *LazyLock::get_mut(&mut lazy).unwrap() += 1;
        assert_eq!((*LazyLock::force_mut(&mut lazy), *lazy), (43, 43));
    }
}
