//! The C library's calls, none of which has to wait here.

use crate::report::{Meter, Report, Took, report};
use libc::{c_int, c_void, pthread_mutex_t};
use std::cell::UnsafeCell;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Bytes of a message.
const SIZE: usize = 64;
/// Messages that a socket's buffer and a pipe hold at least.
const BATCH: usize = 128;
const BATCHES: usize = 1500;
/// Pairs of a lock and an unlock.
const PAIRS: usize = 5_000_000;

/// A call whose times are taken.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Send,
    Recv,
    Write,
    Read,
    Close,
    Mutex,
}

/// Measures the call where this is called.
pub fn run(call: Call) -> Report {
    match call {
        Call::Send | Call::Recv => sockets(call),
        Call::Write | Call::Read => pipe(call),
        Call::Close => close(),
        Call::Mutex => mutex(),
    }
}

fn sockets(call: Call) -> Report {
    let (a, b) = UnixStream::pair().expect("a pair of sockets");
    let (from, to) = (b.as_raw_fd(), a.as_raw_fd());
    let mut buffer = [0u8; SIZE];
    let message = [1u8; SIZE];
    // SAFETY: both buffers are that long.
    let send = || unsafe { libc::send(to, message.as_ptr().cast(), SIZE, 0) };
    // SAFETY: as above.
    let receive = || unsafe { libc::recv(from, buffer.as_mut_ptr().cast(), SIZE, 0) };
    match call {
        Call::Send => pairs("send", send, receive, true),
        _ => pairs("recv", send, receive, false),
    }
}

fn pipe(call: Call) -> Report {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (from, to) = (reader.as_raw_fd(), writer.as_raw_fd());
    let mut buffer = [0u8; SIZE];
    let message = [1u8; SIZE];
    // SAFETY: both buffers are that long.
    let write = || unsafe { libc::write(to, message.as_ptr().cast(), SIZE) };
    // SAFETY: as above.
    let read = || unsafe { libc::read(from, buffer.as_mut_ptr().cast::<c_void>(), SIZE) };
    match call {
        Call::Write => pairs("write", write, read, true),
        _ => pairs("read", write, read, false),
    }
}

/// Puts messages in and takes them out, batch by batch, and measures one of both.
fn pairs(
    name: &str,
    mut put: impl FnMut() -> isize,
    mut take: impl FnMut() -> isize,
    is_put: bool,
) -> Report {
    let batch = |call: &mut dyn FnMut()| (0..BATCH).for_each(|_| call());
    let mut sum = Took { wall: 0, cpu: 0 };
    for _ in 0..BATCHES {
        let put = timed(|| batch(&mut || assert_eq!(put(), SIZE as isize)));
        let take = timed(|| batch(&mut || assert_eq!(take(), SIZE as isize)));
        add(&mut sum, if is_put { put } else { take });
    }
    report(name, BATCH * BATCHES, sum)
}

fn close() -> Report {
    let original = std::io::pipe().expect("a pipe").0;
    let mut sum = Took { wall: 0, cpu: 0 };
    for _ in 0..BATCHES {
        // SAFETY: no memory is passed.
        let copy = |_| unsafe { libc::dup(original.as_raw_fd()) };
        let copies: Vec<RawFd> = (0..BATCH).map(copy).collect();
        let end = |fd: RawFd| {
            // SAFETY: a copy made above, which nobody else knows.
            let result = unsafe { libc::close(fd) };
            assert_eq!(result, 0);
        };
        add(&mut sum, timed(|| copies.into_iter().for_each(end)));
    }
    report("close", BATCH * BATCHES, sum)
}

fn mutex() -> Report {
    let mutex = UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER);
    let pair = |mutex: *mut pthread_mutex_t| {
        // SAFETY: initialised, and unlocked by who has locked it.
        let results: [c_int; 2] = unsafe {
            [
                libc::pthread_mutex_lock(mutex),
                libc::pthread_mutex_unlock(mutex),
            ]
        };
        assert_eq!(results, [0, 0]);
    };
    let took = timed(|| (0..PAIRS).for_each(|_| pair(mutex.get())));
    report("mutex", PAIRS, took)
}

fn timed(f: impl FnOnce()) -> Took {
    let meter = Meter::start();
    f();
    meter.stop()
}

fn add(sum: &mut Took, took: Took) {
    sum.wall += took.wall;
    sum.cpu += took.cpu;
}
