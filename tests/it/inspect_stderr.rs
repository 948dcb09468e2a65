//! Dumps on standard error, at a panic and at a signal: they come, once, and hold nobody up.

use std::fmt;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{self, catch_unwind};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use greenloop::sync::Mutex;
use greenloop::{inspect, run, run_strict, spawn, thread};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use crate::child::{Child, End, this_test};
use crate::inspect::{dump_when_waiting, named};
use crate::within::LONG;

/// What a dump says of `left_behind`.
const LEFT_BEHIND: &str = "'left behind': waiting to be unparked";

fn left_behind() {
    drop(named("left behind", thread::park));
    drop(dump_when_waiting("left behind"));
}

fn dumps(end: &End) -> usize {
    let is_title = |line: &&str| line.contains(" green threads, ") && line.contains(" workers");
    end.stderr.lines().filter(is_title).count()
}

/// Panicked with `message`, and printed one dump, with the one left behind, after that.
#[track_caller]
fn assert_dumped_once(end: &End, message: &str) {
    let (_, after) = end.stderr.split_once(message).expect("it panics");
    assert!(after.contains(LEFT_BEHIND), "{end}");
    assert_eq!(dumps(end), 1, "{end}");
}

fn quit() {
    kill_process(Pid::from_raw(process::id() as i32).unwrap(), Signal::QUIT).unwrap();
}

#[test]
fn a_panic_that_holds_stderr_s_lock_prints_a_dump_and_ends() {
    let end = Child::new(this_test!()).run(|| {
        left_behind();
        inspect::on_panic();
        let _locked = io::stderr().lock();
        panic!("with the lock");
    });
    assert_dumped_once(&end, "with the lock");
}

#[test]
fn a_panic_inside_eprintln_prints_a_dump_and_ends() {
    struct Panics;

    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("of a Display")
        }
    }

    let end = Child::new(this_test!()).run(|| {
        left_behind();
        inspect::on_panic();
        eprintln!("{Panics}");
    });
    assert_dumped_once(&end, "of a Display");
}

/// Standard error, which is a pair of sockets for as long as this lives.
struct Socket {
    before: OwnedFd,
    reader: UnixStream,
    writer: UnixStream,
}

impl Socket {
    fn new() -> Socket {
        // Kept open, as its end is the child's end.
        let before = io::stderr().as_fd().try_clone_to_owned().unwrap();
        let (reader, writer) = UnixStream::pair().unwrap();
        reader.set_read_timeout(Some(LONG / 4)).unwrap();
        rustix::stdio::dup2_stderr(&writer).unwrap();
        Socket {
            before,
            reader,
            writer,
        }
    }

    /// One that takes little at once.
    fn small() -> Socket {
        let socket = Socket::new();
        let writer = socket2::SockRef::from(&socket.writer);
        writer.set_send_buffer_size(1).unwrap();
        socket
    }

    /// Reads until `text` has come.
    fn wait_for(&self, text: &str) {
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains(text) {
            let mut some = [0; 4096];
            let count = (&self.reader).read(&mut some).expect("a dump");
            said.extend_from_slice(&some[..count]);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        rustix::stdio::dup2_stderr(&self.before).unwrap();
    }
}

#[test]
fn a_panic_ends_though_nobody_reads_stderr() {
    let child = Child::new(this_test!()).limit(LONG);
    child.passes(|| {
        drop(
            (0..1000)
                .map(|_| named("many", thread::park))
                .collect::<Vec<_>>(),
        );
        // Else the message alone could fill it.
        panic::set_hook(Box::new(|_| ()));
        inspect::on_panic();
        let _unread = Socket::small();
        assert!(catch_unwind(|| panic!("unread")).is_err());
    });
}

#[test]
fn a_panic_s_dump_is_whole_if_stderr_does_not_block() {
    Child::new(this_test!()).passes(|| {
        let count = 1000;
        drop(
            (0..count)
                .map(|_| named("many", thread::park))
                .collect::<Vec<_>>(),
        );
        panic::set_hook(Box::new(|_| ()));
        inspect::on_panic();
        let socket = Socket::small();
        fcntl_setfl(socket.writer.as_fd(), OFlags::NONBLOCK).unwrap();
        let mut reader = socket.reader.try_clone().unwrap();
        let reading = std::thread::spawn(move || {
            let mut said = String::new();
            reader.read_to_string(&mut said).unwrap();
            said
        });
        assert!(catch_unwind(|| panic!("slowly read")).is_err());
        drop(socket);
        let said = reading.join().unwrap();
        assert_eq!(said.matches("'many'").count(), count, "{said}");
        assert!(said.ends_with('\n'));
    });
}

#[test]
fn a_panic_with_stderr_closed_ends() {
    Child::new(this_test!()).passes(|| {
        left_behind();
        panic::set_hook(Box::new(|_| ()));
        inspect::on_panic();
        let socket = Socket::new();
        socket.reader.shutdown(Shutdown::Both).unwrap(); // each write fails with `EPIPE`
        assert!(catch_unwind(|| panic!("unheard")).is_err());
    });
}

#[test]
fn a_panic_in_a_run_of_the_one_who_asked_prints_a_dump() {
    let end = Child::new(this_test!()).run(|| {
        left_behind();
        inspect::on_panic();
        run(|| {
            let other = spawn(|| panic!("of another one"));
            assert!(other.join().is_err());
            panic!("of the first one")
        })
    });
    assert_dumped_once(&end, "of the first one");
}

#[test]
fn a_panic_after_a_run_that_asked_prints_a_dump() {
    let end = Child::new(this_test!()).run(|| {
        left_behind();
        run(inspect::on_panic);
        panic!("of main");
    });
    assert_dumped_once(&end, "of main");
}

/// One that waits for its own end by a lock.
fn waits_for_itself() {
    let mutex = Mutex::new(());
    let _held = mutex.lock();
    drop(mutex.lock());
}

#[test]
fn a_run_without_a_future_shows_who_was_in_it() {
    let asks: [fn(); 2] = [
        || {
            inspect::on_panic();
            run(waits_for_itself);
        },
        || {
            run(|| {
                inspect::on_panic();
                waits_for_itself();
            })
        },
    ];
    let end = Child::new(this_test!()).run(|| {
        left_behind();
        for ask in asks {
            // An OS thread each, as each asks for itself.
            assert!(std::thread::spawn(ask).join().is_err());
        }
    });
    assert_eq!(dumps(&end), 2, "{end}");
    for after in end.stderr.split("would wait forever").skip(1) {
        let mut lines = after.lines();
        let waits = lines.find(|it| it.contains("'main': locking the mutex at "));
        let waits = waits.unwrap_or_else(|| panic!("it is not shown: {end}"));
        assert!(waits.contains(", held by green thread "), "{end}");
        assert!(after.contains(LEFT_BEHIND), "{end}");
        assert!(!after.contains("hung"), "{end}");
    }
}

#[test]
fn a_strict_run_without_a_future_shows_who_was_in_it() {
    let end = Child::new(this_test!()).run(|| {
        left_behind();
        inspect::on_panic();
        // What was seen at an exit that is caught is not shown for another panic.
        let caught = || run_strict(|| catch_unwind(thread::park).is_err());
        assert!(caught());
        let later = named("later", thread::park);
        drop(dump_when_waiting("later"));
        run_strict(thread::park);
        drop(later);
    });
    assert_dumped_once(&end, "would block forever");
    let (_, after) = end.stderr.split_once("would block forever").unwrap();
    for who in ["'main': waiting to be unparked", "'later': waiting to be"] {
        assert!(after.contains(who), "{end}");
    }
}

#[test]
fn a_panic_of_one_who_asked_twice_prints_one_dump() {
    let end = Child::new(this_test!()).run(|| {
        left_behind();
        inspect::on_panic();
        inspect::on_panic();
        run(|| {
            inspect::on_panic();
            assert!(catch_unwind(|| panic!("of the first one")).is_err());
        });
        assert!(catch_unwind(|| panic!("of main")).is_err());
        // Each has its own, and each panic.
        let other = std::thread::spawn(|| {
            inspect::on_panic();
            panic!("of another one")
        });
        assert!(other.join().is_err());
    });
    assert_eq!(dumps(&end), 3, "{end}");
}

#[test]
fn of_two_who_ask_at_once_both_have_their_dump() {
    const ROUNDS: usize = 50; // a race: each of them is another one
    let end = Child::new(this_test!()).run(|| {
        for _ in 0..ROUNDS {
            two_at_once(|| {
                inspect::on_panic();
                assert!(catch_unwind(|| panic!("of each")).is_err());
            });
        }
    });
    assert_eq!(dumps(&end), 2 * ROUNDS, "{end}");
}

/// Runs `f` on two OS threads.
fn two_at_once(f: fn()) {
    let here = Arc::new(AtomicUsize::new(0));
    let both = [here.clone(), here].map(|here| {
        std::thread::spawn(move || {
            here.fetch_add(1, Ordering::SeqCst);
            while here.load(Ordering::SeqCst) < 2 {
                std::hint::spin_loop();
            }
            f();
        })
    });
    both.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn sigquit_prints_a_dump_while_somebody_holds_stderr_s_lock() {
    Child::new(this_test!()).passes(|| {
        inspect::on_signal().unwrap();
        left_behind();
        let _locked = io::stderr().lock();
        for _ in 0..2 {
            let socket = Socket::new();
            quit();
            socket.wait_for(LEFT_BEHIND);
        }
    });
}

#[test]
fn no_sigquit_ends_the_process_once_on_signal_has_returned() {
    // A race: each of them is another one.
    for _ in 0..40 {
        let end = Child::new(this_test!()).run(|| {
            two_at_once(|| {
                inspect::on_signal().unwrap();
                quit();
            });
        });
        assert!(end.status.success(), "{end}");
    }
}

#[test]
fn sigquit_prints_a_dump_though_main_has_blocked_it() {
    let blocked = r#"exec env --block-signal=QUIT "$0" --exact "$1" --nocapture --test-threads=1"#;
    Child::new(this_test!()).setup(blocked).passes(|| {
        inspect::on_signal().unwrap();
        left_behind();
        let socket = Socket::new();
        quit();
        socket.wait_for(LEFT_BEHIND);
    });
}
