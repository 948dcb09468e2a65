//! `TcpStream::builder`: each option, the deadline, several addresses at once, and what errors say.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use greenloop::net::{TcpListener, TcpStream, TcpStreamBuilder};
use greenloop::{Killed, joinall, spawn, timeout, yield_now};
use socket2::SockRef;

use crate::alone::{alone, census};
use crate::everywhere::everywhere;
use crate::net::{deaf, full_listener};
use crate::within::{LONG, until, within};

const TICK: Duration = Duration::from_millis(20);

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn eager() -> TcpStreamBuilder {
    TcpStream::builder().happy_eyeballs(true)
}

/// Fails if the error's text does not have all of `parts`.
#[track_caller]
fn assert_says(error: &io::Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
}

#[test]
fn without_options_it_connects_as_connect_does() {
    everywhere(|| {
        let (listener, addr) = listen();
        let mut client = TcpStream::builder().connect(addr).unwrap();
        let (mut server, from) = listener.accept().unwrap();
        assert_eq!(from, client.local_addr().unwrap());
        assert!(!client.nodelay().unwrap());
        let socket = SockRef::from(&client);
        assert!(!socket.nonblocking().unwrap() && !socket.keepalive().unwrap());
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0; 1]).unwrap();
    });
}

#[test]
fn it_comes_from_the_source_address() {
    everywhere(|| {
        let (listener, addr) = listen();
        let source = SocketAddr::from(([127, 0, 0, 9], 0));
        let builder = TcpStream::builder().source_address(source);
        let clients = [
            builder.connect(addr).unwrap(),
            builder.connect(addr).unwrap(),
        ];
        for client in &clients {
            assert_eq!(client.local_addr().unwrap().ip(), source.ip());
            let (_, from) = listener.accept().unwrap();
            assert_eq!(from, client.local_addr().unwrap());
        }
        let taken = clients[0].local_addr().unwrap();
        let again = TcpStream::builder().source_address(taken).connect(addr);
        let error = again.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_says(&error, &[&taken.to_string(), &addr.to_string()]);
    });
}

#[test]
fn a_source_address_that_cannot_be_is_named() {
    everywhere(|| {
        let (_listener, addr) = listen();
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let foreign = SocketAddr::from(([192, 0, 2, 1], 0));
        for (source, kind) in [
            (other, ErrorKind::InvalidInput),
            (foreign, ErrorKind::AddrNotAvailable),
        ] {
            let error = TcpStream::builder().source_address(source).connect(addr);
            let error = error.unwrap_err();
            assert_eq!(error.kind(), kind);
            assert_says(&error, &[&source.to_string(), &addr.to_string()]);
        }
    });
}

#[test]
fn addresses_of_the_source_addresss_family_are_tried() {
    everywhere(|| {
        let (_listener, addr) = listen();
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, addr.port()));
        for builder in [TcpStream::builder(), eager()] {
            let builder = builder.source_address(([127, 0, 0, 1], 0).into());
            let stream = builder.connect(&[other, addr][..]).unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addr);
        }
    });
}

#[test]
fn it_goes_through_the_device() {
    everywhere(|| {
        let (_listener, addr) = listen();
        let stream = TcpStream::builder()
            .bind_device("lo")
            .connect(addr)
            .unwrap();
        let device = SockRef::from(&stream).device().unwrap();
        assert_eq!(device.as_deref(), Some(&b"lo"[..]));
    });
}

#[test]
fn a_device_that_cannot_be_is_named() {
    everywhere(|| {
        let (_listener, addr) = listen();
        for name in ["", "a\0b", "lo is cut off by the kernel"] {
            let error = TcpStream::builder().bind_device(name).connect(addr);
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_says(&error, &[name, &addr.to_string()]);
        }
        let error = TcpStream::builder().bind_device("nosuchdev0").connect(addr);
        assert_says(&error.unwrap_err(), &["nosuchdev0", &addr.to_string()]);
    });
}

#[test]
fn keepalive_and_nodelay_are_set() {
    everywhere(|| {
        let (_listener, addr) = listen();
        let builder = TcpStream::builder()
            .keepalive(Duration::from_secs(61))
            .keepalive_interval(Duration::from_secs(7))
            .keepalive_retries(5)
            .nodelay(true);
        let stream = builder.connect(addr).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
        let time = socket.tcp_keepalive_time().unwrap();
        let interval = socket.tcp_keepalive_interval().unwrap();
        assert_eq!((time.as_secs(), interval.as_secs()), (61, 7));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 5);

        let builder = TcpStream::builder().keepalive_retries(2);
        let stream = builder.connect(addr).unwrap();
        assert!(SockRef::from(&stream).keepalive().unwrap());
    });
}

#[test]
fn a_keepalive_of_no_time_is_refused() {
    everywhere(|| {
        let (_listener, addr) = listen();
        let builder = TcpStream::builder().keepalive(Duration::from_millis(1));
        let error = builder.connect(addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_says(&error, &[&addr.to_string()]);
    });
}

#[test]
fn all_addresses_are_in_the_error() {
    everywhere(|| {
        let [(a, _a), (b, _b)] = [deaf(), deaf()];
        for builder in [TcpStream::builder(), eager()] {
            let error = builder.connect(&[a, b][..]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert_says(&error, &[&a.to_string(), &b.to_string(), "refused"]);
            let error = builder.connect(a).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            assert_says(&error, &[&a.to_string()]);
        }
    });
}

#[test]
fn bad_input_is_refused_before_anything_is_tried() {
    everywhere(|| {
        let none: &[SocketAddr] = &[];
        for builder in [TcpStream::builder(), eager()] {
            let no_time = builder.clone().timeout(Duration::ZERO);
            let errors = [
                no_time.connect("127.0.0.1:1").unwrap_err(),
                builder.connect(none).unwrap_err(),
                builder.connect("localhost").unwrap_err(),
                builder.connect("127.0.0.1:http").unwrap_err(),
            ];
            assert!(errors.iter().all(|e| e.kind() == ErrorKind::InvalidInput));
        }
    });
}

#[test]
fn the_deadline_is_for_all_addresses() {
    everywhere(|| {
        let full = [full_listener(), full_listener()];
        let [a, b] = [0, 1].map(|at: usize| full[at].0.local_addr().unwrap());
        for builder in [TcpStream::builder(), eager()] {
            let start = Instant::now();
            let error = builder.timeout(2 * TICK).connect(&[a, b][..]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_says(&error, &[&a.to_string(), &b.to_string(), "timed out"]);
            assert!(start.elapsed() >= 2 * TICK && start.elapsed() < LONG);
        }
    });
}

#[test]
fn a_deadline_far_away_is_none() {
    everywhere(|| {
        let (_listener, addr) = listen();
        for builder in [TcpStream::builder(), eager()] {
            let builder = builder.timeout(Duration::MAX);
            builder.connect(&[addr, addr][..]).unwrap();
        }
    });
}

/// Without the option this would wait for the first address for minutes.
#[test]
fn an_address_that_does_not_answer_holds_up_no_other() {
    everywhere(|| {
        let ((full, _queued), (_listener, good)) = (full_listener(), listen());
        let silent = full.local_addr().unwrap();
        let start = Instant::now();
        let stream = eager().connect(&[silent, silent, good][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(200) && waited < LONG); // its head start
        assert!(!SockRef::from(&stream).nonblocking().unwrap());
    });
}

#[test]
fn an_address_that_refuses_is_followed_at_once() {
    everywhere(|| {
        let (deaf, _bound) = deaf();
        let (_listener, good) = listen();
        let mut addrs = vec![deaf];
        addrs.extend((1..=200).map(|n| SocketAddr::from(([127, 1, 0, n], deaf.port()))));
        addrs.push(good);
        let start = Instant::now();
        let stream = eager().connect(&addrs[..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(start.elapsed() < Duration::from_secs(40)); // with a stagger each it would be 50
    });
}

#[test]
fn the_first_address_wins_if_it_answers() {
    everywhere(|| {
        let ((first, addr), (second, other)) = (listen(), listen());
        let stream = eager().connect(&[addr, other][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        first.accept().unwrap();
        second.set_nonblocking(true).unwrap();
        assert_eq!(second.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn families_are_tried_in_turn() {
    everywhere(|| {
        let (_listener, good) = listen();
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, good.port()));
        let stream = eager().connect(&[v6, good][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let name = ("localhost", good.port());
        assert_eq!(eager().connect(name).unwrap().peer_addr().unwrap(), good);
    });
}

#[test]
fn kills_and_timeouts_end_it() {
    everywhere(|| {
        let (full, _queued) = full_listener();
        let silent = full.local_addr().unwrap();
        let other = SocketAddr::from(([127, 0, 0, 2], silent.port()));
        for builder in [TcpStream::builder(), eager()] {
            let again = builder.clone();
            timeout(TICK, || again.connect(&[silent, other][..1])).unwrap_err();
            let addrs = [silent, silent];
            let victim = spawn(move || builder.connect(&addrs[..]).map(drop));
            yield_now();
            victim.kill();
            assert!(victim.join().unwrap_err().is::<Killed>());
        }
    });
}

#[test]
fn many_races_at_once() {
    within(LONG, || {
        const CLIENTS: usize = 300;
        let listener = TcpListener::builder().backlog(1024);
        let listener = listener.bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        // A port that no client is given, so that none connects to itself.
        let deaf = SocketAddr::from(([127, 0, 0, 1], 1));
        let connect = move || eager().connect(&[deaf, good][..]).unwrap();
        let clients: Vec<_> = (0..CLIENTS).map(|_| spawn(connect)).collect();
        let servers: Vec<_> = listener.incoming().take(CLIENTS).collect();
        let clients = joinall(clients);
        assert!(clients.iter().all(Result::is_ok) && servers.iter().all(Result::is_ok));
    });
}

#[test]
fn losers_are_closed_and_nothing_is_left() {
    alone(
        concat!(module_path!(), "::losers_are_closed_and_nothing_is_left"),
        "",
        || {
            let ((full, _queued), (_listener, good)) = (full_listener(), listen());
            let silent = full.local_addr().unwrap();
            let races: [fn(SocketAddr, SocketAddr); 3] = [
                |silent, good| drop(eager().connect(&[silent, good][..]).unwrap()),
                |silent, _| {
                    let other = SocketAddr::from(([127, 0, 0, 2], silent.port()));
                    let builder = eager().timeout(TICK);
                    builder.connect(&[silent, other][..]).unwrap_err();
                },
                |silent, good| {
                    let victim = spawn(move || {
                        let stream = eager().connect(&[silent, good][..]);
                        drop(stream);
                    });
                    yield_now();
                    victim.kill();
                },
            ];
            for race in races {
                spawn(move || race(silent, good)).join().unwrap();
            }
            for race in races {
                let before = census(); // with what the last losers have not closed yet, two or so
                spawn(move || (0..10).for_each(|_| race(silent, good)))
                    .join()
                    .unwrap();
                until("the losers are closed", || {
                    let now = census();
                    now.descriptors <= before.descriptors
                        && now.registrations <= before.registrations
                });
            }
        },
    );
}
/// A read ends at the mark of urgent data, however much lies behind it.
#[test]
fn short_reads_at_urgent_data_lose_nothing() {
    everywhere(|| {
        let (listener, addr) = listen();
        let client = std::net::TcpStream::connect(addr).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(TICK)).unwrap();
        server.read(&mut [0; 8]).unwrap_err(); // a reactor knows it now
        server.set_read_timeout(Some(LONG)).unwrap();
        (&client).write_all(b"ab").unwrap();
        SockRef::from(&client).send_out_of_band(b"c").unwrap();
        (&client).write_all(b"de").unwrap();
        greenloop::sleep(TICK); // the reactor hears of all of it
        let mut bytes = [0; 4];
        for part in bytes.chunks_mut(2) {
            let mut buf = [0; 8];
            assert_eq!(server.read(&mut buf).unwrap(), 2);
            part.copy_from_slice(&buf[..2]);
        }
        assert_eq!(&bytes, b"abde");
    });
}
