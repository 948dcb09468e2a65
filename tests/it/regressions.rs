//! Bugs that were found once, outside of the end of a `run`: a test named for each.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use greenloop::{
    Builder, JoinHandle, Killed, Source, run, scope, sleep, spawn, spawn_blocking, spawn_later,
    spawn_local, thread, yield_now,
};

use crate::child::{Child, this_test};
use crate::counted::{Counted, Drops};
use crate::everywhere::everywhere;
use crate::hub::panic_of;
use crate::within::{LONG, until, within};

/// Runs `act` when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Panics in its destructor, with a payload whose own destructor panics.
#[derive(Debug)]
pub(crate) struct DoubleBomb(pub(crate) Counted);

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

#[test]
fn a_scope_with_a_killed_child_that_nobody_joined_kills_its_owner() {
    let end = Child::new(this_test!()).run(|| {
        everywhere(|| {
            let went_on = AtomicBool::new(false);
            let result = catch_unwind(AssertUnwindSafe(|| {
                scope(|s| s.spawn(thread::park).kill());
                went_on.store(true, Ordering::SeqCst);
            }));
            assert!(result.unwrap_err().is::<Killed>());
            assert!(!went_on.into_inner());
        });
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

/// Kills itself, then does `act`, in which destructors wait; the kill must come at the wait that follows.
fn is_killed_after(act: impl FnOnce() + Send + 'static) -> bool {
    let (give, given) = mpsc::channel::<JoinHandle<bool>>();
    let (tell, told) = mpsc::channel();
    let handle = spawn(move || {
        let own = given.recv().unwrap();
        own.kill_nowait();
        let result = catch_unwind(AssertUnwindSafe(|| {
            act();
            sleep(Duration::from_millis(1));
        }));
        tell.send(result.is_err_and(|payload| payload.is::<Killed>()))
            .unwrap();
        true
    });
    give.send(handle).unwrap();
    told.recv_timeout(LONG).unwrap()
}

#[test]
fn a_kill_is_not_lost_in_a_destructor_of_what_another_one_owned() {
    assert!(is_killed_after(|| ()));
    let waits = || OnDrop(|| sleep(Duration::from_millis(1)));
    let capture = waits();
    let unstarted = spawn_later(LONG, move || drop(capture));
    assert!(is_killed_after(move || unstarted.kill_nowait()));
    let ended = spawn(waits);
    until("it has ended", || ended.is_finished());
    assert!(is_killed_after(move || drop(ended)));
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

fn read_byte<T: AsFd>(source: &Source<T>, mut stream: &UnixStream) -> io::Result<usize> {
    source.read(Some(LONG), |_| stream.read(&mut [0]))
}

/// Writes until nobody has read for the time that `timeout` gives; says how much went.
fn fill<T: AsFd>(source: &Source<T>, mut stream: &UnixStream, timeout: Duration) -> usize {
    let mut total = 0;
    loop {
        match source.write(Some(timeout), |_| stream.write(&[0; 4096])) {
            Ok(count) => total += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                return total;
            }
        }
    }
}

fn a_reader_outlives_a_writer<T: AsFd + 'static>(make: fn(&'static UnixStream) -> T) {
    let (ours, mut theirs) = pair();
    let ours: &'static UnixStream = Box::leak(Box::new(ours));
    let reader = spawn_local(move || read_byte(&Source::new(make(ours)), ours).unwrap());
    yield_now();
    let writer = Source::new(make(ours));
    assert!(fill(&writer, ours, Duration::from_millis(5)) > 0);
    drop(writer);
    theirs.write_all(b"x").unwrap();
    assert_eq!(reader.join().unwrap(), 1);
}

fn a_writer_outlives_a_reader<T: AsFd + 'static>(make: fn(&'static UnixStream) -> T) {
    let (ours, mut theirs) = pair();
    let ours: &'static UnixStream = Box::leak(Box::new(ours));
    let reader = Source::new(make(ours));
    let mut waiting = Source::new(make(ours));
    let filled = fill(&waiting, ours, Duration::from_millis(5));
    let writer = spawn_local(move || {
        let written = waiting.write(Some(LONG), |_| (&*ours).write(&[1]));
        // It is used again, so that its place is not lost with the other's.
        waiting = Source::new(waiting.into_inner());
        written.unwrap() + read_byte(&waiting, ours).unwrap()
    });
    yield_now();
    let late = reader.read(Some(Duration::from_millis(5)), |mut _it| {
        (&*ours).read(&mut [0])
    });
    assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    drop(reader);
    theirs.read_exact(&mut vec![0; filled]).unwrap();
    theirs.write_all(b"x").unwrap();
    assert_eq!(writer.join().unwrap(), 2);
}

#[test]
fn two_sources_of_one_descriptor_hear_of_their_own_events() {
    let both = || {
        a_reader_outlives_a_writer(AsFd::as_fd);
        a_writer_outlives_a_reader(AsFd::as_fd);
        // An `Rc` counts as a descriptor as well.
        a_reader_outlives_a_writer(|stream| Rc::new(stream.as_fd()));
        a_writer_outlives_a_reader(|stream| Arc::new(stream.as_fd()));
    };
    within(LONG, move || run(both));
    within(LONG, move || spawn(both).join().unwrap());
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

/// Takes all the address space that is left, but for what is too small for an OS thread's stack.
fn hog() -> Vec<Vec<u8>> {
    let mut hogs = Vec::with_capacity(10_000);
    for size in [256 << 20, 16 << 20, 1 << 20] {
        let mut take = || -> Result<(), std::collections::TryReserveError> {
            loop {
                let mut room = Vec::new();
                room.try_reserve_exact(size)?;
                hogs.push(room);
            }
        };
        assert!(take().is_err());
    }
    hogs
}

#[test]
fn a_job_without_a_first_thread_is_dropped_and_never_runs() {
    let child = Child::new(this_test!()).setup("ulimit -v 4194304");
    child.passes(|| {
        run(|| ());
        let (drops, runs) = (Drops::new(), Arc::new(AtomicUsize::new(0)));
        let (counted, theirs) = (drops.counted(), runs.clone());
        let hogs = hog();
        let result = catch_unwind(AssertUnwindSafe(|| {
            drop(spawn_blocking(move || {
                let _counted = counted;
                theirs.fetch_add(1, Ordering::SeqCst);
            }));
        }));
        drop(hogs);
        assert!(result.is_err(), "there was room for a thread");
        assert_eq!(drops.count(), 1);
        spawn_blocking(|| ()).join().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!((drops.count(), runs.load(Ordering::SeqCst)), (1, 0));
    });
}

#[test]
fn a_job_without_a_thread_of_its_own_waits_for_another_s() {
    let child = Child::new(this_test!()).setup("ulimit -v 4194304");
    child.passes(|| {
        let (go_on, told) = mpsc::channel();
        let first = spawn_blocking(move || told.recv().unwrap());
        let hogs = hog();
        let second = spawn_blocking(|| 2);
        drop(hogs);
        go_on.send(1).unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 2));
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
