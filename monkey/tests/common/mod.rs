//! What the tests of descriptors share: patched green threads, and an end to tests that would hang.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::Location;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for every test that does not hang, on a slow and busy machine.
const LONG: Duration = Duration::from_secs(120);

/// How many green threads a test has at once.
pub(crate) const TWENTY: usize = 20;

pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// Patches the program, and runs `f` on an OS thread; ends the process if it hangs, as there is no
/// other way.
#[track_caller]
pub(crate) fn within<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    greenloop::monkey::patch_all().expect("this system can be patched");
    let (sender, receiver) = mpsc::channel();
    let runner = thread::spawn(move || {
        let _ = sender.send(f());
    });
    match receiver.recv_timeout(LONG) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => {
            eprintln!("it hangs: {}", Location::caller());
            std::process::abort();
        }
        Err(RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(runner.join().unwrap_err())
        }
    }
}

/// Runs `f` on a green thread of a hub.
#[track_caller]
pub(crate) fn in_hub<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    within(|| greenloop::run(f))
}

/// Runs `f` on an OS thread, on a green thread of a hub, and on one of the workers: it has to do
/// the same in all places.
#[track_caller]
pub(crate) fn everywhere(f: impl Fn() + Send + Sync + Copy + 'static) {
    within(f);
    in_hub(f);
    within(move || greenloop::spawn(f).join().unwrap());
}

/// The result of a call of the C library.
pub(crate) fn c<T: Copy + TryInto<isize>>(result: T) -> io::Result<isize>
where
    T::Error: std::fmt::Debug,
{
    match result.try_into().unwrap() {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// The `errno` of a failure.
#[track_caller]
pub(crate) fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().expect("an errno")
}

/// Waits until something is seen, for at most `LONG`.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "never happened: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The descriptor's mode.
pub(crate) fn is_nonblocking(fd: &impl AsRawFd) -> bool {
    // SAFETY: no memory is passed.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK != 0
}

/// Sets an option of a socket.
pub(crate) fn set_option(fd: RawFd, name: i32, value: i32) {
    let size = size_of::<i32>() as libc::socklen_t;
    // SAFETY: a number of that size.
    let result =
        unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const value).cast(), size) };
    assert_eq!(result, 0);
}

/// Reads by the C library.
pub(crate) fn read(fd: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<isize> {
    // SAFETY: the buffer is that long.
    c(unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })
}

/// Writes by the C library.
pub(crate) fn write(fd: &impl AsRawFd, buffer: &[u8]) -> io::Result<isize> {
    // SAFETY: the buffer is that long.
    c(unsafe { libc::write(fd.as_raw_fd(), buffer.as_ptr().cast(), buffer.len()) })
}
