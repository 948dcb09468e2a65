//! The example servers end in good order: after a SIGTERM, what is under way goes on for a while.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use greenloop::signal::SIGTERM;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::served::Served;
use crate::within::{LONG, until, within};

pub(crate) fn signal_to(id: u32, signal: i32) {
    let id = Pid::from_raw(id.cast_signed()).unwrap();
    kill_process(id, Signal::from_named_raw(signal).unwrap()).unwrap();
}

/// The size of an upload that is cut in two.
const HALF: usize = 50_000;

struct Case {
    name: &'static str,
    /// The server, and what it needs.
    start: fn() -> (Served, Needs),
    /// Begins something over a connection, and returns when the server knows of it.
    begin: fn(&mut TcpStream),
    /// Ends it, once the server has been told to end.
    complete: fn(&mut TcpStream),
    /// What must be there when all is over.
    check: fn(&Needs),
}

#[derive(Default)]
struct Needs {
    _target: Option<Served>,
    folder: Option<TempDir>,
}

const CASES: [Case; 5] = [
    Case {
        name: "gevent_server",
        start: || (Served::start("gevent_server", &[]), Needs::default()),
        begin: |stream| echo(stream, b"half of it, "),
        complete: |stream| echo(stream, b"and the rest"),
        check: |_| (),
    },
    Case {
        name: "port_forwarder",
        start: || {
            let target = Served::start("gevent_server", &[]);
            let served = Served::start("port_forwarder", &[&target.address]);
            let needs = Needs {
                _target: Some(target),
                ..Needs::default()
            };
            (served, needs)
        },
        begin: |stream| echo(stream, b"half of it, "),
        complete: |stream| echo(stream, b"and the rest"),
        check: |_| (),
    },
    Case {
        name: "chat_server",
        start: || (Served::start("chat_server", &["--tcp"]), Needs::default()),
        begin: |stream| {
            stream.write_all(b"ann\n").unwrap();
            hears(stream, "ann has entered");
        },
        complete: |stream| {
            hears(stream, "administrator: the chat ends");
            stream.write_all(&b"x".repeat(2000)).unwrap();
            stream.write_all(b"\n").unwrap();
            hears(stream, "not passed on: a line has at most");
        },
        check: |_| (),
    },
    Case {
        name: "ftp_server",
        start: || {
            let folder = TempDir::new().unwrap();
            let root = folder.path().to_str().unwrap();
            let served = Served::start("ftp_server", &["--root", root]);
            let needs = Needs {
                folder: Some(folder),
                ..Needs::default()
            };
            (served, needs)
        },
        begin: |stream| {
            let size = 2 * HALF;
            let head = format!(r#"{{"command":"put","path":"big","size":{size}}}"#);
            frame(stream, &head);
            answer(stream);
            frame(stream, r#"{"from":0}"#);
            stream.write_all(&b"x".repeat(HALF)).unwrap();
        },
        complete: |stream| {
            stream.write_all(&b"x".repeat(HALF)).unwrap();
            let said = answer(stream);
            assert!(said.contains(r#""status":"ok""#), "{said}");
        },
        check: |needs| {
            let path = needs.folder.as_ref().unwrap().path().join("big");
            assert_eq!(fs::read(path).unwrap(), b"x".repeat(2 * HALF));
        },
    },
    Case {
        name: "remote_shell",
        start: || {
            let served = Served::start_as("remote_shell", "serve", &["--allow", "sh"]);
            (served, Needs::default())
        },
        begin: |stream| {
            frame(stream, r#"{"command":"sh -c true"}"#);
            answer(stream);
            frame(stream, r#"{"command":"sh -c 'sleep 0.5; exit 7'"}"#);
        },
        complete: |stream| {
            let said = answer(stream);
            assert!(said.contains(r#""code":7"#), "{said}");
        },
        check: |_| (),
    },
];

#[test]
fn what_is_under_way_is_completed() {
    in_parallel(|case| {
        let (mut served, needs) = (case.start)();
        let mut stream = served.connect();
        (case.begin)(&mut stream);
        served.terminate();
        is_refused(&served);
        (case.complete)(&mut stream);
        drop(stream);
        let status = served.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}: {status}", case.name);
        (case.check)(&needs);
    });
}

#[test]
fn who_never_ends_is_cut_off_after_a_while() {
    in_parallel(|case| {
        let (mut served, _needs) = (case.start)();
        let mut stream = served.connect();
        (case.begin)(&mut stream);
        let start = Instant::now();
        served.terminate();
        let status = served.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}: {status}", case.name);
        let least = Duration::from_secs(4); // of the 5 that they have
        assert!(
            start.elapsed() > least,
            "{}: {:?}",
            case.name,
            start.elapsed()
        );
    });
}

#[test]
fn a_second_signal_ends_it_at_once() {
    in_parallel(|case| {
        let (mut served, _needs) = (case.start)();
        let mut stream = served.connect();
        (case.begin)(&mut stream);
        served.terminate();
        is_refused(&served);
        served.terminate();
        let status = served.child.wait().unwrap();
        assert_eq!(status.signal(), Some(SIGTERM), "{}: {status}", case.name);
    });
}

#[test]
fn the_chat_over_datagrams_says_that_it_ends() {
    within(LONG, || {
        let mut served = Served::start("chat_server", &[]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(LONG)).unwrap();
        let hears = |what: &str| {
            let mut buffer = [0; 100];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(String::from_utf8_lossy(&buffer[..length]), what);
        };
        socket.send_to(b"enter ann", &served.address).unwrap();
        hears("ann has entered");
        served.terminate();
        hears("administrator: the chat ends");
        assert_eq!(served.child.wait().unwrap().code(), Some(0));
    });
}

fn in_parallel(test: fn(&Case)) {
    within(LONG, move || {
        thread::scope(|scope| {
            for case in &CASES {
                scope.spawn(move || test(case));
            }
        });
    });
}

/// Waits until the server takes no more connections.
fn is_refused(served: &Served) {
    until("new clients are refused", || {
        TcpStream::connect(&served.address).is_err()
    });
}

fn echo(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, bytes);
}

/// Reads lines until one begins like this.
fn hears(stream: &mut TcpStream, what: &str) {
    let mut lines = BufReader::with_capacity(1, stream).lines();
    assert!(lines.any(|line| line.unwrap().starts_with(what)), "{what}");
}

fn frame(stream: &mut TcpStream, head: &str) {
    let length = (head.len() as u32).to_be_bytes();
    stream.write_all(&length).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
}

fn answer(stream: &mut TcpStream) -> String {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut head = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut head).unwrap();
    String::from_utf8(head).unwrap()
}
