//! `run_strict`: gevent's rule for `LoopExit`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use greenloop::sync::{Arc, Event, Mutex};
use greenloop::{
    LoopExit, run_strict, shield, sleep, spawn, spawn_blocking, spawn_local, thread, yield_now,
};

use crate::within::{LONG, within};

/// The text of the `LoopExit` that `f` unwinds with.
fn exit_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
    payload.downcast::<LoopExit>().unwrap().to_string()
}

#[test]
fn every_wait_that_would_never_end_unwinds_main_alone() {
    within(LONG, || {
        run_strict(|| {
            let stuck = spawn(thread::park);
            let event = Event::new();
            let text = exit_of(|| event.wait());
            assert!(
                text.starts_with("this operation would block forever\n"),
                "{text}"
            );
            assert!(
                text.contains("'main'") && text.contains("waiting for the event"),
                "{text}"
            );
            assert!(text.contains("waiting to be unparked"), "{text}");
            exit_of(thread::park);
            let mutex = Mutex::new(1);
            let guard = mutex.lock().unwrap();
            exit_of(|| drop(mutex.lock()));
            drop(guard);
            assert!(!mutex.is_poisoned());
            exit_of(|| shield(thread::park));
            // What was left waiting is alive, and the hub goes on as before.
            assert!(!stuck.is_finished());
            stuck.thread().unpark();
            stuck.join().unwrap();
            assert_eq!(spawn(|| 7).join().unwrap(), 7);
        });
    });
}

#[test]
fn whoever_can_still_run_postpones_it() {
    within(LONG, || {
        run_strict(|| {
            let event = Arc::new(Event::new());
            let same = event.clone();
            let sleeper = spawn_local(move || {
                sleep(Duration::from_millis(20));
                for _ in 0..10 {
                    yield_now();
                }
                same.set();
            });
            event.wait();
            sleeper.join().unwrap();
            let start = Instant::now();
            let job = spawn_blocking(|| std::thread::sleep(Duration::from_millis(50)));
            job.join().unwrap();
            assert!(start.elapsed() >= Duration::from_millis(50));
            drop(spawn_blocking(|| {
                std::thread::sleep(Duration::from_millis(50))
            }));
            let start = Instant::now();
            exit_of(thread::park);
            assert!(
                start.elapsed() >= Duration::from_millis(50),
                "its job was under way"
            );
        });
    });
}

#[test]
fn a_descriptor_postpones_it() {
    within(LONG, || {
        run_strict(|| {
            let listener = greenloop::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let client = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                drop(std::net::TcpStream::connect(address).unwrap());
            });
            assert!(listener.accept().is_ok());
            client.join().unwrap();
        });
    });
}

#[test]
fn an_os_thread_does_not_count() {
    within(LONG, || {
        let (sender, receiver) = mpsc::channel();
        let waker = std::thread::spawn(move || {
            let main: thread::Thread = receiver.recv().unwrap();
            let _ = receiver.recv();
            main.unpark();
        });
        run_strict(|| {
            sender.send(thread::current()).unwrap();
            exit_of(thread::park);
        });
        drop(sender);
        waker.join().unwrap();
    });
}

#[test]
fn if_it_is_not_caught_the_run_panics_with_it() {
    within(LONG, || {
        let panic = catch_unwind(|| run_strict(thread::park)).unwrap_err();
        let text = panic.downcast::<String>().unwrap();
        assert!(
            text.starts_with("this operation would block forever\n"),
            "{text}"
        );
    });
}
