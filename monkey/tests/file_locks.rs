//! Locks of files, which green threads of one worker want at once.

mod common;

use common::{SHORT, c, errno, in_hub};
use greenloop::{spawn, timeout};
use std::cell::Cell;
use std::ffi::c_int;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread;

/// A name of a file for this test alone.
fn path(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("greenloop-{test}-{}", std::process::id()))
}

fn flock(file: &File) -> std::io::Result<isize> {
    // SAFETY: no memory is passed.
    c(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) })
}

/// A lock of the whole file, of this opening of it.
fn lock_range(file: &File) -> std::io::Result<isize> {
    // SAFETY: plain data, for which zeros are valid.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = libc::F_WRLCK as libc::c_short;
    let command: c_int = libc::F_OFD_SETLKW;
    // SAFETY: the description of the range outlives the call.
    c(unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const whole) })
}

fn only_one_has_it(test: &'static str, lock: fn(&File) -> std::io::Result<isize>) {
    in_hub(move || {
        let owners = Rc::new(Cell::new(0));
        let all = [0; 3].map(|_| {
            let owners = owners.clone();
            greenloop::spawn_local(move || {
                let file = File::create(path(test)).unwrap();
                lock(&file).unwrap();
                assert_eq!(owners.replace(1), 0);
                thread::sleep(SHORT);
                owners.set(0);
            })
        });
        for one in all {
            one.join().unwrap();
        }
        std::fs::remove_file(path(test)).unwrap();
    });
}

#[test]
fn a_file_locked_by_a_green_thread_that_waits_does_not_block_its_worker() {
    only_one_has_it("flock", flock);
}

#[test]
fn nor_does_a_locked_range() {
    only_one_has_it("range", lock_range);
}

/// A lock of the file, of the process: one of an opening of it keeps it away.
fn lockf(file: &File) -> std::io::Result<isize> {
    // SAFETY: no memory is passed.
    c(unsafe { libc::lockf(file.as_raw_fd(), libc::F_LOCK, 0) })
}

#[test]
fn lockf_waits_too() {
    in_hub(|| {
        let owner = File::create(path("lockf")).unwrap();
        lock_range(&owner).unwrap();
        let other = greenloop::spawn_local(|| {
            let file = File::create(path("lockf")).unwrap();
            lockf(&file).unwrap();
        });
        thread::sleep(SHORT);
        assert!(!other.is_finished());
        drop(owner);
        other.join().unwrap();
        std::fs::remove_file(path("lockf")).unwrap();
    });
}

#[test]
fn a_timeout_cuts_the_wait_for_a_file() {
    in_hub(|| {
        let owner = File::create(path("cut")).unwrap();
        flock(&owner).unwrap();
        let result = spawn(|| {
            let file = File::create(path("cut")).unwrap();
            let mut result = Ok(0);
            let _ = timeout(SHORT, || result = flock(&file));
            result
        });
        assert_eq!(errno(result.join().unwrap()), libc::ECANCELED);
        std::fs::remove_file(path("cut")).unwrap();
    });
}
