//! `read` and `write` on full green threads, of what is neither socket, pipe nor terminal.

mod common;

use common::{SHORT, c, errno, everywhere, in_hub, read, write};
use greenloop::spawn_local;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::{env, fs, process, ptr};

/// A path of its own.
fn path(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let next = NEXT.fetch_add(1, SeqCst);
    env::temp_dir().join(format!("greenloop-io-{name}-{}-{next}", process::id()))
}

fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the descriptor is new.
    unsafe { OwnedFd::from_raw_fd(c(fd).unwrap() as RawFd) }
}

#[test]
fn an_eventfd_counts() {
    everywhere(|| {
        // SAFETY: no memory is passed.
        let event = owned(unsafe { libc::eventfd(0, 0) });
        let other = event.try_clone().unwrap();
        let adding = thread::spawn(move || {
            thread::sleep(SHORT);
            write(&other, &7u64.to_ne_bytes()).unwrap();
        });
        let mut count = [0; 8];
        assert_eq!(errno(read(&event, &mut count[..4])), libc::EINVAL);
        assert_eq!(read(&event, &mut count).unwrap(), 8);
        assert_eq!(u64::from_ne_bytes(count), 7);
        adding.join().unwrap();
        // Full: there is room for one more, but not for two.
        write(&event, &(u64::MAX - 2).to_ne_bytes()).unwrap();
        let other = event.try_clone().unwrap();
        let taking = thread::spawn(move || {
            thread::sleep(SHORT);
            read(&other, &mut [0; 8]).unwrap();
        });
        write(&event, &2u64.to_ne_bytes()).unwrap();
        taking.join().unwrap();
        assert_eq!(read(&event, &mut count).unwrap(), 8);
        assert_eq!(u64::from_ne_bytes(count), 2);
    });
}

#[test]
fn a_timerfd_goes_off() {
    everywhere(|| {
        // SAFETY: no memory is passed.
        let timer = owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, 0) });
        let zero = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let soon = libc::timespec {
            tv_sec: 0,
            tv_nsec: 30_000_000,
        };
        let value = libc::itimerspec {
            it_interval: zero,
            it_value: soon,
        };
        // SAFETY: a valid time; the old one is not asked for.
        let set = unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &value, ptr::null_mut()) };
        assert_eq!(set, 0);
        let mut count = [0; 8];
        assert_eq!(read(&timer, &mut count).unwrap(), 8);
        assert_eq!(u64::from_ne_bytes(count), 1);
    });
}

#[test]
fn inotify_tells_of_files() {
    everywhere(|| {
        let directory = path("watched");
        fs::create_dir(&directory).unwrap();
        let name = std::ffi::CString::new(directory.to_str().unwrap()).unwrap();
        // SAFETY: a C string.
        let watch = unsafe {
            let watch = owned(libc::inotify_init1(0));
            assert!(libc::inotify_add_watch(watch.as_raw_fd(), name.as_ptr(), libc::IN_CREATE) > 0);
            watch
        };
        let file = directory.join("new");
        let creating = thread::spawn(move || {
            thread::sleep(SHORT);
            File::create(file).unwrap();
        });
        let mut event = [0; 300];
        assert!(read(&watch, &mut event).unwrap() > 0);
        creating.join().unwrap();
        fs::remove_dir_all(directory).unwrap();
    });
}

#[test]
fn a_signalfd_tells_of_signals() {
    in_hub(|| {
        // SAFETY: a set of the signals, which this OS thread alone is sent.
        unsafe {
            let mut signals: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut signals);
            libc::sigaddset(&mut signals, libc::SIGUSR2);
            assert_eq!(
                libc::pthread_sigmask(libc::SIG_BLOCK, &signals, ptr::null_mut()),
                0
            );
            let signal = owned(libc::signalfd(-1, &signals, 0));
            let tid = libc::syscall(libc::SYS_gettid);
            let raising = spawn_local(move || {
                thread::sleep(SHORT);
                libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGUSR2);
            });
            let mut told = [0; size_of::<libc::signalfd_siginfo>()];
            assert_eq!(
                read(&signal, &mut told).unwrap().cast_unsigned(),
                told.len()
            );
            assert_eq!(told[..4], libc::SIGUSR2.to_ne_bytes());
            raising.join().unwrap();
        }
    });
}

#[test]
fn regular_files_and_devices_are_read_as_ever() {
    everywhere(|| {
        let path = path("file");
        let data: Vec<u8> = (0..3 << 20).map(|index| (index * 7 / 3) as u8).collect();
        fs::write(&path, &data).unwrap();
        let mut file = File::options().read(true).append(true).open(&path).unwrap();
        let mut all = vec![0; data.len() + 10];
        assert_eq!(read(&file, &mut all).unwrap().cast_unsigned(), data.len());
        assert!(all[..data.len()] == data);
        assert_eq!(read(&file, &mut all).unwrap(), 0);
        assert_eq!(write(&file, b"more").unwrap(), 4);
        file.seek(io::SeekFrom::End(-4)).unwrap();
        let mut more = String::new();
        file.read_to_string(&mut more).unwrap();
        assert_eq!(more, "more");
        fs::remove_file(path).unwrap();

        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        assert_eq!(read(&null, &mut [0; 8]).unwrap(), 0);
        assert_eq!(write(&null, &[0; 100]).unwrap(), 100);
        let mut zeroes = [1; 1000];
        assert_eq!(
            read(&File::open("/dev/zero").unwrap(), &mut zeroes).unwrap(),
            1000
        );
        assert_eq!(zeroes, [0; 1000]);
        let directory = File::open(env::temp_dir()).unwrap();
        assert_eq!(errno(read(&directory, &mut [0])), libc::EISDIR);
        let write_only = File::options().write(true).open("/dev/null").unwrap();
        assert_eq!(errno(read(&write_only, &mut [0])), libc::EBADF);
        assert_eq!(errno(write(&directory, &[0])), libc::EBADF);
    });
}
