//! `Source`: waiting with a descriptor of one's own.

use greenloop::{Source, are_hooks_off, run, sleep, spawn, yield_now};
use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::within::{LONG, within};

fn pair() -> (Source<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Source::new(ours), theirs)
}

#[test]
fn a_wait_ends_when_there_is_something_to_read() {
    within(LONG, || {
        let (source, mut theirs) = pair();
        let reader = spawn(move || {
            source.wait_readable(None)?;
            source.read(None, |mut io| io.read(&mut [0; 8]))
        });
        theirs.write_all(b"four").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), 4);
    });
}

#[test]
fn a_wait_that_is_too_long_is_timed_out() {
    for on_green_thread in [false, true] {
        let wait = || {
            let (source, _theirs) = pair();
            let (start, short) = (Instant::now(), Duration::from_millis(10));
            let error = source.wait_readable(Some(short)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert!(start.elapsed() >= short);
            source.wait_writable(Some(short)).unwrap();
        };
        if on_green_thread {
            spawn(wait).join().unwrap()
        } else {
            wait()
        }
    }
}

#[test]
fn what_was_marked_drained_is_read_when_more_comes() {
    within(LONG, || {
        let (source, mut theirs) = pair();
        let reader = spawn(move || {
            let mut all = Vec::new();
            let mut buffer = [0; 16];
            loop {
                match source.read(None, |mut io| io.read(&mut buffer)).unwrap() {
                    0 => return all,
                    count => {
                        all.extend_from_slice(&buffer[..count]);
                        source.mark_drained();
                    }
                }
            }
        });
        for part in [&b"one "[..], b"two ", b"three"] {
            theirs.write_all(part).unwrap();
            sleep(Duration::from_millis(1));
        }
        drop(theirs);
        assert_eq!(reader.join().unwrap(), b"one two three");
    });
}

#[test]
fn a_regular_file_cannot_be_waited_for() {
    let handle = spawn(|| {
        let source = Source::new(File::open("/dev/null").unwrap());
        let would_block = |_: &File| Err::<(), _>(ErrorKind::WouldBlock.into());
        source.read(Some(Duration::from_secs(5)), would_block)
    });
    assert_eq!(
        handle.join().unwrap().unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
}

// For the monkey patch: the runtime's own calls are marked, and the mark belongs to one green thread.
#[test]
fn its_calls_are_marked_as_the_runtimes_own() {
    run(|| {
        let (source, _theirs) = pair();
        let inside = Rc::new(Cell::new(false));
        let mark = inside.clone();
        let sibling = greenloop::spawn_local(move || assert!(!are_hooks_off() && mark.get()));
        let seen = source.write(None, |_| {
            inside.set(true);
            assert!(are_hooks_off());
            yield_now();
            Ok(are_hooks_off())
        });
        assert!(seen.unwrap() && !are_hooks_off());
        sibling.join().unwrap();
    });
}
