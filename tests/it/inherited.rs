//! Sockets that are handed over at the start of a process, as systemd does.

use std::env;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use greenloop::net::{Inherited, SocketAddr, StreamServer, TcpStream, UdpSocket};
use greenloop::sync::Event;

use crate::child::this_test;
use crate::within::LONG;

const CHILD: &str = "GREENLOOP_TEST_INHERITED";

/// Runs `body` in a process that was handed over `first` and `second` as descriptors 3 and 4, with
/// what `variables`, shell code, says of them; meanwhile `client` runs here.
fn with_sockets(
    test: &str,
    [first, second]: [OwnedFd; 2],
    variables: &str,
    client: impl FnOnce() + Send + 'static,
    body: fn(),
) {
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let script = format!(
        "{variables}
        exec timeout 60 \"$0\" --exact \"$1\" --nocapture 3<&0 4<&1 </dev/null >&2"
    );
    let child = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .arg(test)
        .env(CHILD, "1")
        .stdin(Stdio::from(first))
        .stdout(Stdio::from(second))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let client = thread::spawn(client);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
    client.join().unwrap();
}

/// A TCP listener and a UDP socket of std's, and where they are.
fn two() -> ([OwnedFd; 2], SocketAddr, SocketAddr) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap(); // as whoever had it before left it
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tcp, udp) = (listener.local_addr().unwrap(), socket.local_addr().unwrap());
    ([listener.into(), socket.into()], tcp, udp)
}

/// The shell becomes `timeout`, whose child is the test: its number is not known before.
const FOR_ANYBODY: &str = "export LISTEN_FDS=2 LISTEN_FDNAMES=web:";

#[test]
fn sockets_are_taken_by_their_kind_and_once() {
    let (sockets, tcp, udp) = two();
    let client = move || {
        let mut text = String::new();
        TcpStream::connect(tcp)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hello");
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        client.send_to(b"ping", udp).unwrap();
        assert_eq!(client.recv(&mut [0; 8]).unwrap(), 4);
    };
    with_sockets(this_test!(), sockets, FOR_ANYBODY, client, || {
        let mut inherited = Inherited::take().unwrap();
        assert_eq!((inherited.len(), inherited.name(0)), (2, Some("web")));
        assert_eq!(
            (inherited.position("web"), inherited.name(1)),
            (Some(0), None)
        );
        assert!(Inherited::take().unwrap().is_empty(), "only once");
        assert!(env::var_os("LISTEN_FDS").is_none());

        let listener = inherited.tcp_listener(0).unwrap();
        let socket = inherited.udp_socket(1).unwrap();
        let error = inherited.tcp_listener(0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let child = Command::new("ls")
            .arg("-l")
            .arg("/proc/self/fd")
            .output()
            .unwrap();
        let open = String::from_utf8(child.stdout).unwrap();
        assert!(
            !open.contains(" 3 -> socket") && !open.contains(" 4 -> socket"),
            "{open}"
        );

        let handler = |mut stream: TcpStream, _: SocketAddr| stream.write_all(b"hello");
        let server = StreamServer::new(listener, handler).unwrap();
        server.start().unwrap();
        let mut buffer = [0; 8];
        let (len, peer) = socket.recv_from(&mut buffer).unwrap();
        socket.send_to(&buffer[..len], peer).unwrap();
        assert!(server.stop(LONG));
    });
}

#[test]
fn a_wrong_kind_of_socket_is_refused_by_name() {
    let (client, server) = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let (datagrams, _) = std::os::unix::net::UnixDatagram::pair().unwrap();
    let sockets = [server.into(), datagrams.into()];
    let variables = "export LISTEN_FDS=100"; // the last is none
    with_sockets(
        this_test!(),
        sockets,
        variables,
        move || drop(client),
        || {
            let mut inherited = Inherited::take().unwrap();
            let refused = [
                (inherited.udp_socket(0).unwrap_err(), "a UDP socket"),
                (
                    inherited.unix_listener(0).unwrap_err(),
                    "a Unix stream socket",
                ),
                (inherited.tcp_listener(0).unwrap_err(), "it does not listen"),
                (inherited.tcp_listener(1).unwrap_err(), "a TCP socket"),
                (inherited.unix_listener(99).unwrap_err(), "not a socket"),
            ];
            for (error, what) in refused {
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().contains(what), "{error}");
            }
            inherited.unix_datagram(1).unwrap();
        },
    );
}

#[test]
fn what_is_for_another_process_is_left_alone() {
    let variables = "export LISTEN_FDS=2 LISTEN_PID=1";
    with_sockets(
        this_test!(),
        two().0,
        variables,
        || (),
        || {
            assert!(Inherited::take().unwrap().is_empty());
        },
    );
}

#[test]
fn variables_that_make_no_sense_are_errors() {
    for variables in [
        "export LISTEN_FDS=many",
        "export LISTEN_FDS=-1",
        "export LISTEN_FDS=4000000000",
        "export LISTEN_FDS=1 LISTEN_PID=me",
    ] {
        with_sockets(
            this_test!(),
            two().0,
            variables,
            || (),
            || {
                let error = Inherited::take().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput);
                assert!(error.to_string().starts_with("LISTEN_"), "{error}");
            },
        );
    }
}

/// What systemd's own program hands over; nothing is tested where it is not installed.
#[test]
fn a_server_is_activated_by_its_first_client() {
    if env::var_os(CHILD).is_some() {
        return serve_activated();
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = free.local_addr().unwrap();
    drop(free);
    let activator = Command::new("timeout")
        .args(["60", "systemd-socket-activate", "--fdname=web", "-l"])
        .arg(addr.to_string())
        .args(["-E", "GREENLOOP_TEST_INHERITED=1"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", this_test!(), "--nocapture"])
        .stderr(Stdio::piped())
        .spawn();
    let mut activator = activator.unwrap();
    let mut said = BufReader::new(activator.stderr.take().unwrap());
    let mut line = String::new();
    while said.read_line(&mut line).unwrap() > 0 && !line.contains("Listening on") {}
    if line.contains("Listening on") {
        let mut text = String::new();
        let mut client = TcpStream::connect(addr).unwrap();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "activated");
        said.read_to_string(&mut line).unwrap();
        assert!(activator.wait().unwrap().success(), "{line}");
    } else {
        assert_eq!(activator.wait().unwrap().code(), Some(127), "{line}");
        eprintln!("systemd-socket-activate is not installed");
    }
}

fn serve_activated() {
    let mut inherited = Inherited::take().unwrap();
    assert_eq!((inherited.len(), inherited.name(0)), (1, Some("web")));
    let served = Arc::new(Event::new());
    let signal = served.clone();
    let handler = move |mut stream: TcpStream, _: SocketAddr| {
        signal.set();
        stream.write_all(b"activated")
    };
    let server = StreamServer::new(inherited.tcp_listener(0).unwrap(), handler).unwrap();
    assert!(server.serve_until(&*served, LONG).unwrap());
}
