//! Bugs that were found once, in green threads, scopes and panics: a test named for each.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use greenloop::{
    Builder, JoinHandle, Killed, LocalJoinHandle, run, scope, sleep, spawn, spawn_local, thread,
    yield_now,
};

use crate::child::{Child, this_test};
use crate::counted::{Counted, Drops};
use crate::everywhere::everywhere;
use crate::hub::panic_of;
use crate::within::{LONG, within};

/// Runs `act` when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Panics in its destructor, with a payload whose own destructor panics.
#[derive(Debug)]
pub(crate) struct DoubleBomb(
    #[expect(dead_code, reason = "dropped for its count")] pub(crate) Counted,
);

impl Drop for DoubleBomb {
    fn drop(&mut self) {
        panic_any(OnDrop(|| panic!("the payload's destructor")));
    }
}

/// Parks, unparks and joins in its destructor, and tells when that has succeeded.
struct UsesItsThread(mpsc::Sender<()>);

impl Drop for UsesItsThread {
    fn drop(&mut self) {
        let me = thread::current();
        me.unpark();
        thread::park();
        drop(spawn(move || me.unpark()));
        thread::park();
        spawn(yield_now).join().unwrap();
        self.0.send(()).unwrap();
    }
}

#[test]
fn a_detached_result_s_destructor_runs_as_its_green_thread() {
    let drop_one = || {
        let (told, dropped) = mpsc::channel();
        drop(spawn(move || {
            sleep(Duration::from_millis(5));
            UsesItsThread(told)
        }));
        dropped
    };
    within(LONG, move || drop_one().recv().unwrap());
    within(LONG, move || {
        run(|| {
            let dropped = drop_one();
            while dropped.try_recv().is_err() {
                yield_now();
            }
        });
    });
}

#[test]
fn a_detached_result_that_panics_twice_when_dropped_does_not_abort() {
    Child::new(this_test!()).passes(|| {
        let drops = Drops::new();
        let (first, second) = (drops.counted(), drops.counted());
        drop(spawn(move || DoubleBomb(first)));
        run(move || {
            drop(spawn(move || DoubleBomb(second)));
            yield_now();
        });
        while drops.count() < 2 {
            yield_now();
        }
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
    });
}

/// Kills a child, which may have started or not, and leaves it unjoined.
fn scope_with_a_killed_child(started: bool) {
    let (has_started, went_on) = (AtomicBool::new(false), AtomicBool::new(false));
    let result = catch_unwind(AssertUnwindSafe(|| {
        scope(|s| {
            let child = s.spawn(|| {
                has_started.store(true, Ordering::SeqCst);
                thread::park();
            });
            while started && !has_started.load(Ordering::SeqCst) {
                yield_now();
            }
            child.kill();
        });
        went_on.store(true, Ordering::SeqCst);
    }));
    assert!(result.unwrap_err().is::<Killed>());
    assert!(!went_on.into_inner());
}

#[test]
fn a_scope_with_a_killed_child_that_nobody_joined_kills_its_owner() {
    let end = Child::new(this_test!()).run(|| {
        everywhere(|| scope_with_a_killed_child(true));
        everywhere(|| scope_with_a_killed_child(false));
    });
    assert!(end.status.success(), "{end}");
    assert!(!end.stderr.contains("panicked"), "{end}");
}

#[test]
fn a_scope_with_a_killed_child_that_was_joined_returns() {
    everywhere(|| {
        let result = scope(|s| {
            let child = s.spawn(thread::park);
            child.kill_nowait();
            child.join()
        });
        assert!(result.unwrap_err().is::<Killed>());
    });
}

/// Whether one that does `act`, in which it kills itself, is killed at the wait that follows.
fn is_killed_after(act: impl FnOnce(&dyn Fn()) + 'static) -> bool {
    let own: Rc<RefCell<Option<LocalJoinHandle<bool>>>> = Rc::default();
    let theirs = own.clone();
    let (tell, told) = mpsc::channel();
    *own.borrow_mut() = Some(spawn_local(move || {
        let own = theirs.borrow_mut().take().unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| {
            act(&|| own.kill_nowait());
            sleep(Duration::from_millis(1));
        }));
        let killed = result.is_err_and(|payload| payload.is::<Killed>());
        tell.send(killed).unwrap();
        killed
    }));
    loop {
        sleep(Duration::from_millis(1));
        if let Ok(killed) = told.try_recv() {
            return killed;
        }
    }
}

#[test]
fn a_kill_is_not_lost_in_a_destructor_of_what_another_one_owned() {
    within(LONG, || {
        run(|| {
            let waits = || OnDrop(|| sleep(Duration::from_millis(1)));
            assert!(is_killed_after(|kill| kill()));
            assert!(is_killed_after(move |kill| {
                let capture = waits();
                let unstarted = spawn(move || drop(capture));
                kill();
                unstarted.kill_nowait();
            }));
            let ended = spawn(waits);
            yield_now();
            assert!(ended.is_finished());
            assert!(is_killed_after(move |kill| {
                kill();
                drop(ended);
            }));
            assert!(is_killed_after(move |kill| {
                scope(|s| {
                    let ended = s.spawn(waits);
                    yield_now();
                    assert!(ended.is_finished());
                    kill();
                    drop(ended);
                });
            }));
        });
    });
}

fn unwinding(job: impl FnMut()) {
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _on_drop = OnDrop(job);
        resume_unwind(Box::new("outer"))
    }));
    let payload = result.map(|(): ()| ()).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"outer"));
}

/// A `run` that panics, while one of its green threads unwinds and waits meanwhile.
fn run_that_panics() {
    let result = catch_unwind(|| {
        run(|| {
            assert!(!std::thread::panicking());
            let other = spawn(|| unwinding(yield_now));
            unwinding(|| sleep(Duration::from_millis(1)));
            other.join().unwrap();
            assert!(!std::thread::panicking());
            resume_unwind(Box::new("inner"))
        })
    });
    let payload = result.map(|(): ()| ()).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"inner"));
}

fn assert_calm() {
    assert!(!std::thread::panicking());
    let mutex = Mutex::new(());
    drop(mutex.lock());
    assert!(!mutex.is_poisoned());
}

/// std looks at a thread's own count only while any thread panics.
fn assert_calm_while_another_unwinds() {
    let (begun, begin) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        unwinding(|| {
            begun.send(()).unwrap();
            ended.recv().unwrap();
        });
    });
    begin.recv().unwrap();
    assert_calm();
    end.send(()).unwrap();
    other.join().unwrap();
}

#[test]
fn a_run_that_panics_in_a_destructor_leaves_the_count_of_panics_right() {
    within(LONG, || {
        for _ in 0..3 {
            unwinding(|| {
                run_that_panics();
                assert!(std::thread::panicking());
                unwinding(|| {
                    run_that_panics();
                    assert!(std::thread::panicking());
                });
                assert!(std::thread::panicking());
            });
            assert_calm();
            assert_calm_while_another_unwinds();
            let poisoned = Mutex::new(());
            let mut guard = poisoned.lock().ok();
            unwinding(|| drop(guard.take()));
            assert!(poisoned.is_poisoned());
        }
    });
}

#[test]
fn a_name_with_a_nul_is_a_panic_as_in_std() {
    let name = || String::from("a\0b");
    let std = catch_unwind(|| {
        std::thread::Builder::new()
            .name(name())
            .spawn(|| ())
            .is_ok()
    });
    assert!(std.is_err());
    everywhere(|| {
        let named = || Builder::new().name("a\0b".into());
        let text = panic_of(|| named().spawn(|| ()).is_ok());
        assert!(text.contains("NUL"), "{text}");
        let text = panic_of(|| scope(|s| named().spawn_scoped(s, || ()).is_ok()));
        assert!(text.contains("NUL"), "{text}");
    });
    let named = || Builder::new().name(name());
    let text = run(|| panic_of(|| named().spawn_local(|| ()).is_ok()));
    assert!(text.contains("NUL"), "{text}");
}

#[test]
fn a_wait_for_its_own_end_on_a_worker_is_a_panic() {
    let (give, given) = mpsc::channel::<JoinHandle<()>>();
    let (tell, told) = mpsc::channel();
    let handle = Builder::new().name("narcissus".into()).spawn(move || {
        let own = given.recv().unwrap();
        tell.send(panic_of(|| drop(own.join()))).unwrap();
    });
    give.send(handle.unwrap()).unwrap();
    let text = told.recv_timeout(LONG).unwrap();
    assert!(text.contains("narcissus"), "{text}");
}
