//! `DatagramServer`: who is served, what limits, and how it ends.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use greenloop::net::unix::{self, UnixDatagram};
use greenloop::net::{
    Datagram, DatagramServer, ServerBuilder, SocketAddr, StreamServer, UdpSocket,
};
use greenloop::spawn;
use greenloop::sync::Event;

use crate::everywhere::everywhere;
use crate::server::TICK;
use crate::within::{LONG, until, within};

fn shout(datagram: Datagram, peer: SocketAddr) -> io::Result<usize> {
    datagram
        .socket
        .send_to(&datagram.data.to_ascii_uppercase(), peer)
}

#[test]
fn datagrams_are_served() {
    everywhere(|| {
        let server = DatagramServer::bind("127.0.0.1:0", shout).unwrap();
        server.start().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        for text in ["one", "", "three"] {
            client
                .send_to(text.as_bytes(), server.local_addr())
                .unwrap();
            let mut buffer = [0; 16];
            let (len, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..len], *text.to_uppercase().as_bytes());
            assert_eq!(from, server.local_addr());
        }
        server.stop_accepting();
        client.send_to(b"late", server.local_addr()).unwrap();
        server.start_accepting().unwrap();
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), 4);
        assert!(server.stop(LONG));
        UdpSocket::bind(server.local_addr()).unwrap();
    });
}

#[test]
fn datagrams_of_unix_sockets_are_served_in_any_mode() {
    within(LONG, || {
        let handler = |datagram: Datagram<UnixDatagram>, peer: unix::SocketAddr| {
            datagram.socket.send_to_addr(&datagram.data, &peer)
        };
        let socket = UnixDatagram::bind("").unwrap();
        socket.set_nonblocking(true).unwrap();
        let server = DatagramServer::new(socket, handler).unwrap();
        server.start().unwrap();
        let client = UnixDatagram::bind("").unwrap();
        client.send_to_addr(b"hello", &server.local_addr()).unwrap();
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), 5);
        assert!(server.stop(LONG));
    });
}

#[test]
fn a_limit_of_datagrams_holds_and_stop_kills_their_handlers() {
    within(LONG, || {
        let (inside, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Event::new()));
        let (count, gate) = (inside.clone(), go.clone());
        let handler = move |datagram: Datagram, peer: SocketAddr| {
            count.fetch_add(1, SeqCst);
            gate.wait();
            shout(datagram, peer)
        };
        let sockets = [UdpSocket::bind("127.0.0.1:0").unwrap()];
        let builder = StreamServer::builder().limit(2);
        let server = builder.receive(sockets, handler).unwrap();
        server.start().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        for _ in 0..5 {
            client.send_to(b"x", server.local_addr()).unwrap();
        }
        until("it is full", || inside.load(SeqCst) == 2);
        assert_eq!(server.connections(), 2);
        go.set();
        for _ in 0..5 {
            assert_eq!(client.recv(&mut [0; 16]).unwrap(), 1); // loopback loses none of so few
        }
        go.clear();
        client.send_to(b"x", server.local_addr()).unwrap();
        until("it waits", || {
            server.connections() == 1 && inside.load(SeqCst) == 6
        });
        assert!(!server.stop(TICK));
        assert_eq!(server.connections(), 0);
    });
}

/// A server without a limit, and one with.
fn builders() -> [ServerBuilder; 2] {
    let builder = StreamServer::builder();
    [builder.clone(), builder.limit(2)]
}

fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket
}

#[test]
fn datagrams_that_come_while_accepting_is_stopped_are_served_later() {
    everywhere(|| {
        for builder in builders() {
            let server = builder.receive([udp(), udp()], shout).unwrap();
            let client = udp();
            for _ in 0..3 {
                server.start_accepting().unwrap();
                server.stop_accepting();
                assert!(!server.is_accepting() && !server.is_closed());
                for addr in server.local_addrs() {
                    client.send_to(b"early", addr).unwrap();
                    client.send_to(b"", addr).unwrap();
                }
                assert_eq!(server.connections(), 0);
                server.start_accepting().unwrap();
                let heard = || client.recv(&mut [0; 16]).unwrap();
                assert_eq!((0..4).map(|_| heard()).sum::<usize>(), 10);
                until("all are done", || server.connections() == 0);
            }
            assert!(server.stop(LONG));
        }
    });
}

#[test]
fn a_silent_socket_keeps_nobody_from_the_others() {
    everywhere(|| {
        for builder in builders() {
            let server = builder.receive([udp(), udp(), udp()], shout).unwrap();
            server.start().unwrap();
            let client = udp();
            for nth in [2, 0, 1, 1, 2] {
                let addr = server.local_addrs()[nth];
                client.send_to(b"hello", addr).unwrap();
                assert_eq!(client.recv_from(&mut [0; 16]).unwrap(), (5, addr));
            }
            assert!(server.stop(LONG));
        }
    });
}

/// Counts, and has no answer: its peers have no names.
fn counter() -> (
    Arc<AtomicUsize>,
    impl Fn(Datagram<UnixDatagram>, unix::SocketAddr),
) {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    let handler = move |_: Datagram<UnixDatagram>, _: unix::SocketAddr| {
        counting.fetch_add(1, SeqCst);
    };
    (count, handler)
}

/// Such a socket has nothing for ever, without ever making anybody wait.
#[test]
fn a_socket_that_is_shut_down_ends_its_server_after_what_came_before() {
    everywhere(|| {
        for (builder, nonblocking) in builders().into_iter().zip([true, false]) {
            let (socket, peer) = UnixDatagram::pair().unwrap();
            let ours = socket.try_clone().unwrap();
            let (count, handler) = counter();
            let server = builder.receive([socket], handler).unwrap();
            ours.set_nonblocking(nonblocking).unwrap();
            for text in ["one", "", "three"] {
                peer.send(text.as_bytes()).unwrap();
            }
            ours.shutdown(Shutdown::Read).unwrap();
            let error = server.serve_forever().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
            assert!(server.is_closed());
            assert_eq!(count.load(SeqCst), 3);
        }
    });
}

#[test]
fn a_shut_down_of_a_socket_that_is_waited_for_ends_its_server() {
    everywhere(|| {
        for builder in builders() {
            let (socket, peer) = UnixDatagram::pair().unwrap();
            let ours = socket.try_clone().unwrap();
            let (count, handler) = counter();
            let server = builder.receive([socket], handler).unwrap();
            let serving = server.handle();
            let serving = spawn(move || serving.serve_forever());
            peer.send(b"").unwrap(); // no end
            until("it is served", || count.load(SeqCst) == 1);
            assert!(server.is_accepting());
            ours.shutdown(Shutdown::Both).unwrap();
            let error = serving.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        }
    });
}

#[test]
fn a_shut_down_udp_socket_ends_its_server() {
    everywhere(|| {
        for builder in builders() {
            let (socket, client) = (udp(), udp());
            socket.connect(client.local_addr().unwrap()).unwrap();
            let ours = socket.try_clone().unwrap();
            let server = builder.receive([socket], shout).unwrap();
            let serving = server.handle();
            let serving = spawn(move || serving.serve_forever());
            client.send_to(b"hello", server.local_addr()).unwrap();
            assert_eq!(client.recv(&mut [0; 16]).unwrap(), 5);
            rustix::net::shutdown(&ours, rustix::net::Shutdown::Read).unwrap();
            let error = serving.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        }
    });
}
