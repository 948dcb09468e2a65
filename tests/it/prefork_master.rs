//! Prefork, from within: masters and workers that misbehave. Each runs in a process of its own.

use std::env;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use greenloop::prefork::{Prefork, Worker};
use greenloop::process;
use greenloop::signal::{SIGHUP, SIGTERM};

use crate::alone::alone;
use crate::child::{Child, this_test};
use crate::graceful::signal_to;
use crate::prefork::children;
use crate::within::{LONG, until};

/// A file into which masters and workers write a line each time, gone with its test.
struct Book;

impl Book {
    const VARIABLE: &str = "GREENLOOP_TEST_BOOK";

    /// Runs `body` in a child, and in the workers that it starts.
    fn passes(child: Child, body: fn()) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("greenloop-prefork-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        child.variable(Book::VARIABLE, path.display()).passes(body);
        let _ = fs::remove_file(path);
    }

    fn write(line: &str) {
        let path = env::var_os(Book::VARIABLE).unwrap();
        let file = fs::OpenOptions::new().append(true).create(true).open(path);
        file.unwrap()
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    fn read() -> Vec<String> {
        let path = env::var_os(Book::VARIABLE).unwrap();
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_worker_that_dies_at_once_is_started_less_and_less_often() {
    Book::passes(Child::new(this_test!()), || {
        if Worker::take().unwrap().is_some() {
            Book::write("born");
            process::exit(1);
        }
        let start = Instant::now();
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(2)); // the time that the pauses are counted in
            signal_to(process::id(), SIGTERM);
        });
        assert!(Prefork::new(1).run().unwrap());
        // 10, 20, 40 ms and so on: the pauses alone make n starts take 10 ms * (2^(n - 1) - 1).
        let (starts, took) = (Book::read().len(), start.elapsed());
        assert!(starts >= 2, "{starts}");
        let pauses = Duration::from_millis(10 * ((1 << (starts - 1)) - 1));
        assert!(pauses <= took, "{starts} starts in {took:?}");
    });
}

#[test]
fn a_reload_whose_workers_fail_leaves_the_old_ones() {
    Book::passes(Child::new(this_test!()), || {
        if let Some(worker) = Worker::take().unwrap() {
            let is_first = Book::read().is_empty();
            Book::write("born");
            if is_first {
                worker.ready().unwrap();
                worker.stop().wait();
                Book::write("stopped");
            }
            return;
        }
        thread::spawn(|| {
            until("the first worker", || Book::read().len() == 1);
            signal_to(process::id(), SIGHUP);
            until("a second one", || Book::read().len() >= 2);
            signal_to(process::id(), SIGTERM);
        });
        assert!(Prefork::new(1).run().unwrap());
        let lines = Book::read();
        assert_eq!(lines.last().unwrap(), "stopped", "{lines:?}");
    });
}

#[test]
fn one_that_does_not_end_is_killed_after_a_while_or_by_a_second_signal() {
    for drain in [Duration::from_millis(50), LONG * 10] {
        let child = Child::new(this_test!());
        let child = child.variable("GREENLOOP_TEST_DRAIN", drain.as_millis());
        Book::passes(child, || {
            if let Some(worker) = Worker::take().unwrap() {
                worker.ready().unwrap();
                Book::write("ready");
                worker.stop().wait();
                Book::write("deaf");
                loop {
                    thread::park();
                }
            }
            let drain = env::var("GREENLOOP_TEST_DRAIN").unwrap().parse().unwrap();
            thread::spawn(|| {
                until("the worker", || Book::read().len() == 1);
                signal_to(process::id(), SIGTERM);
                until("the worker has heard", || Book::read().len() == 2);
                signal_to(process::id(), SIGTERM);
            });
            let prefork = Prefork::new(1).drain(Duration::from_millis(drain));
            assert!(!prefork.run().unwrap(), "it was killed");
        });
    }
}

#[test]
fn a_master_may_be_a_green_thread_and_is_ended_by_a_kill() {
    Book::passes(Child::new(this_test!()), || {
        if let Some(worker) = Worker::take().unwrap() {
            Book::write("born");
            worker.stop().wait();
            Book::write("stopped");
            return;
        }
        let master = greenloop::spawn(|| Prefork::new(2).run());
        until("the workers", || Book::read().len() == 2);
        master.kill();
        until("their end", || Book::read().len() == 4);
        until("nobody is left", || children(process::id()).is_empty());
    });
}

#[test]
fn the_child_of_a_worker_is_none_and_a_worker_is_one_once() {
    Book::passes(Child::new(this_test!()), || {
        if env::var_os("GREENLOOP_TEST_GRANDCHILD").is_some() {
            return Book::write(&format!("{:?}", Worker::take().unwrap().is_some()));
        }
        if Worker::take().unwrap_or_else(report).is_some() {
            let error = Worker::take().unwrap_err();
            Book::write(&format!("{:?}", error.kind()));
            let mut again = Command::new(env::current_exe().unwrap());
            again
                .args(env::args().skip(1))
                .env("GREENLOOP_TEST_GRANDCHILD", "1");
            assert!(again.status().unwrap().success());
            signal_to(std::os::unix::process::parent_id(), SIGTERM);
            return;
        }
        assert!(Prefork::new(1).run().unwrap());
        assert_eq!(Book::read()[..2], ["InvalidInput", "false"]);
    });
}

fn report(error: io::Error) -> Option<Worker> {
    Book::write(&error.to_string());
    None
}

#[test]
fn no_workers_are_an_error() {
    alone(
        concat!(module_path!(), "::no_workers_are_an_error"),
        "",
        || {
            assert!(Worker::take().unwrap().is_none());
            let error = Prefork::new(0).run().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        },
    );
}
