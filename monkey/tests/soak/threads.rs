//! Threads that come and go, with thread-locals: by their end, a panic, a kill, a timeout.

use crate::kind::Kind;
use crate::sockets::uninterrupted;
use crate::tally::{KILLS, LOCALS, PANICS, Pair, SPAWNS, TIMEOUTS, VALUES, goes_on};
use greenloop::Killed;
use std::cell::RefCell;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::panic;
use std::thread;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(2);
const ON_PURPOSE: &str = "on purpose";

/// Counts its beginning and its end.
struct Counted(&'static Pair);

impl Counted {
    fn new(pair: &'static Pair) -> Counted {
        pair.give(1);
        Counted(pair)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.take(1);
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
}

/// Leaves something for the thread's end; nobody else's is there.
fn keep() {
    KEPT.with_borrow_mut(|kept| {
        assert!(
            kept.is_empty(),
            "the last one's thread-locals are still there"
        );
        kept.extend([Counted::new(&LOCALS), Counted::new(&LOCALS)]);
    });
}

/// Does not print the panics of this file.
pub(crate) fn hide_panics_on_purpose() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref() != Some(&ON_PURPOSE) {
            others(info);
        }
    }));
}

/// Some at a time, of both kinds, of which some sleep and one panics.
pub(crate) fn spawn(kind: Kind) {
    while goes_on() {
        let child = |n: u64| {
            SPAWNS.give(1);
            let kind = if n < 12 { kind } else { kind.other() };
            kind.spawn(move || {
                keep();
                let _value = Counted::new(&VALUES);
                match n {
                    3 => thread::sleep(SHORT),
                    7 => {
                        PANICS.give(1);
                        panic::panic_any(ON_PURPOSE);
                    }
                    _ => {}
                }
                n
            })
        };
        let children: Vec<_> = (0..15).map(child).collect();
        for (n, child) in (0..).zip(children) {
            match child.result() {
                Ok(result) => assert_eq!(result, n),
                Err(payload) => {
                    assert_eq!((n, payload.downcast_ref()), (7, Some(&ON_PURPOSE)));
                    PANICS.take(1);
                }
            }
            SPAWNS.take(1);
        }
    }
}

/// Waits that are cut: on a green thread by kills and timeouts, on an OS thread by the socket's.
pub(crate) fn end_early(kind: Kind) {
    for round in 0.. {
        if !goes_on() {
            break;
        }
        match (kind, round % 3) {
            (Kind::Os, _) => socket_times_out(),
            (Kind::Green, 0) => read_times_out(),
            (Kind::Green, 1) => kill(|stream| assert_canceled(stream.read(&mut [0]))),
            (Kind::Green, _) => kill(|_| greenloop::thread::park()),
        }
    }
}

fn socket_times_out() {
    let (mut ours, _theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(SHORT)).unwrap();
    TIMEOUTS.give(1);
    let error = uninterrupted(Kind::Os, || ours.read(&mut [0])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    TIMEOUTS.take(1);
}

fn read_times_out() {
    let (mut ours, _theirs) = UnixStream::pair().unwrap();
    TIMEOUTS.give(1);
    let result = greenloop::timeout(SHORT, || {
        let _value = Counted::new(&VALUES);
        assert_canceled(ours.read(&mut [0]));
    });
    assert!(result.is_err(), "the time did not run out");
    TIMEOUTS.take(1);
}

fn assert_canceled(result: std::io::Result<usize>) {
    let error = result.expect_err("nothing was sent");
    assert_eq!(error.raw_os_error(), Some(libc::ECANCELED), "{error}");
}

/// Kills one that waits, or is about to.
fn kill(wait: impl FnOnce(&mut UnixStream) + Send + 'static) {
    let (mut ours, _theirs) = UnixStream::pair().unwrap();
    KILLS.give(1);
    let victim = greenloop::spawn(move || {
        keep();
        let _value = Counted::new(&VALUES);
        wait(&mut ours);
    });
    thread::sleep(SHORT);
    victim.kill();
    // What ends with the error of a call ends as it likes.
    if let Err(payload) = victim.join() {
        assert!(payload.is::<Killed>(), "it ended otherwise");
    }
    KILLS.take(1);
}
