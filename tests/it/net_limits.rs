//! Sockets by the thousand, and none left: each test runs in a process of its own.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use greenloop::net::{SocketAddr, TcpListener, TcpStream};

use crate::alone::{alone, assert_back_to, census};

/// Starts whatever the runtime starts but once, so that a census is not about that.
fn warm_up() {
    let (client, server) = greenloop::spawn(pair).join().unwrap();
    let reader = greenloop::spawn(move || (&server).read(&mut [0; 1]).unwrap());
    (&client).write_all(b"x").unwrap();
    assert_eq!(reader.join().unwrap(), 1);
    greenloop::run(|| drop(registered()));
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

#[test]
fn accept_without_descriptors_backs_off_and_recovers() {
    alone(
        concat!(
            module_path!(),
            "::accept_without_descriptors_backs_off_and_recovers"
        ),
        "ulimit -n 64; export GREENLOOP_WORKERS=2",
        || {
            accept_without_descriptors();
            greenloop::spawn(accept_without_descriptors).join().unwrap();
        },
    );
}

fn accept_without_descriptors() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let hogs: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let start = Instant::now();
    // The waits are 10, 20, 40, 80 and 160 ms; the first call fails at once.
    let errors = listener
        .incoming()
        .take(6)
        .map(|accepted| accepted.unwrap_err());
    assert!(
        errors
            .into_iter()
            .all(|error| error.raw_os_error() == Some(24))
    );
    assert!(start.elapsed() >= Duration::from_millis(310));
    drop(hogs);
    let (server, addr) = listener.accept().unwrap();
    assert_eq!(addr, client.local_addr().unwrap());
    (&server).write_all(b"x").unwrap();
    (&client).read_exact(&mut [0; 1]).unwrap();

    let start = Instant::now();
    for _ in 0..10 {
        let another = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        drop((listener.accept().unwrap(), another)); // no wait of 320 ms is left behind
    }
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_nonblocking_accept_never_waits_for_descriptors() {
    alone(
        concat!(
            module_path!(),
            "::a_nonblocking_accept_never_waits_for_descriptors"
        ),
        "ulimit -n 64; export GREENLOOP_WORKERS=2",
        || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let _hogs: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let start = Instant::now();
            (0..100).for_each(|_| drop(listener.accept().unwrap_err()));
            assert!(start.elapsed() < Duration::from_secs(10)); // else it would take 95
        },
    );
}

#[test]
fn five_thousand_clients_at_once() {
    alone(
        concat!(module_path!(), "::five_thousand_clients_at_once"),
        "ulimit -n $(ulimit -H -n)",
        || {
            warm_up();
            let before = census();
            echo_to(5_000.min(descriptor_limit() / 2 - 100));
            assert_back_to(before);
        },
    );
}

fn descriptor_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    line.split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap_or(usize::MAX)
}

/// Serves `count` clients, none of which sends before all of them are connected.
fn echo_to(count: usize) {
    let listener = TcpListener::builder()
        .backlog(4096)
        .bind("127.0.0.1:0")
        .unwrap();
    let addr = listener.local_addr().unwrap();
    let server = greenloop::spawn(move || {
        let streams: Vec<_> = listener
            .incoming()
            .take(count)
            .map(Result::unwrap)
            .collect();
        let echoes = streams
            .into_iter()
            .map(|stream| greenloop::spawn(move || echo(stream)));
        join_all(echoes.collect())
    });
    let clients = (0..count).map(|seed| greenloop::spawn(move || ten_rounds(addr, seed)));
    let sent = join_all(clients.collect());
    assert_eq!(sent, count as u64 * 10 * 64);
    assert_eq!(server.join().unwrap(), sent);
}

fn echo(stream: TcpStream) -> u64 {
    (&stream).write_all(b"!").unwrap(); // all are connected
    io::copy(&mut &stream, &mut &stream).unwrap()
}

fn ten_rounds(addr: SocketAddr, seed: usize) -> u64 {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.read_exact(&mut [0; 1]).unwrap();
    for round in 0..10 {
        let sent: [u8; 64] = std::array::from_fn(|at| (seed * 31 + round * 7 + at) as u8);
        stream.write_all(&sent).unwrap();
        let mut received = [0; 64];
        stream.read_exact(&mut received).unwrap();
        assert_eq!(received, sent);
    }
    640
}

fn join_all(threads: Vec<greenloop::JoinHandle<u64>>) -> u64 {
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum()
}

#[test]
fn nothing_is_left_of_sockets_however_they_end() {
    alone(
        concat!(
            module_path!(),
            "::nothing_is_left_of_sockets_however_they_end"
        ),
        "",
        || {
            warm_up();
            for end in ENDS {
                let before = census();
                (0..20).for_each(|_| end());
                assert_back_to(before);
            }
        },
    );
}

const ENDS: [fn(); 9] = [
    dropped_after_a_timeout,
    dropped_on_another_thread,
    dropped_while_a_clone_lives,
    given_to_std,
    shut_down_while_waiting,
    unwound_by_a_panic,
    refused,
    connect_timed_out,
    left_behind_by_a_hub,
];

/// A green thread that waited in vain, so that a reactor knows the socket that it returns.
fn registered() -> (TcpStream, TcpStream) {
    let wait = || {
        let (client, server) = pair();
        client
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        (&client).read(&mut [0; 1]).unwrap_err();
        (client, server)
    };
    greenloop::spawn(wait).join().unwrap()
}

fn dropped_after_a_timeout() {
    greenloop::spawn(|| drop(registered())).join().unwrap();
}

fn dropped_on_another_thread() {
    drop(registered());
    let sockets = registered();
    greenloop::spawn(move || drop(sockets)).join().unwrap();
    let sockets = registered();
    std::thread::spawn(move || drop(sockets)).join().unwrap();
}

/// The clone keeps the description alive, which a stale registration would outlive the handle by.
fn dropped_while_a_clone_lives() {
    let (client, _server) = registered();
    let before = census();
    let clone = client.try_clone().unwrap();
    drop(client);
    assert_eq!(census().descriptors, before.descriptors);
    assert!(census().registrations < before.registrations);
    drop(clone);
}

fn given_to_std() {
    let (client, _server) = registered();
    let before = census();
    let client = std::net::TcpStream::from(client);
    assert!(census().registrations < before.registrations);
    let client = TcpStream::from(client);
    assert_eq!(
        (&client).read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

fn shut_down_while_waiting() {
    let (client, _server) = pair();
    let client = Arc::new(client);
    let reader = client.clone();
    let reader = greenloop::spawn(move || (&*reader).read(&mut [0; 1]).unwrap());
    greenloop::yield_now();
    client.shutdown(Shutdown::Both).unwrap();
    assert_eq!(reader.join().unwrap(), 0);
}

fn unwound_by_a_panic() {
    let unwinds = || {
        let _sockets = registered();
        std::panic::resume_unwind(Box::new("no message"));
    };
    greenloop::spawn(unwinds).join().unwrap_err();
}

fn refused() {
    let (addr, _bound) = crate::net::deaf();
    let connect = move || TcpStream::connect(addr).unwrap_err().kind();
    assert_eq!(
        greenloop::spawn(connect).join().unwrap(),
        ErrorKind::ConnectionRefused
    );
}

fn connect_timed_out() {
    let (listener, _queued) = crate::net::full_listener();
    let addr = listener.local_addr().unwrap();
    let connect = move || TcpStream::connect_timeout(&addr, Duration::from_millis(1));
    let error = greenloop::spawn(connect).join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

/// The hub kills what still waits when its function ends.
fn left_behind_by_a_hub() {
    let (full, _queued) = crate::net::full_listener();
    let addr = full.local_addr().unwrap();
    greenloop::run(move || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        greenloop::spawn(move || TcpStream::connect(addr));
        let (client, server) = pair();
        greenloop::spawn(move || listener.accept().map(drop));
        greenloop::spawn(move || (&client).read(&mut [0; 1]));
        greenloop::spawn(move || (&server).read(&mut [0; 1]));
        greenloop::yield_now();
    });
}
