//! The life of servers: how they are started, whom they wait for, and how they end.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use greenloop::net::unix::{self, UnixListener, UnixStream};
use greenloop::net::{SocketAddr, StreamServer, TcpListener, TcpStream};
use greenloop::sync::Event;
use greenloop::{joinall, shield, spawn, timeout};

use crate::everywhere::everywhere;
use crate::server::{TICK, assert_closed, assert_echoes, client_of, echo, echo_server};
use crate::within::{LONG, until, within};

#[test]
fn stopping_waits_for_the_open_connections() {
    everywhere(|| {
        let server = echo_server();
        let (client, handle) = (client_of(&server), server.handle());
        server.start().unwrap();
        assert_echoes(&client);
        let stopping = spawn(move || handle.stop(LONG));
        until("it is closed", || server.is_closed());
        assert_echoes(&client); // it goes on
        assert!(!stopping.is_finished());
        drop(client);
        assert!(stopping.join().unwrap());
    });
}

#[test]
fn connections_that_do_not_end_are_killed_at_the_deadline() {
    everywhere(|| {
        let server = echo_server();
        server.start().unwrap();
        let clients: Vec<_> = (0..10).map(|_| client_of(&server)).collect();
        clients.iter().for_each(assert_echoes);
        assert!(!server.stop(TICK));
        assert_eq!(server.connections(), 0);
        clients.iter().for_each(assert_closed);
    });
}

#[test]
fn a_handler_that_cannot_be_killed_is_given_up() {
    within(LONG, || {
        let go = Arc::new(Event::new());
        let stuck = go.clone();
        let handler = move |_: TcpStream, _: SocketAddr| shield(|| stuck.wait());
        let server = StreamServer::bind("127.0.0.1:0", handler).unwrap();
        let (serving, _client) = (server.handle(), client_of(&server));
        let serving = spawn(move || serving.serve_forever());
        until("it is served", || server.connections() == 1);
        assert!(!server.stop(TICK));
        serving.join().unwrap().unwrap(); // it does not wait for ever, either
        assert_eq!(server.connections(), 1);
        go.set();
        until("it ends", || server.connections() == 0);
    });
}

#[test]
fn serving_for_ever_ends_with_the_last_connection() {
    everywhere(|| {
        let server = echo_server();
        let (client, serving) = (client_of(&server), server.handle());
        let serving = spawn(move || serving.serve_forever());
        assert_echoes(&client);
        server.close();
        assert_echoes(&client);
        assert!(!serving.is_finished());
        drop(client);
        serving.join().unwrap().unwrap();
    });
}

#[test]
fn a_stop_before_the_start_is_not_lost() {
    everywhere(|| {
        let server = echo_server();
        assert!(server.stop(LONG));
        server.serve_forever().unwrap();
        assert!(server.serve_until(&Event::new(), LONG).unwrap());
        assert_eq!(server.start().unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn who_comes_while_accepting_is_stopped_is_served_later() {
    everywhere(|| {
        let server = echo_server();
        server.start().unwrap();
        let open = client_of(&server);
        assert_echoes(&open);
        server.stop_accepting();
        assert!(!server.is_accepting() && !server.is_closed());
        let waiting = client_of(&server);
        assert_echoes(&open);
        assert_eq!(server.connections(), 1);
        server.start_accepting().unwrap();
        assert_echoes(&waiting);
        drop((open, waiting));
        assert!(server.stop(LONG));
    });
}

#[test]
fn no_connection_is_lost_when_accepting_stops_and_starts() {
    within(LONG, || {
        let builder = StreamServer::builder().backlog(1024);
        let limited = builder.clone().limit(3);
        for builder in [
            builder.clone(),
            limited.clone(),
            builder.reuse_port(3),
            limited.reuse_port(3),
        ] {
            let server = builder.bind("127.0.0.1:0", echo).unwrap();
            let addr = server.local_addr();
            let clients =
                (0..300).map(|_| spawn(move || assert_echoes(&TcpStream::connect(addr).unwrap())));
            let clients: Vec<_> = clients.collect();
            while !clients.iter().all(greenloop::JoinHandle::is_finished) {
                server.start_accepting().unwrap();
                greenloop::yield_now();
                server.stop_accepting();
            }
            clients
                .into_iter()
                .for_each(|client| client.join().unwrap());
        }
    });
}

#[test]
fn who_comes_to_a_limited_server_while_accepting_is_stopped_is_served_later() {
    everywhere(|| {
        let builder = StreamServer::builder().limit(2);
        for builder in [builder.clone(), builder.reuse_port(3)] {
            let server = builder.bind("127.0.0.1:0", echo).unwrap();
            server.start().unwrap();
            let open = client_of(&server);
            assert_echoes(&open);
            server.stop_accepting();
            let waiting: Vec<_> = (0..5).map(|_| client_of(&server)).collect();
            assert_echoes(&open);
            assert_eq!(server.connections(), 1);
            drop(open);
            until("it has ended", || server.connections() == 0);
            server.start_accepting().unwrap();
            // In any order; each makes room for another one.
            let echoed = waiting
                .into_iter()
                .map(|it| spawn(move || assert_echoes(&it)));
            for client in joinall(echoed.collect::<Vec<_>>()) {
                client.unwrap();
            }
            assert!(server.stop(LONG));
        }
    });
}

#[test]
fn accepting_stops_and_starts_over_a_unix_socket() {
    everywhere(|| {
        let handler = |mut stream: UnixStream, _: unix::SocketAddr| {
            std::io::copy(&mut stream.try_clone()?, &mut stream)
        };
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let server = StreamServer::new(listener, handler).unwrap();
        for _ in 0..3 {
            let mut client = UnixStream::connect_addr(&server.local_addr()).unwrap();
            client.write_all(b"hello").unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(server.connections(), 0);
            server.start_accepting().unwrap();
            let mut echoed = String::new();
            client.read_to_string(&mut echoed).unwrap();
            assert_eq!(echoed, "hello");
            server.stop_accepting();
            until("it has ended", || server.connections() == 0);
        }
        assert!(server.stop(LONG));
    });
}

#[test]
fn a_closed_server_frees_its_port_and_keeps_its_connections() {
    everywhere(|| {
        let server = echo_server();
        server.start().unwrap();
        let client = client_of(&server);
        assert_echoes(&client);
        server.close();
        let again = TcpListener::bind(server.local_addr()).unwrap();
        assert_echoes(&client);
        drop((client, again));
        assert!(server.stop(LONG));
    });
}

#[test]
fn a_dropped_server_is_closed() {
    everywhere(|| {
        let server = echo_server();
        server.start().unwrap();
        let (client, handle) = (client_of(&server), server.handle());
        assert_echoes(&client);
        drop(server);
        assert!(handle.is_closed());
        assert_echoes(&client);
        drop(client);
        assert!(handle.stop(LONG));
    });
}

#[test]
fn a_timeout_of_who_serves_closes_the_server() {
    everywhere(|| {
        let server = echo_server();
        let client = client_of(&server);
        server.start().unwrap();
        assert_echoes(&client);
        timeout(TICK, || server.serve_forever()).unwrap_err();
        assert!(server.is_closed());
        assert_echoes(&client); // until it is stopped
        assert!(!server.stop(TICK));
        assert_closed(&client);
    });
}

#[test]
fn a_kill_of_who_serves_closes_the_server() {
    everywhere(|| {
        let server = echo_server();
        let serving = server.handle();
        let serving = spawn(move || serving.serve_until(&Event::new(), LONG));
        assert_echoes(&client_of(&server));
        serving.kill();
        assert!(server.is_closed());
        assert!(server.stop(LONG));
    });
}

#[test]
fn what_is_waited_for_stops_the_server() {
    everywhere(|| {
        let (go, client_done) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let signal = go.clone();
        let handler = move |stream: TcpStream, peer: SocketAddr| {
            signal.set(); // from a handler of its own
            echo(stream, peer)
        };
        let server = StreamServer::bind("127.0.0.1:0", handler).unwrap();
        let (client, done) = (client_of(&server), client_done.clone());
        let handle = server.handle();
        let client = spawn(move || {
            until("it is closed", || handle.is_closed());
            assert_echoes(&client);
            done.set();
        });
        assert!(server.serve_until(&*go, LONG).unwrap());
        assert!(client_done.is_set());
        client.join().unwrap();
    });
}

#[test]
fn the_end_of_a_hub_closes_its_servers() {
    within(LONG, || {
        let server = echo_server();
        let elsewhere = server.handle();
        greenloop::run(|| {
            server.start().unwrap();
            assert_echoes(&client_of(&server));
        });
        assert!(server.is_closed());
        let error = elsewhere.serve_forever().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{error}");
        // Also one whose acceptor never came to run.
        let server = echo_server();
        greenloop::run(|| server.start().unwrap());
        assert!(server.is_closed());
    });
}

#[test]
fn a_descriptor_that_is_no_listener_ends_the_server() {
    everywhere(|| {
        let (socket, _other) = UnixStream::pair().unwrap();
        let listener = UnixListener::from(OwnedFd::from(socket));
        let server = StreamServer::new(listener, |_: UnixStream, _: unix::SocketAddr| ()).unwrap();
        let error = server.serve_forever().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(server.is_closed());

        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        StreamServer::new(TcpListener::from(file), echo).unwrap_err();
    });
}
