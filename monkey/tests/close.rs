//! The end of a descriptor: whoever waits for it on a full green thread is told, by whatever
//! thread.

mod common;

use common::{SHORT, TWENTY, c, errno, in_hub, read, within};
use greenloop::{spawn, spawn_local};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::thread;

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Closes a descriptor that somebody else owns and waits for.
fn close_behind_its_back(fd: RawFd) {
    // SAFETY: no memory is passed; the owner forgets it.
    assert_eq!(unsafe { libc::close(fd) }, 0);
}

#[test]
fn a_close_by_any_thread_wakes_those_who_wait() {
    for by_os_thread in [true, false] {
        in_hub(move || {
            let (stream, other) = tcp_pair();
            let dup = stream.try_clone().unwrap();
            let fd = stream.into_raw_fd();
            let readers: Vec<_> = (0..3)
                .map(|_| spawn_local(move || errno(read(&fd, &mut [0]))))
                .collect();
            thread::sleep(SHORT);
            if by_os_thread {
                thread::spawn(move || close_behind_its_back(fd))
                    .join()
                    .unwrap();
            } else {
                close_behind_its_back(fd);
            }
            for reader in readers {
                assert_eq!(reader.join().unwrap(), libc::EBADF);
            }
            // The copy lives on.
            (&other).write_all(b"x").unwrap();
            assert_eq!((&dup).read(&mut [0]).unwrap(), 1);
        });
    }
}

#[test]
fn each_way_to_close_wakes() {
    in_hub(|| {
        let closers: [fn(RawFd); 4] = [
            close_behind_its_back,
            |fd| {
                let (a, _b) = UnixStream::pair().unwrap();
                // SAFETY: no memory is passed.
                assert_eq!(unsafe { libc::dup2(a.as_raw_fd(), fd) }, fd);
                close_behind_its_back(fd);
            },
            |fd| {
                let (a, _b) = UnixStream::pair().unwrap();
                // SAFETY: no memory is passed.
                let copy = unsafe { libc::dup3(a.as_raw_fd(), fd, libc::O_CLOEXEC) };
                assert_eq!(copy, fd);
                close_behind_its_back(fd);
            },
            |fd| {
                // SAFETY: no memory is passed.
                assert_eq!(unsafe { libc::close_range(fd as u32, fd as u32 + 1, 0) }, 0);
            },
        ];
        for (index, close) in closers.into_iter().enumerate() {
            let (stream, _other) = UnixStream::pair().unwrap();
            // A number of its own, with a free one after it.
            // SAFETY: no memory is passed.
            let fd = unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_DUPFD, 600) };
            drop(stream);
            let reader = spawn_local(move || errno(read(&fd, &mut [0])));
            thread::sleep(SHORT);
            close(fd);
            assert_eq!(reader.join().unwrap(), libc::EBADF, "closer {index}");
        }
    });
}

/// Lets the process have so many descriptors; false if it may not.
fn has_room_for(count: libc::rlim_t) -> bool {
    let limit = libc::rlimit {
        rlim_cur: count,
        rlim_max: count,
    };
    let mut now = limit;
    // SAFETY: a valid limit, and room for one.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut now);
        now.rlim_cur >= count || libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
    }
}

/// Is the descriptor in the list of some reactor's?
fn is_watched(fd: RawFd) -> bool {
    let line = format!("tfd: {fd:8} ");
    let descriptors = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let texts = descriptors.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    texts.into_iter().any(|text| text.contains(&line))
}

#[test]
fn a_range_of_great_numbers_is_forgotten() {
    const GREAT: RawFd = 70_000;
    if !has_room_for(GREAT as libc::rlim_t + 1) {
        return;
    }
    in_hub(|| {
        let (stream, _other) = UnixStream::pair().unwrap();
        // SAFETY: no memory is passed.
        assert_eq!(unsafe { libc::dup2(stream.as_raw_fd(), GREAT) }, GREAT);
        let reader = spawn_local(|| errno(read(&GREAT, &mut [0])));
        thread::sleep(SHORT);
        assert!(is_watched(GREAT));
        // SAFETY: as above; nobody else knows these.
        unsafe { libc::close_range(GREAT as u32 - 1, GREAT as u32 + 1, 0) };
        assert_eq!(reader.join().unwrap(), libc::EBADF);
        assert!(!is_watched(GREAT));
    });
}

#[test]
fn a_dup2_that_fails_wakes_nobody() {
    in_hub(|| {
        let (stream, other) = UnixStream::pair().unwrap();
        let fd = stream.as_raw_fd();
        let reader = spawn_local(move || read(&fd, &mut [0]));
        thread::sleep(SHORT);
        // SAFETY: no memory is passed.
        assert_eq!(errno(c(unsafe { libc::dup2(-1, fd) })), libc::EBADF);
        // SAFETY: as above.
        assert_eq!(c(unsafe { libc::dup2(fd, fd) }).unwrap(), fd as isize);
        thread::sleep(SHORT);
        assert!(!reader.is_finished());
        (&other).write_all(b"x").unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn a_number_used_again_is_a_new_socket() {
    within(|| {
        let rounds: Vec<_> = (0..TWENTY)
            .map(|_| {
                spawn(|| {
                    for round in 0..200u8 {
                        let (near, far) = UnixStream::pair().unwrap();
                        let reader = spawn(move || {
                            let mut buffer = [0];
                            (&near).read_exact(&mut buffer).unwrap();
                            buffer[0]
                        });
                        greenloop::yield_now();
                        (&far).write_all(&[round]).unwrap();
                        drop(far);
                        assert_eq!(reader.join().unwrap(), round);
                    }
                })
            })
            .collect();
        for round in rounds {
            round.join().unwrap();
        }
    });
}
