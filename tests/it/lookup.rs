//! `lookup_host`: what it finds, what it refuses, and how its wait ends.

use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

use greenloop::net::{TcpStream, UdpSocket, lookup_host};
use greenloop::{Killed, Runtime, spawn, spawn_blocking, timeout, yield_now};

use crate::alone::alone;
use crate::everywhere::everywhere;
use crate::within::{LONG, within};

const TICK: Duration = Duration::from_millis(20);

#[test]
fn it_finds_what_std_finds() {
    everywhere(|| {
        let expected: Vec<_> = "localhost:80".to_socket_addrs().unwrap().collect();
        assert!(!expected.is_empty());
        let found = |addrs: std::vec::IntoIter<SocketAddr>| addrs.collect::<Vec<_>>();
        assert_eq!(found(lookup_host("localhost:80").unwrap()), expected);
        assert_eq!(found(lookup_host(("localhost", 80)).unwrap()), expected);
        let owned = String::from("localhost");
        assert_eq!(found(lookup_host((owned, 80)).unwrap()), expected);
    });
}

#[test]
fn addresses_are_their_own() {
    everywhere(|| {
        let addrs: [SocketAddr; 2] = ["127.0.0.1:1", "[::1]:2"].map(|text| text.parse().unwrap());
        for addr in addrs {
            assert!(lookup_host(addr).unwrap().eq([addr]));
            assert!(lookup_host(addr.to_string()).unwrap().eq([addr]));
            assert!(lookup_host((addr.ip(), addr.port())).unwrap().eq([addr]));
        }
        assert!(lookup_host(&addrs[..]).unwrap().eq(addrs));
        assert_eq!(lookup_host(&addrs[..0]).unwrap().count(), 0);
    });
}

#[test]
fn malformed_hosts_are_refused() {
    everywhere(|| {
        for host in [
            "",
            "localhost",
            "localhost:http",
            "localhost:65536",
            "a\0b:1",
        ] {
            let error = lookup_host(host).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{host:?}: {error}");
        }
    });
}

/// A label of a name has 63 bytes at most, so no resolver has to be asked.
#[test]
fn a_host_that_cannot_be_is_named() {
    everywhere(|| {
        let host = "x".repeat(300);
        let expected = (host.as_str(), 80).to_socket_addrs().unwrap_err().kind();
        let errors = [
            lookup_host((host.as_str(), 80)).unwrap_err(),
            TcpStream::builder()
                .connect((host.as_str(), 80))
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), expected);
            assert!(error.to_string().contains(&host), "{error}");
        }
    });
}

/// The only thread of the pool is busy, so every lookup waits.
#[test]
fn a_wait_for_a_lookup_is_cut_short() {
    alone(
        concat!(module_path!(), "::a_wait_for_a_lookup_is_cut_short"),
        "",
        || {
            Runtime::builder().blocking_threads(1).start().unwrap();
            let (go_on, gate) = mpsc::channel::<()>();
            let busy = spawn_blocking(move || gate.recv());
            spawn(cut_lookups_short).join().unwrap();
            let patient = spawn(|| lookup_host("localhost:1").unwrap().count());
            yield_now();
            go_on.send(()).unwrap();
            busy.join().unwrap().unwrap();
            assert!(patient.join().unwrap() > 0);
        },
    );
}

fn cut_lookups_short() {
    timeout(TICK, || lookup_host("localhost:1").map(drop)).unwrap_err();
    timeout(TICK, || TcpStream::connect("localhost:1").map(drop)).unwrap_err();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    timeout(TICK, || socket.send_to(b"x", "localhost:1")).unwrap_err();
    let victim = spawn(|| lookup_host("localhost:1").map(drop));
    yield_now();
    victim.kill();
    assert!(victim.join().unwrap_err().is::<Killed>());

    let error = TcpStream::builder().timeout(TICK).connect("localhost:1");
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("localhost"), "{error}");
}

#[test]
fn a_thousand_lookups_at_once() {
    within(LONG, || {
        let lookups: Vec<_> = (0..1_000)
            .map(|port| spawn(move || lookup_host(("localhost", port)).unwrap().next()))
            .collect();
        for (port, lookup) in (0..).zip(lookups) {
            assert_eq!(lookup.join().unwrap().unwrap().port(), port);
        }
    });
}
