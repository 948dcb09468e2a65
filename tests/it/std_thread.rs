//! What std's documentation of `mpsc`, `thread` and `scope` shows by examples: the same tests for std
//! and for `greenloop`. Only the `use` lines differ. `std_sync.rs` has the locks.
//!
//! Long because the tests of one macro cannot be in several files, and each is short.

use crate::std_sync::{in_a_hub, on_a_worker, plainly};

macro_rules! examples {
    ($($place:ident: $($sync:ident)::+, $($thread:ident)::+, $run:ident;)+) => {$(
        mod $place {
            use super::$run;
            use $($sync)::+::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
            use $($sync)::+::mpsc::{
                Iter, Receiver, RecvError, RecvTimeoutError, SendError, Sender, SyncSender, TryIter,
                TryRecvError, TrySendError, channel, sync_channel,
            };
            use $($sync)::+::Arc;
            use $($thread)::+ as thread;
            use std::io;
            use std::num::NonZero;
            use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
            use std::time::{Duration, Instant};

            const MOMENT: Duration = Duration::from_millis(10);
            const LONG: Duration = Duration::from_secs(60);

            // mpsc

            #[test]
            fn one_computes_and_the_other_hears_of_it() {
                $run(|| {
                    let (sender, receiver) = channel();
                    thread::spawn(move || sender.send((1..=10).sum::<u32>()).unwrap());
                    assert_eq!(receiver.recv(), Ok(55));
                    assert_eq!(receiver.recv(), Err(RecvError), "the sender has gone");
                });
            }

            #[test]
            fn many_send_and_one_receives() {
                $run(|| {
                    let (sender, receiver) = channel();
                    for number in 0..10 {
                        let sender = sender.clone();
                        thread::spawn(move || sender.send(number).unwrap());
                    }
                    let mut all: Vec<u32> = (0..10).map(|_| receiver.recv().unwrap()).collect();
                    all.sort();
                    assert_eq!(all, Vec::from_iter(0..10));
                    // One sender is left.
                    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                    drop(sender);
                    assert_eq!(receiver.recv(), Err(RecvError), "when the last clone has gone");
                });
            }

            #[test]
            fn a_channel_without_a_sender_or_receiver_is_an_error() {
                $run(|| {
                    let (sender, receiver) = channel::<u8>();
                    drop(sender);
                    assert!(receiver.recv().is_err());
                    let (sender, receiver) = channel();
                    sender.send(1).unwrap();
                    drop(receiver);
                    assert_eq!(sender.send(2), Err(SendError(2)));
                });
            }

            #[test]
            fn what_was_sent_before_a_pause_comes_before_it() {
                $run(|| {
                    let (sender, receiver) = channel();
                    let start = Instant::now();
                    thread::spawn(move || {
                        sender.send("at once").unwrap();
                        thread::sleep(2 * MOMENT);
                        sender.send("after a pause").unwrap();
                    });
                    assert_eq!(receiver.recv(), Ok("at once"));
                    assert_eq!(receiver.recv(), Ok("after a pause"));
                    assert!(start.elapsed() >= 2 * MOMENT);
                });
            }

            #[test]
            fn iterators_end_with_the_senders() {
                $run(|| {
                    let send_three = || {
                        let (sender, receiver) = channel();
                        thread::spawn(move || (1..4).for_each(|n| sender.send(n).unwrap()));
                        receiver
                    };
                    let receiver = send_three();
                    let mut iter: Iter<'_, i32> = receiver.iter();
                    assert_eq!([iter.next(), iter.next(), iter.next()], [Some(1), Some(2), Some(3)]);
                    assert_eq!(iter.next(), None);
                    assert_eq!((&send_three()).into_iter().count(), 3);
                    assert!(send_three().into_iter().eq(1..4));
                });
            }

            #[test]
            fn try_iter_takes_what_is_there_and_never_waits() {
                $run(|| {
                    let (sender, receiver) = channel();
                    assert_eq!(receiver.try_iter().next(), None);
                    let sending = thread::spawn(move || {
                        (1..4).for_each(|n| sender.send(n).unwrap());
                        sender
                    });
                    let sender = sending.join().unwrap();
                    let mut iter: TryIter<'_, i32> = receiver.try_iter();
                    assert_eq!([iter.next(), iter.next(), iter.next()], [Some(1), Some(2), Some(3)]);
                    assert_eq!(iter.next(), None, "though the sender is alive");
                    sender.send(4).unwrap();
                    assert_eq!(iter.next(), Some(4));
                });
            }

            #[test]
            fn a_late_sender_is_waited_for_so_long_and_no_longer() {
                $run(|| {
                    let (go, wait) = channel();
                    let (sender, receiver) = channel();
                    thread::spawn(move || {
                        wait.recv().unwrap();
                        sender.send('a').unwrap();
                    });
                    assert_eq!(receiver.recv_timeout(MOMENT), Err(RecvTimeoutError::Timeout));
                    go.send(()).unwrap();
                    assert_eq!(receiver.recv_timeout(LONG), Ok('a'));
                    assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
                });
            }

            #[test]
            fn a_rendezvous_hands_over() {
                $run(|| {
                    let (sender, receiver) = sync_channel::<i32>(0);
                    let sending = thread::spawn(move || sender.send(53));
                    assert_eq!(receiver.recv(), Ok(53));
                    assert_eq!(sending.join().unwrap(), Ok(()));
                });
            }

            #[test]
            fn a_bounded_channel_takes_so_many_at_once() {
                $run(|| {
                    let (sender, receiver) = sync_channel(1);
                    sender.send(1).unwrap(); // without a receiver that waits
                    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
                    thread::spawn(move || sender.send(2).unwrap());
                    assert_eq!((receiver.recv(), receiver.recv()), (Ok(1), Ok(2)));
                    let (sender, receiver) = sync_channel(3);
                    for _ in 0..3 {
                        let sender = sender.clone();
                        thread::spawn(move || sender.send("ok").unwrap());
                    }
                    drop(sender);
                    let mut count = 0;
                    while let Ok(word) = receiver.recv() {
                        count += usize::from(word == "ok");
                    }
                    assert_eq!(count, 3);
                });
            }

            #[test]
            fn one_that_tries_is_not_held_up_by_one_that_waits() {
                $run(|| {
                    let (sender, receiver) = sync_channel(1);
                    let trying: SyncSender<u32> = sender.clone();
                    let waiting = thread::spawn(move || {
                        sender.send(1).unwrap();
                        sender.send(2).unwrap();
                    });
                    let tried = thread::spawn(move || trying.try_send(3).is_ok()).join().unwrap();
                    let all: Vec<u32> = receiver.iter().collect();
                    waiting.join().unwrap();
                    assert_eq!(all.len(), 2 + usize::from(tried));
                    assert_eq!(all.contains(&3), tried);
                    assert!(all.into_iter().filter(|n| *n < 3).eq([1, 2]));
                });
            }

            #[test]
            fn ends_of_channels_are_sent_and_shared_as_in_std() {
                fn sends<T: Send>() {}
                fn shares<T: Sync>() {}
                sends::<(Sender<u8>, SyncSender<u8>, Receiver<u8>)>();
                shares::<(Sender<std::cell::Cell<u8>>, SyncSender<u8>)>();
                let (sender, receiver) = channel::<u8>();
                assert_eq!(format!("{sender:?} {receiver:?}"), "Sender { .. } Receiver { .. }");
                let (sender, _receiver) = sync_channel::<u8>(1);
                assert_eq!(format!("{sender:?}"), "SyncSender { .. }");
            }

            // thread

            #[test]
            fn a_join_returns_the_result_or_the_panic() {
                $run(|| {
                    let word = String::from("moved");
                    assert_eq!(thread::spawn(move || word.len()).join().unwrap(), 5);
                    let result: thread::Result<()> =
                        thread::spawn(|| resume_unwind(Box::new("lost"))).join();
                    let again = catch_unwind(AssertUnwindSafe(|| resume_unwind(result.unwrap_err())));
                    assert_eq!(again.unwrap_err().downcast_ref(), Some(&"lost"));
                });
            }

            #[test]
            fn a_detached_one_outlives_who_spawned_it() {
                $run(|| {
                    let (tell, told) = channel();
                    let (go, wait) = channel::<()>();
                    let parent = thread::spawn(move || {
                        drop(thread::spawn(move || {
                            wait.recv().unwrap();
                            tell.send("still alive").unwrap();
                        }));
                    });
                    parent.join().unwrap();
                    go.send(()).unwrap();
                    assert_eq!(told.recv(), Ok("still alive"));
                });
            }

            #[test]
            fn a_builder_gives_a_name_and_a_stack() {
                $run(|| {
                    let builder = thread::Builder::new().name("foo".into());
                    let builder = builder.stack_size(128 * 1024);
                    let named: io::Result<thread::JoinHandle<()>> =
                        builder.spawn(|| assert_eq!(thread::current().name(), Some("foo")));
                    named.unwrap().join().unwrap();
                    let unnamed = thread::Builder::new();
                    let unnamed = unnamed.spawn(|| thread::current().name().is_none());
                    assert!(unnamed.unwrap().join().unwrap());
                });
            }

            #[test]
            fn everyone_has_an_id_of_its_own() {
                $run(|| {
                    let me: thread::ThreadId = thread::current().id();
                    let handle = thread::spawn(|| thread::current().id());
                    let told = handle.thread().id();
                    let theirs = handle.join().unwrap();
                    assert!(theirs == told && theirs != me);
                });
            }

            #[test]
            fn who_waits_for_a_flag_parks_until_it_is_unparked() {
                $run(|| {
                    static QUEUED: AtomicBool = AtomicBool::new(false);
                    static FLAG: AtomicBool = AtomicBool::new(false);
                    let parked = thread::spawn(|| {
                        QUEUED.store(true, SeqCst);
                        while !FLAG.load(SeqCst) {
                            thread::park();
                        }
                    });
                    while !QUEUED.load(SeqCst) {
                        thread::yield_now();
                    }
                    FLAG.store(true, SeqCst);
                    parked.thread().unpark();
                    parked.join().unwrap();
                });
            }

            #[test]
            #[expect(deprecated, reason = "as in std")]
            fn a_park_or_a_sleep_lasts_so_long() {
                $run(|| {
                    let waits: [fn(); 4] = [
                        || thread::sleep(MOMENT),
                        || thread::sleep_ms(10),
                        || thread::park_timeout(MOMENT),
                        || thread::park_timeout_ms(10),
                    ];
                    for (number, wait) in waits.into_iter().enumerate() {
                        let start = Instant::now();
                        wait();
                        while number > 1 && start.elapsed() < MOMENT {
                            wait(); // a park may end early
                        }
                        assert!((MOMENT..LONG).contains(&start.elapsed()));
                    }
                    thread::current().unpark();
                    thread::park_timeout_ms(u32::MAX);
                });
            }

            #[test]
            fn only_who_unwinds_is_panicking() {
                $run(|| {
                    struct Tells(Sender<bool>);
                    impl Drop for Tells {
                        fn drop(&mut self) {
                            self.0.send(thread::panicking()).unwrap();
                        }
                    }
                    let (tell, told) = channel();
                    drop(Tells(tell.clone()));
                    let broken = thread::spawn(move || -> () {
                        let _tells = Tells(tell);
                        panic!("on purpose");
                    });
                    assert!(broken.join().is_err());
                    assert!(told.into_iter().eq([false, true]));
                });
            }

            #[test]
            fn it_is_finished_when_a_join_would_not_wait() {
                $run(|| {
                    let (go, wait) = channel::<()>();
                    let handle = thread::spawn(move || wait.recv());
                    assert!(!handle.is_finished());
                    go.send(()).unwrap();
                    while !handle.is_finished() {
                        thread::yield_now();
                    }
                    assert_eq!(handle.join().unwrap(), Ok(()));
                });
            }

            #[test]
            fn there_is_some_parallelism() {
                let count: io::Result<NonZero<usize>> = thread::available_parallelism();
                let count = count.unwrap().get();
                let theirs = thread::spawn(|| thread::available_parallelism().unwrap().get());
                assert_eq!(theirs.join().unwrap(), count);
            }

            // scope

            #[test]
            fn children_borrow_one_reads_and_one_writes() {
                $run(|| {
                    let (mut list, mut sum, mut seen) = (vec![1, 2, 3], 0, 0);
                    thread::scope(|s| {
                        s.spawn(|| seen = list.len());
                        s.spawn(|| sum += list[0] + list[2]);
                    });
                    list.push(4);
                    assert_eq!((sum, seen, list.len()), (4, 3, 4));
                });
            }

            #[test]
            fn named_children_borrow_too() {
                $run(|| {
                    let (list, mut sum) = (vec![1, 2, 3], 0);
                    thread::scope(|s| {
                        let builder = thread::Builder::new().name("first".into());
                        let first = builder.spawn_scoped(s, || {
                            assert_eq!(thread::current().name(), Some("first"));
                            list.len()
                        });
                        let second = thread::Builder::new().spawn_scoped(s, || sum += list[1]);
                        assert_eq!(first.unwrap().join().unwrap(), 3);
                        second.unwrap().join().unwrap();
                    });
                    assert_eq!(sum, 2);
                });
            }

            #[test]
            fn a_child_may_spawn_a_sibling() {
                $run(|| {
                    let count = AtomicUsize::new(0);
                    thread::scope(|s| {
                        s.spawn(|| {
                            s.spawn(|| count.fetch_add(10, SeqCst));
                            count.fetch_add(1, SeqCst);
                        });
                    });
                    assert_eq!(count.into_inner(), 11);
                });
            }

            #[test]
            fn a_scoped_handle_tells_the_id_the_end_and_the_panic() {
                $run(|| {
                    thread::scope(|s| {
                        let handle = s.spawn(|| thread::current().id());
                        let id = handle.thread().id();
                        while !handle.is_finished() {
                            thread::yield_now();
                        }
                        assert_eq!(handle.join().unwrap(), id);
                        let broken: thread::ScopedJoinHandle<'_, ()> =
                            s.spawn(|| panic!("on purpose"));
                        assert!(broken.join().is_err());
                    });
                });
            }

            #[test]
            fn a_panic_that_nobody_joined_is_the_scope_s() {
                $run(|| {
                    let others = Arc::new(AtomicUsize::new(0));
                    let theirs = Arc::clone(&others);
                    let result = catch_unwind(move || {
                        thread::scope(|s| {
                            s.spawn(|| resume_unwind(Box::new("lost")));
                            s.spawn(|| theirs.fetch_add(1, SeqCst));
                        });
                    });
                    assert!(result.is_err());
                    assert_eq!(others.load(SeqCst), 1);
                });
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
