//! Bugs that were found once in descriptors and in the blocking pool: a test named for each.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use greenloop::{Source, run, spawn, spawn_blocking, spawn_local, yield_now};

use crate::child::{Child, this_test};
use crate::counted::Drops;
use crate::within::{LONG, within};

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
    let brief = Some(Duration::from_millis(5));
    let late = reader.read(brief, |_| (&*ours).read(&mut [0]));
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
