//! `greenloop::scope`: children that borrow, panic, and outlive their owner's panic.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use greenloop::{
    Builder, ScopedJoinHandle, joinall, run, scope, sleep, spawn, thread, timeout, yield_now,
};

use crate::counted::Drops;
use crate::everywhere::everywhere;
use crate::within::{LONG, until, within};

#[test]
fn children_borrow() {
    everywhere(|| {
        let mut numbers = vec![1, 2, 3];
        let (mut sum, mut product) = (0, 1);
        scope(|s| {
            s.spawn(|| sum = numbers.iter().sum());
            s.spawn(|| {
                yield_now();
                product = numbers.iter().product();
            });
        });
        numbers.push(sum + product);
        assert_eq!(numbers, [1, 2, 3, 12]);
    });
}

// gevent 1.2 `with g`: the block ends with its green threads.
#[test]
fn it_returns_only_when_all_children_have_ended() {
    everywhere(|| {
        let ended = AtomicUsize::new(0);
        let value = scope(|s| {
            for n in 0..100 {
                let ended = &ended;
                s.spawn(move || {
                    sleep(Duration::from_micros(n * 50));
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
            "value"
        });
        assert_eq!((value, ended.load(Ordering::SeqCst)), ("value", 100));
    });
}

#[test]
fn an_empty_scope_does_not_wait() {
    run(|| {
        let other = spawn(|| ());
        assert_eq!(scope(|_| 1), 1);
        assert!(!other.is_finished());
    });
}

#[test]
fn handles_join_their_results() {
    everywhere(|| {
        let words = ["one", "three", "five"];
        let lengths: Vec<usize> = scope(|s| {
            let handles: Vec<_> = words
                .iter()
                .map(|word| {
                    s.spawn(move || {
                        yield_now();
                        word.len()
                    })
                })
                .collect();
            joinall(handles).into_iter().map(Result::unwrap).collect()
        });
        assert_eq!(lengths, [3, 5, 4]);
    });
}

#[test]
fn a_handle_shows_its_thread() {
    scope(|s| {
        let named = Builder::new().name("scoped".into());
        let handle: ScopedJoinHandle<'_, _> =
            named.spawn_scoped(s, || thread::current().id()).unwrap();
        assert_eq!(handle.thread().name(), Some("scoped"));
        let id = handle.thread().id();
        until("it finishes", || handle.is_finished());
        assert_eq!(handle.join().unwrap(), id);
    });
}

#[test]
fn scopes_nest_and_children_spawn_siblings() {
    everywhere(|| {
        let total = AtomicUsize::new(0);
        scope(|s| {
            s.spawn(|| {
                let local = AtomicUsize::new(0);
                scope(|inner| {
                    inner.spawn(|| local.fetch_add(1, Ordering::SeqCst));
                    inner.spawn(|| total.fetch_add(10, Ordering::SeqCst));
                });
                assert_eq!(local.load(Ordering::SeqCst), 1);
                s.spawn(|| {
                    yield_now();
                    total.fetch_add(100, Ordering::SeqCst)
                });
            });
        });
        assert_eq!(total.load(Ordering::SeqCst), 110);
    });
}

#[test]
fn an_unjoined_panic_is_the_scope_s() {
    everywhere(|| {
        let ended = AtomicUsize::new(0);
        let payload = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                s.spawn(|| resume_unwind(Box::new("lost")));
                s.spawn(|| {
                    sleep(Duration::from_millis(5));
                    ended.fetch_add(1, Ordering::SeqCst);
                });
                "never returned"
            })
        }));
        // std's message, for our threads.
        let text = *payload.unwrap_err().downcast::<&str>().unwrap();
        assert_eq!(text, "a scoped green thread panicked");
        assert_eq!(ended.load(Ordering::SeqCst), 1, "it waited for the other");
    });
}

#[test]
fn a_joined_panic_is_the_joiner_s() {
    everywhere(|| {
        let text = scope(|s| {
            let lost = s.spawn(|| -> () { resume_unwind(Box::new("found")) });
            *lost.join().unwrap_err().downcast::<&str>().unwrap()
        });
        assert_eq!(text, "found");
    });
}

#[test]
fn many_panics_are_one() {
    let started = AtomicUsize::new(0);
    let result = catch_unwind(AssertUnwindSafe(|| {
        scope(|s| {
            for n in 0..100 {
                let started = &started;
                s.spawn(move || {
                    started.fetch_add(1, Ordering::SeqCst);
                    yield_now();
                    resume_unwind(Box::new(n))
                });
            }
        })
    }));
    assert!(result.is_err());
    assert_eq!(started.load(Ordering::SeqCst), 100);
}

// A scope whose owner timed out waited for children that nobody had told.
#[test]
fn an_interrupt_that_unwinds_the_owner_s_closure_reaches_the_children() {
    everywhere(|| {
        let killed = AtomicUsize::new(0);
        let result = timeout(Duration::from_millis(5), || {
            scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        let told = catch_unwind(|| sleep(LONG)).unwrap_err();
                        killed.fetch_add(1, Ordering::Relaxed);
                        resume_unwind(told)
                    });
                }
                sleep(LONG);
            });
        });
        assert!(result.is_err());
        assert_eq!(killed.into_inner(), 3);
    });
}

#[test]
fn an_owner_s_panic_waits_for_the_children() {
    everywhere(|| {
        let (ended, data) = (AtomicUsize::new(0), String::from("borrowed"));
        let payload = catch_unwind(AssertUnwindSafe(|| {
            scope(|s| {
                for _ in 0..10 {
                    s.spawn(|| {
                        sleep(Duration::from_millis(5));
                        assert_eq!(data, "borrowed");
                        ended.fetch_add(1, Ordering::SeqCst);
                    });
                }
                s.spawn(|| resume_unwind(Box::new("child")));
                resume_unwind(Box::new("owner"))
            })
        }));
        let payload = payload.map(|(): ()| ()).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"owner"));
        assert_eq!(ended.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn an_owner_may_wait_while_it_unwinds() {
    struct Scopes<'a>(&'a AtomicUsize);
    impl Drop for Scopes<'_> {
        fn drop(&mut self) {
            let count = self.0;
            scope(|s| {
                s.spawn(|| {
                    assert!(!thread::panicking());
                    sleep(Duration::from_millis(1));
                    count.fetch_add(1, Ordering::SeqCst);
                });
            });
        }
    }
    everywhere(|| {
        let count = AtomicUsize::new(0);
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _scopes = Scopes(&count);
            resume_unwind(Box::new(()))
        }));
        assert!(result.map(|(): ()| ()).is_err());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn results_are_dropped_once_and_before_the_scope_ends() {
    struct Borrows<'a>(&'a AtomicUsize);
    impl Drop for Borrows<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    everywhere(|| {
        let count = AtomicUsize::new(0);
        scope(|s| {
            // Detached before its end, detached after, joined, and a handle that nobody touches.
            drop(s.spawn(|| {
                yield_now();
                Borrows(&count)
            }));
            let ended = s.spawn(|| Borrows(&count));
            until("it finishes", || ended.is_finished());
            drop(ended);
            drop(s.spawn(|| Borrows(&count)).join());
            s.spawn(|| Borrows(&count));
        });
        assert_eq!(count.load(Ordering::SeqCst), 4);
    });
}

#[test]
fn a_result_whose_destructor_panics_is_the_scope_s_panic() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("bomb"));
        }
    }
    everywhere(|| {
        let result = catch_unwind(|| {
            scope(|s| {
                s.spawn(|| Bomb);
            });
        });
        assert!(result.is_err());
    });
}

#[test]
fn a_closure_that_is_refused_leaves_the_scope_able_to_end() {
    let drops = Drops::new();
    let counted = drops.counted();
    within(LONG, move || {
        scope(|s| {
            let greedy = Builder::new().stack_size(usize::MAX);
            let refused = greedy.spawn_scoped(s, move || drop(counted));
            assert!(refused.is_err());
        });
    });
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_scope_inside_of_run_stays_on_its_thread() {
    let here = std::thread::current().id();
    run(|| {
        scope(|s| {
            for _ in 0..10 {
                s.spawn(|| assert_eq!(std::thread::current().id(), here));
            }
        });
    });
}

#[test]
fn children_end_at_any_time_around_the_owner_s_wait() {
    within(LONG, || {
        for n in 0..10_000_u64 {
            let count = AtomicUsize::new(0);
            scope(|s| {
                for _ in 0..n % 4 {
                    s.spawn(|| count.fetch_add(1, Ordering::Relaxed));
                }
            });
            assert_eq!(count.load(Ordering::Relaxed) as u64, n % 4);
        }
    });
}

#[test]
fn a_handle_may_be_joined_by_a_sibling() {
    everywhere(|| {
        let seen = Mutex::new(Vec::new());
        let begun = AtomicBool::new(false);
        scope(|s| {
            let first = s.spawn(|| {
                until("the sibling begins", || begun.load(Ordering::SeqCst));
                seen.lock().unwrap().push("first");
                1
            });
            s.spawn(|| {
                begun.store(true, Ordering::SeqCst);
                assert_eq!(first.join().unwrap(), 1);
                seen.lock().unwrap().push("second");
            });
        });
        assert_eq!(seen.into_inner().unwrap(), ["first", "second"]);
    });
}
