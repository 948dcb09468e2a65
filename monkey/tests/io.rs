//! `read`, `write` and their families on full green threads, of whatever a descriptor can be.

mod common;

use common::{SHORT, TWENTY, c, errno, everywhere, in_hub, is_nonblocking, read, within, write};
use greenloop::{spawn, spawn_local, timeout};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
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

fn pipe() -> (File, File) {
    let (reader, writer) = io::pipe().unwrap();
    (
        File::from(OwnedFd::from(reader)),
        File::from(OwnedFd::from(writer)),
    )
}

/// A terminal: its two sides, without an echo.
fn pty() -> (File, File) {
    let (mut master, mut slave) = (0, 0);
    // SAFETY: room for both; the rest is optional.
    unsafe {
        let null = ptr::null_mut();
        let opened = libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast());
        assert_eq!(opened, 0);
        let mut mode: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(slave, &mut mode), 0);
        libc::cfmakeraw(&mut mode);
        assert_eq!(libc::tcsetattr(slave, libc::TCSANOW, &mode), 0);
    }
    (owned(master).into(), owned(slave).into())
}

fn fifo() -> (File, File) {
    let path = path("fifo");
    let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    // Both ends, so that no open waits for the other.
    let both = File::options().read(true).write(true).open(&path).unwrap();
    let reader = File::open(&path).unwrap();
    let writer = File::options().write(true).open(&path).unwrap();
    drop(both);
    fs::remove_file(path).unwrap();
    (reader, writer)
}

/// Pairs of a reader and a writer.
const PAIRS: [fn() -> (File, File); 4] = [pipe, fifo, pty, || {
    let (one, two) = pty();
    (two, one)
}];

#[test]
fn a_reader_waits_while_others_run() {
    for pair in PAIRS {
        in_hub(move || {
            let (mut reader, mut writer) = pair();
            let reading = spawn_local(move || {
                let mut word = [0; 5];
                reader.read_exact(&mut word).unwrap();
                (word, reader)
            });
            thread::sleep(SHORT);
            assert!(!reading.is_finished());
            writer.write_all(b"he").unwrap();
            thread::sleep(SHORT);
            writer.write_all(b"llo").unwrap();
            let (word, reader) = reading.join().unwrap();
            assert_eq!(&word, b"hello");
            assert!(!is_nonblocking(&reader) && !is_nonblocking(&writer));
        });
    }
}

/// The reader takes odd amounts, on the same hub: no write may block the worker.
#[test]
fn a_blocking_write_writes_all() {
    for pair in PAIRS {
        in_hub(move || {
            let (mut reader, writer) = pair();
            let data: Vec<u8> = (0..1 << 20).map(|index| (index * 7 / 3) as u8).collect();
            let expected = data.clone();
            let writing = spawn_local(move || {
                let written = write(&writer, &data).unwrap();
                assert_eq!(written.cast_unsigned(), data.len());
                writer
            });
            let mut received = Vec::new();
            let mut part = [0; 1111];
            while received.len() < expected.len() {
                let length = reader.read(&mut part).unwrap();
                received.extend_from_slice(&part[..length]);
            }
            assert!(received == expected);
            drop(writing.join().unwrap());
        });
    }
}

#[test]
fn a_timeout_and_a_close_end_each_read() {
    for pair in PAIRS {
        in_hub(move || {
            let (reader, _writer) = pair();
            let mut code = 0;
            let result = timeout(SHORT, || code = errno(read(&reader, &mut [0])));
            assert!(result.is_err());
            assert_eq!(code, libc::ECANCELED);
            let fd = std::os::fd::IntoRawFd::into_raw_fd(reader);
            let reading = spawn_local(move || errno(read(&fd, &mut [0])));
            thread::sleep(SHORT);
            // SAFETY: no memory is passed; nobody owns it.
            thread::spawn(move || assert_eq!(unsafe { libc::close(fd) }, 0))
                .join()
                .unwrap();
            assert_eq!(reading.join().unwrap(), libc::EBADF);
        });
    }
}

#[test]
fn non_blocking_pipes_stay_so() {
    everywhere(|| {
        let (reader, writer) = pipe();
        for end in [&reader, &writer] {
            // SAFETY: no memory is passed.
            unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
        }
        assert_eq!(errno(read(&reader, &mut [0])), libc::EAGAIN);
        let data = vec![0; 1 << 20];
        assert!(write(&writer, &data).unwrap() < 1 << 20);
        assert_eq!(errno(write(&writer, &data)), libc::EAGAIN);
        assert!(is_nonblocking(&reader) && is_nonblocking(&writer));
    });
}

#[test]
fn the_end_of_a_pipe_is_told() {
    everywhere(|| {
        let (mut reader, writer) = pipe();
        let closing = thread::spawn(move || {
            thread::sleep(SHORT);
            drop(writer);
        });
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        closing.join().unwrap();
        let (reader, mut writer) = pipe();
        let closing = thread::spawn(move || {
            thread::sleep(SHORT);
            drop(reader);
        });
        let data = vec![0; 1 << 20];
        let error = writer.write_all(&data).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        closing.join().unwrap();
    });
}

#[test]
fn nothing_is_read_into_nothing() {
    everywhere(|| {
        let (reader, writer) = pipe();
        assert_eq!(read(&reader, &mut []).unwrap(), 0);
        assert_eq!(write(&writer, &[]).unwrap(), 0);
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(read(&socket, &mut []).unwrap(), 0);
        // SAFETY: no vector is touched.
        unsafe {
            assert_eq!(
                c(libc::readv(reader.as_raw_fd(), ptr::null(), 0)).unwrap(),
                0
            );
            assert_eq!(
                errno(c(libc::readv(reader.as_raw_fd(), ptr::null(), -1))),
                libc::EINVAL
            );
            assert_eq!(
                errno(c(libc::writev(socket.as_raw_fd(), ptr::null(), 2000))),
                libc::EINVAL
            );
        }
    });
}

#[test]
fn positioned_calls_without_a_position_wait() {
    everywhere(|| {
        let (reader, writer) = pipe();
        let writing = thread::spawn(move || {
            thread::sleep(SHORT);
            let data = vec![3u8; 1 << 20];
            let vector = io::IoSlice::new(&data);
            // SAFETY: a slice is a vector.
            let written =
                unsafe { libc::pwritev2(writer.as_raw_fd(), (&raw const vector).cast(), 1, -1, 0) };
            assert_eq!(written, 1 << 20);
        });
        let mut buffer = [0u8; 100];
        let mut total = 0;
        while total < 1 << 20 {
            let mut vector = io::IoSliceMut::new(&mut buffer);
            // SAFETY: a slice is a vector.
            let part =
                unsafe { libc::preadv2(reader.as_raw_fd(), (&raw mut vector).cast(), 1, -1, 0) };
            assert!(part > 0);
            total += part;
        }
        writing.join().unwrap();
        let mut vector = io::IoSliceMut::new(&mut buffer);
        // The writer is gone, so this is the end, and no wait.
        // SAFETY: a slice is a vector.
        let end = unsafe {
            libc::preadv2(
                reader.as_raw_fd(),
                (&raw mut vector).cast(),
                1,
                -1,
                libc::RWF_NOWAIT,
            )
        };
        assert_eq!(end, 0);
    });
}

#[test]
fn twenty_children_are_heard_at_once() {
    in_hub(|| {
        let start = std::time::Instant::now();
        let all: Vec<_> = (0..TWENTY)
            .map(|index| {
                spawn_local(move || {
                    let script = format!("sleep 0.2; read word; echo {index} $word");
                    let mut child = Command::new("sh")
                        .args(["-c", &script])
                        .stdin(Stdio::piped())
                        .stdout(Stdio::piped())
                        .spawn()
                        .unwrap();
                    child.stdin.take().unwrap().write_all(b"word\n").unwrap();
                    let mut said = String::new();
                    child
                        .stdout
                        .take()
                        .unwrap()
                        .read_to_string(&mut said)
                        .unwrap();
                    assert!(child.wait().unwrap().success());
                    assert_eq!(said, format!("{index} word\n"));
                })
            })
            .collect();
        for one in all {
            one.join().unwrap();
        }
        let took = start.elapsed();
        assert!(took < Duration::from_secs(3), "one by one: {took:?}");
    });
}

/// What the child below does, which has standard streams of its own.
const CHILD: &str = "GREENLOOP_IO_CHILD";

/// In a process of its own: a line from stdin is awaited while others run, and a full stdout does
/// not let a sibling run in between.
#[test]
fn standard_streams() {
    if env::var_os(CHILD).is_some() {
        return child();
    }
    within(|| {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["standard_streams", "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut said = String::new();
        while !said.contains("ticked") {
            let mut part = [0; 100];
            let length = stdout.read(&mut part).unwrap();
            assert!(length > 0, "{said}");
            said += std::str::from_utf8(&part[..length]).unwrap();
        }
        stdin.write_all(b"a line\n").unwrap();
        thread::sleep(4 * SHORT);
        stdout.read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        assert!(said.contains("in order"), "{said}");
    });
}

fn child() {
    in_hub(|| {
        let line = spawn_local(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).unwrap();
            line
        });
        thread::sleep(SHORT);
        assert!(!line.is_finished());
        println!("ticked");
        assert_eq!(line.join().unwrap(), "a line\n");
        // More than the pipe holds: the parent reads late.
        let steps = std::rc::Rc::new(std::cell::Cell::new(0));
        let seen = steps.clone();
        let sibling = spawn_local(move || seen.set(1));
        let out = File::from(io::stdout().as_fd().try_clone_to_owned().unwrap());
        (&out).write_all(&vec![b' '; 1 << 20]).unwrap();
        assert_eq!(steps.get(), 0, "a sibling ran during a write to stdout");
        sibling.join().unwrap();
        (&out).write_all(b"in order\n").unwrap();
    });
}

#[test]
fn many_readers_of_one_pipe_lose_nothing() {
    const WORDS: u32 = 20_000;
    within(|| {
        let (reader, writer) = pipe();
        let count = |reader: File| {
            let (mut sum, mut word) = (0u64, [0; 4]);
            while read(&reader, &mut word).unwrap() == 4 {
                sum += u64::from(u32::from_ne_bytes(word));
            }
            sum
        };
        let clone = || reader.try_clone().unwrap();
        let greens: Vec<_> = (0..TWENTY)
            .map(|_| clone())
            .map(|reader| spawn(move || count(reader)))
            .collect();
        let others: Vec<_> = (0..2)
            .map(|_| clone())
            .map(|reader| thread::spawn(move || count(reader)))
            .collect();
        for word in 1..=WORDS {
            write(&writer, &word.to_ne_bytes()).unwrap();
        }
        drop(writer);
        let mut sum: u64 = greens.into_iter().map(|green| green.join().unwrap()).sum();
        sum += others
            .into_iter()
            .map(|other| other.join().unwrap())
            .sum::<u64>();
        assert_eq!(sum, u64::from(WORDS) * u64::from(WORDS + 1) / 2);
    });
}
