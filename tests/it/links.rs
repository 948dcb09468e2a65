//! Links, which run when a green thread has ended: gevent 1.2 `link`, and section 2 row 18.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::sync::mpsc;
use greenloop::{Killed, sleep, spawn, spawn_local, thread, yield_now};

use crate::everywhere::{everywhere, in_hub};
use crate::within::{LONG, until, within};

/// What the links have said, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn link(&self, name: &'static str) -> impl FnOnce() + Send + 'static {
        let log = self.clone();
        move || log.0.lock().unwrap().push(name)
    }

    fn said(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// Lets whatever is ready in this hub run, and what that makes ready.
fn settle() {
    (0..5).for_each(|_| yield_now());
}

#[test]
fn they_run_in_order_and_only_after_the_end() {
    in_hub(|| {
        let log = Log::default();
        let handle = spawn(thread::park);
        for name in ["first", "second", "third"] {
            handle.link(log.link(name));
        }
        settle();
        assert!(log.said().is_empty(), "it has not ended");
        handle.thread().unpark();
        settle();
        assert_eq!(log.said(), ["first", "second", "third"]);
        handle.join().unwrap();
    });
}

// gevent: "also fires if linked after death, next loop pass".
#[test]
fn a_late_one_runs_soon_but_not_inline() {
    in_hub(|| {
        let log = Log::default();
        let handle = spawn(|| 7);
        handle.link(log.link("early"));
        yield_now();
        assert!(handle.is_finished());
        for name in ["late", "later"] {
            handle.link(log.link(name));
        }
        assert!(log.said().is_empty(), "a link does not switch");
        settle();
        assert_eq!(log.said(), ["early", "late", "later"]);
        assert_eq!(handle.join().unwrap(), 7, "the result is the joiner's");
    });
}

// gevent: "one cb raising is reported and doesn't stop the rest".
#[test]
fn one_that_panics_stops_no_other() {
    everywhere(|| {
        let (sender, receiver) = mpsc::channel();
        let handle = spawn(thread::park);
        for number in 0..6 {
            let sender = sender.clone();
            handle.link(move || match number % 2 {
                0 => resume_unwind(Box::new("lost")),
                _ => sender.send(number).unwrap(),
            });
        }
        drop(sender);
        handle.thread().unpark();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 3, 5]);
        handle.join().unwrap();
    });
}

// gevent 1.2 `kill`: "not started … links fire on next loop pass".
#[test]
fn those_of_one_that_is_killed_before_its_start_run_after_the_kill() {
    in_hub(|| {
        let log = Log::default();
        let handle = spawn(|| unreachable!("it was killed before it could run"));
        handle.link(log.link("linked"));
        handle.kill();
        assert!(handle.is_finished() && log.said().is_empty());
        settle();
        assert_eq!(log.said(), ["linked"]);
        let result: std::thread::Result<()> = handle.join();
        assert!(result.unwrap_err().is::<Killed>());
    });
}

#[test]
fn they_run_however_it_ends() {
    in_hub(|| {
        let log = Log::default();
        spawn(|| ()).link(log.link("returned"));
        settle();
        spawn(|| resume_unwind(Box::new(1))).link(log.link("panicked"));
        settle();
        let killed = spawn(thread::park);
        killed.link(log.link("killed"));
        killed.kill();
        settle();
        let local = spawn_local(|| ());
        local.link(log.link("local"));
        local.join().unwrap();
        settle();
        assert_eq!(log.said(), ["returned", "panicked", "killed", "local"]);
    });
}

// gevent: a link "runs in a fresh greenlet": it may wait, spawn, join and link. Here the next one
// waits for it.
#[test]
fn they_may_wait() {
    everywhere(|| {
        let (sender, receiver) = mpsc::channel();
        let handle = spawn(thread::park);
        let (slow, quick) = (sender.clone(), sender);
        handle.link(move || {
            sleep(Duration::from_millis(2));
            let inner = spawn(|| "slow");
            inner.link(|| ());
            slow.send(inner.join().unwrap()).unwrap();
        });
        handle.link(move || quick.send("quick").unwrap());
        handle.thread().unpark();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), ["slow", "quick"]);
        handle.join().unwrap();
    });
}

#[test]
fn each_runs_once_while_links_race_the_end() {
    within(LONG, || {
        let ran = Arc::new(AtomicUsize::new(0));
        for round in 0..2_000 {
            let handle = spawn(thread::park);
            let unparker = handle.thread().clone();
            let ender = spawn(move || unparker.unpark());
            for _ in 0..5 {
                let ran = ran.clone();
                handle.link(move || _ = ran.fetch_add(1, Ordering::SeqCst));
            }
            if round % 2 == 0 {
                handle.join().unwrap();
            }
            ender.join().unwrap();
        }
        until("all have run", || ran.load(Ordering::SeqCst) >= 10_000);
        // A second run of one would come with the end of others.
        (0..1_000).for_each(|_| spawn(|| ()).join().unwrap());
        assert_eq!(ran.load(Ordering::SeqCst), 10_000);
    });
}
