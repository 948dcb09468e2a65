//! `connect` on full green threads.

mod common;

use common::{SHORT, c, errno, everywhere, in_hub, is_nonblocking};
use greenloop::{spawn_local, timeout};
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

#[test]
fn connect_tells_what_the_plain_call_tells() {
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        assert!(!is_nonblocking(&stream) && !is_nonblocking(&listener));
        assert_eq!(stream.take_error().unwrap().map(|error| error.kind()), None);
        drop((listener, stream));
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let refused = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let missing = UnixStream::connect("/nowhere/at/all").unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });
}

/// A socket of its own: what `connect` says of it, again and again.
fn connect(fd: &OwnedFd, port: u16) -> io::Result<isize> {
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    let size = size_of_val(&address) as libc::socklen_t;
    // SAFETY: an address of that size.
    c(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), size) })
}

fn new_socket(kind: i32) -> OwnedFd {
    // SAFETY: no memory is passed, and the descriptor is new.
    unsafe { OwnedFd::from_raw_fd(c(libc::socket(libc::AF_INET, kind, 0)).unwrap() as RawFd) }
}

#[test]
fn connect_leaves_the_socket_as_the_plain_call_does() {
    everywhere(|| {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        let socket = new_socket(libc::SOCK_STREAM);
        assert_eq!(errno(connect(&socket, port)), libc::ECONNREFUSED);
        // The error was told; the socket can be used again.
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = open.local_addr().unwrap().port();
        assert_eq!(connect(&socket, port).unwrap(), 0);
        assert_eq!(errno(connect(&socket, port)), libc::EISCONN);
        let udp = new_socket(libc::SOCK_DGRAM);
        assert_eq!(connect(&udp, port).unwrap(), 0);
        let non_blocking = new_socket(libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
        assert_eq!(errno(connect(&non_blocking, port)), libc::EINPROGRESS);
    });
}

/// A listener whose queue is full: a connect to it waits.
fn full_unix_listener(name: &str) -> (UnixListener, std::path::PathBuf, Vec<UnixStream>) {
    let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    // SAFETY: no memory is passed.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 1) }, 0);
    let waiting = (0..2)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    (listener, path, waiting)
}

#[test]
fn connect_waits_for_room_in_a_unix_listener() {
    in_hub(|| {
        let (listener, path, waiting) = full_unix_listener("greenloop-full");
        let address = path.clone();
        let client = spawn_local(move || UnixStream::connect(address).map(drop));
        let ticks = spawn_local(|| thread::sleep(SHORT)); // the hub goes on
        ticks.join().unwrap();
        assert!(!client.is_finished());
        let late = timeout(SHORT, || UnixStream::connect(&path).unwrap_err());
        assert!(late.is_err());
        listener.accept().unwrap();
        client.join().unwrap().unwrap();
        drop(waiting);
        std::fs::remove_file(path).unwrap();
    });
}
