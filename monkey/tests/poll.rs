//! `poll`, `select` and `epoll_wait` on full green threads.
//!
//! Long because the three calls promise the same things, and each is tried for all of them.

mod common;

use common::{SHORT, TWENTY, c, errno, everywhere, in_hub, within};
use greenloop::{spawn, spawn_local, timeout};
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP, pollfd};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use std::{mem, ptr, thread};

fn entry(fd: &impl AsRawFd, events: i16) -> pollfd {
    pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0x7fff,
    }
}

fn poll(entries: &mut [pollfd], millis: i32) -> io::Result<isize> {
    // SAFETY: so many entries.
    c(unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as u64, millis) })
}

/// Writes a byte after a while.
fn write_soon(mut writer: PipeWriter) -> thread::JoinHandle<PipeWriter> {
    thread::spawn(move || {
        thread::sleep(SHORT);
        writer.write_all(b"x").unwrap();
        writer
    })
}

#[test]
fn poll_says_who_is_ready() {
    everywhere(|| {
        let (reader, writer) = io::pipe().unwrap();
        let (other, _writer) = io::pipe().unwrap();
        let writing = write_soon(writer);
        let mut entries = [
            entry(&other, POLLIN),
            entry(&-1, POLLIN),
            entry(&reader, POLLIN),
        ];
        assert_eq!(poll(&mut entries, -1).unwrap(), 1);
        assert_eq!(entries.map(|entry| entry.revents), [0, 0, POLLIN]);
        let writer = writing.join().unwrap();
        let mut entries = [entry(&writer, POLLOUT), entry(&reader, POLLIN | POLLPRI)];
        assert_eq!(poll(&mut entries, 1000).unwrap(), 2);
        assert_eq!(entries.map(|entry| entry.revents), [POLLOUT, POLLIN]);
    });
}

#[test]
fn poll_says_what_is_wrong() {
    everywhere(|| {
        let (reader, writer) = io::pipe().unwrap();
        let mut entries = [entry(&reader, POLLIN), entry(&9999, POLLIN)];
        assert_eq!(poll(&mut entries, -1).unwrap(), 1);
        assert_eq!(entries.map(|entry| entry.revents), [0, POLLNVAL]);
        // No event is asked for, and the end comes later.
        let closing = thread::spawn(move || {
            thread::sleep(SHORT);
            drop(writer);
        });
        let mut entries = [entry(&reader, 0)];
        assert_eq!(poll(&mut entries, -1).unwrap(), 1);
        assert_eq!(entries[0].revents, POLLHUP);
        closing.join().unwrap();

        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&[0; 65536]).unwrap();
        let closing = thread::spawn(move || {
            thread::sleep(SHORT);
            drop(reader);
        });
        let mut entries = [entry(&writer, POLLOUT)];
        assert_eq!(poll(&mut entries, -1).unwrap(), 1);
        assert!(entries[0].revents & POLLERR != 0);
        closing.join().unwrap();
        // SAFETY: the kernel refuses the address.
        let wrong = unsafe { libc::poll(ptr::without_provenance_mut(8), 1, -1) };
        assert_eq!(errno(c(wrong)), libc::EFAULT);
        // SAFETY: more entries than a process may have open: refused.
        let too_many = unsafe { libc::poll(ptr::null_mut(), u64::MAX >> 1, 1) };
        assert_eq!(errno(c(too_many)), libc::EINVAL);
    });
}

#[test]
fn poll_ends_in_time() {
    everywhere(|| {
        let (reader, _writer) = io::pipe().unwrap();
        let start = Instant::now();
        let mut entries = [entry(&reader, POLLIN)];
        assert_eq!(poll(&mut entries, 50).unwrap(), 0);
        assert_eq!(entries[0].revents, 0);
        assert_eq!(poll(&mut [], 50).unwrap(), 0);
        assert!(start.elapsed() >= Duration::from_millis(100));
        assert_eq!(poll(&mut entries, 0).unwrap(), 0);
        let time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000,
        };
        // SAFETY: one entry, a valid time, no mask.
        let found = unsafe { libc::ppoll(entries.as_mut_ptr(), 1, &time, ptr::null()) };
        assert_eq!(found, 0);
        let wrong = libc::timespec {
            tv_sec: 0,
            tv_nsec: 2_000_000_000,
        };
        // SAFETY: as above.
        let found = unsafe { libc::ppoll(entries.as_mut_ptr(), 1, &wrong, ptr::null()) };
        assert_eq!(errno(c(found)), libc::EINVAL);
    });
}

/// A regular file is always ready; for urgent data of one nobody waits for ever.
#[test]
fn poll_takes_regular_files() {
    everywhere(|| {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(poll(&mut [entry(&file, POLLIN)], -1).unwrap(), 1);
        let (reader, writer) = io::pipe().unwrap();
        let writing = write_soon(writer);
        let mut entries = [entry(&file, POLLPRI), entry(&reader, POLLIN)];
        assert_eq!(poll(&mut entries, -1).unwrap(), 1);
        assert_eq!(entries.map(|entry| entry.revents), [0, POLLIN]);
        assert_eq!(poll(&mut entries[..1], 30).unwrap(), 0);
        writing.join().unwrap();
    });
}

#[test]
fn poll_tells_urgent_data_and_the_end() {
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let sending = thread::spawn(move || {
            thread::sleep(SHORT);
            // SAFETY: one byte.
            let sent =
                unsafe { libc::send(client.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) };
            assert_eq!(sent, 1);
            client
        });
        let mut entries = [entry(&server, POLLPRI)];
        assert_eq!(poll(&mut entries, -1).unwrap(), 1);
        assert!(entries[0].revents & POLLPRI != 0);
        drop(sending.join().unwrap());
        let mut entries = [entry(&server, POLLRDHUP)];
        assert_eq!(poll(&mut entries, -1).unwrap(), 1);
        assert!(entries[0].revents & POLLRDHUP != 0);
    });
}

#[test]
fn a_kill_a_timeout_and_a_close_end_a_poll() {
    in_hub(|| {
        let (reader, _writer) = io::pipe().unwrap();
        let mut code = 0;
        let result = timeout(SHORT, || {
            code = errno(poll(&mut [entry(&reader, POLLIN)], -1))
        });
        assert!(result.is_err());
        assert_eq!(code, libc::ECANCELED);
        let fd = reader.as_raw_fd();
        let victim = spawn_local(move || {
            let mut entries = [entry(&fd, POLLIN), entry(&-1, 0)];
            assert_eq!(errno(poll(&mut entries, 60_000)), libc::ECANCELED);
            greenloop::sleep(Duration::from_secs(60));
        });
        thread::sleep(SHORT);
        victim.kill();
        assert!(victim.join().is_err());
        // A number that no other test gets meanwhile.
        // SAFETY: no memory is passed.
        let fd = unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_DUPFD, 700) };
        let poller = spawn_local(move || {
            let mut entries = [entry(&fd, POLLIN)];
            assert_eq!(poll(&mut entries, -1).unwrap(), 1);
            entries[0].revents
        });
        thread::sleep(SHORT);
        // SAFETY: nobody owns it.
        thread::spawn(move || assert_eq!(unsafe { libc::close(fd) }, 0))
            .join()
            .unwrap();
        assert_eq!(poller.join().unwrap(), POLLNVAL);
    });
}

/// Four wait for a hundred pipes each. More would take the descriptors below 1024, which other tests
/// of this process want for `select`.
#[test]
fn a_hundred_pipes_for_four() {
    fn drain(pipes: Vec<PipeReader>) -> usize {
        let mut entries: Vec<_> = pipes.iter().map(|pipe| entry(pipe, POLLIN)).collect();
        let (mut open, mut bytes) = (pipes.len(), 0);
        while open > 0 {
            assert!(poll(&mut entries, -1).unwrap() > 0);
            for (pipe, entry) in pipes.iter().zip(&mut entries) {
                if entry.revents == 0 {
                    continue;
                }
                let mut pipe = pipe;
                match pipe.read(&mut [0; 16]).unwrap() {
                    0 => {
                        entry.fd = -1;
                        open -= 1;
                    }
                    length => bytes += length,
                }
            }
        }
        bytes
    }
    within(|| {
        let all: Vec<_> = (0..4)
            .map(|_| {
                let (readers, mut writers): (Vec<_>, Vec<_>) =
                    (0..100).map(|_| io::pipe().unwrap()).unzip();
                let drain = spawn(move || drain(readers));
                let feed = spawn(move || {
                    for round in 0..3 {
                        for index in 0..100 {
                            writers[index * 37 % 100].write_all(&[round]).unwrap();
                        }
                        greenloop::yield_now();
                    }
                });
                (drain, feed)
            })
            .collect();
        for (drain, feed) in all {
            feed.join().unwrap();
            assert_eq!(drain.join().unwrap(), 300);
        }
    });
}

fn set_of(fds: &[RawFd]) -> libc::fd_set {
    // SAFETY: all zeroes are an empty set; the numbers are small.
    unsafe {
        let mut set = mem::zeroed();
        for fd in fds {
            libc::FD_SET(*fd, &mut set);
        }
        set
    }
}

fn has(set: &libc::fd_set, fd: RawFd) -> bool {
    // SAFETY: the number is small.
    unsafe { libc::FD_ISSET(fd, set) }
}

#[test]
fn select_says_who_is_ready() {
    everywhere(|| {
        let (reader, writer) = io::pipe().unwrap();
        let (other, other_writer) = io::pipe().unwrap();
        let writing = write_soon(writer);
        let fds = [reader.as_raw_fd(), other.as_raw_fd()];
        let count = fds[0].max(fds[1]) + 1;
        let mut set = set_of(&fds);
        let mut time = libc::timeval {
            tv_sec: 100,
            tv_usec: 0,
        };
        let null = ptr::null_mut();
        // SAFETY: a set of at least that many, and a valid time.
        let found = unsafe { libc::select(count, &mut set, null, null, &mut time) };
        assert_eq!(found, 1);
        assert!(has(&set, fds[0]) && !has(&set, fds[1]));
        assert!(
            (1..100).contains(&time.tv_sec),
            "the rest is told: {}",
            time.tv_sec
        );
        writing.join().unwrap();

        let (mut reading, mut write_set) = (set_of(&fds), set_of(&[other_writer.as_raw_fd()]));
        let count = other_writer.as_raw_fd().max(count - 1) + 1;
        // SAFETY: as above.
        let found = unsafe {
            let time = ptr::null();
            libc::pselect(count, &mut reading, &mut write_set, null, time, ptr::null())
        };
        assert_eq!(found, 2);
        assert!(has(&reading, fds[0]) && has(&write_set, other_writer.as_raw_fd()));
    });
}

#[test]
fn select_ends_in_time_and_says_what_is_wrong() {
    everywhere(|| {
        let (reader, _writer) = io::pipe().unwrap();
        let fd = reader.as_raw_fd();
        let mut set = set_of(&[fd]);
        let null = ptr::null_mut();
        let mut time = libc::timeval {
            tv_sec: 0,
            tv_usec: 30_000,
        };
        // SAFETY: a set of at least that many, and a valid time.
        unsafe {
            assert_eq!(libc::select(fd + 1, &mut set, null, null, &mut time), 0);
            assert!(!has(&set, fd));
            assert_eq!((time.tv_sec, time.tv_usec), (0, 0));
            time.tv_usec = 10_000;
            assert_eq!(libc::select(0, null, null, null, &mut time), 0);
            time.tv_sec = -1;
            assert_eq!(
                errno(c(libc::select(0, null, null, null, &mut time))),
                libc::EINVAL
            );
            let mut closed = set_of(&[1000]);
            let found = libc::select(1001, &mut closed, null, null, null.cast());
            assert_eq!(errno(c(found)), libc::EBADF);
        }
    });
}

#[test]
fn a_timeout_ends_a_select() {
    in_hub(|| {
        let (reader, _writer) = io::pipe().unwrap();
        let fd = reader.as_raw_fd();
        let mut code = 0;
        let result = timeout(SHORT, || {
            let null = ptr::null_mut();
            // SAFETY: a set of at least that many.
            code = errno(c(unsafe {
                libc::select(fd + 1, &mut set_of(&[fd]), null, null, null.cast())
            }));
        });
        assert!(result.is_err());
        assert_eq!(code, libc::ECANCELED);
    });
}

fn epoll_of(fd: RawFd) -> OwnedFd {
    // SAFETY: a new descriptor, and a valid event.
    unsafe {
        let epoll = libc::epoll_create1(0);
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: 77,
        };
        assert_eq!(
            libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event),
            0
        );
        OwnedFd::from_raw_fd(epoll)
    }
}

fn epoll_wait(epoll: &OwnedFd, millis: i32) -> io::Result<(isize, u64)> {
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 8];
    // SAFETY: room for so many.
    let found = unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 8, millis) };
    c(found).map(|found| (found, events[0].u64))
}

#[test]
fn epoll_waits_too() {
    everywhere(|| {
        let (reader, writer) = io::pipe().unwrap();
        let epoll = epoll_of(reader.as_raw_fd());
        let nested = epoll_of(epoll.as_raw_fd());
        assert_eq!(epoll_wait(&epoll, 30).unwrap().0, 0);
        let writing = write_soon(writer);
        assert_eq!(epoll_wait(&epoll, -1).unwrap(), (1, 77));
        assert_eq!(epoll_wait(&nested, 1000).unwrap(), (1, 77));
        writing.join().unwrap();
        let time = libc::timespec {
            tv_sec: 5,
            tv_nsec: 0,
        };
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        let (fd, mask) = (epoll.as_raw_fd(), ptr::null());
        // SAFETY: room for one.
        unsafe {
            assert_eq!(libc::epoll_pwait(fd, &mut event, 1, -1, mask), 1);
            assert_eq!(libc::epoll_pwait2(fd, &mut event, 1, &time, mask), 1);
            assert_eq!(
                errno(c(libc::epoll_wait(fd, &mut event, 0, -1))),
                libc::EINVAL
            );
            let pipe = reader.as_raw_fd();
            assert_eq!(
                errno(c(libc::epoll_wait(pipe, &mut event, 1, -1))),
                libc::EINVAL
            );
            assert_eq!(
                errno(c(libc::epoll_wait(-1, &mut event, 1, -1))),
                libc::EBADF
            );
        }
    });
}

#[test]
fn so_does_the_bare_system_call() {
    in_hub(|| {
        let (reader, writer) = io::pipe().unwrap();
        let epoll = epoll_of(reader.as_raw_fd());
        let writing = spawn_local(move || { &writer }.write_all(b"x").unwrap());
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: room for one, and no mask.
        let found = unsafe {
            let (fd, no_mask) = (epoll.as_raw_fd(), 0);
            libc::syscall(libc::SYS_epoll_pwait, fd, &raw mut event, 1, -1, no_mask, 8)
        };
        assert_eq!((found, { event.u64 }), (1, 77));
        writing.join().unwrap();
    });
}

#[test]
fn a_timeout_ends_an_epoll_wait() {
    in_hub(|| {
        let (reader, _writer) = io::pipe().unwrap();
        let epoll = epoll_of(reader.as_raw_fd());
        let mut code = 0;
        let result = timeout(SHORT, || code = errno(epoll_wait(&epoll, -1)));
        assert!(result.is_err());
        assert_eq!(code, libc::ECANCELED);
    });
}

#[test]
fn twenty_poll_and_talk_at_once() {
    in_hub(|| {
        let start = Instant::now();
        let all: Vec<_> = (0..TWENTY)
            .map(|index| {
                let (near, mut far) = UnixStream::pair().unwrap();
                spawn_local(move || {
                    thread::sleep(Duration::from_millis(200));
                    far.write_all(&[index as u8]).unwrap();
                    thread::sleep(SHORT);
                });
                spawn_local(move || {
                    assert_eq!(poll(&mut [entry(&near, POLLIN)], 60_000).unwrap(), 1);
                    let mut byte = [0];
                    (&near).read_exact(&mut byte).unwrap();
                    assert_eq!(byte[0], index as u8);
                })
            })
            .collect();
        for one in all {
            one.join().unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(3), "one by one");
    });
}

/// On a hub nothing runs beside a thread that does not give way.
#[test]
fn who_asks_again_and_again_lets_others_run() {
    in_hub(|| {
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let epoll = epoll_of(near.as_raw_fd());
        let asks: [&dyn Fn() -> bool; 3] = [
            &|| poll(&mut [entry(&near, POLLIN)], 0).unwrap() == 1,
            &|| epoll_wait(&epoll, 0).unwrap().0 == 1,
            &|| (&near).read(&mut [0; 9]).is_ok(),
        ];
        for ask in asks {
            let mut far = far.try_clone().unwrap();
            let writing = spawn_local(move || far.write_all(b"x").unwrap());
            while !ask() {}
            writing.join().unwrap();
            let _ = (&near).read(&mut [0; 9]);
        }
    });
}
