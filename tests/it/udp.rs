//! `UdpSocket`: parity with std's, and what is ours: waiting, kills, timeouts, many at once.
//!
//! Long because most of it is one table.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use greenloop::net::UdpSocket;
use greenloop::{Killed, joinall, spawn, timeout, yield_now};

use crate::alone::{alone, assert_back_to, census};
use crate::everywhere::everywhere;
use crate::parity::{Fault, fault, parity};
use crate::within::{LONG, within};

const TICK: Duration = Duration::from_millis(20);
const LOCAL: &str = "127.0.0.1:0";

/// The longest datagram over IPv4: 65,535 without the heads of IP and UDP.
const LONGEST: usize = 65_507;

/// Defines `UdpSocket`, and `pair`, which returns two sockets that are connected to each other.
macro_rules! names {
    (std) => {
        use std::net::UdpSocket;
        names!(@pair);
    };
    (ours) => {
        use greenloop::net::UdpSocket;
        names!(@pair);
    };
    (@pair) => {
        #[allow(dead_code, reason = "not every scenario needs a pair")]
        fn pair() -> io::Result<(UdpSocket, UdpSocket)> {
            let (a, b) = (UdpSocket::bind(LOCAL)?, UdpSocket::bind(LOCAL)?);
            a.connect(b.local_addr()?)?;
            b.connect(a.local_addr()?)?;
            Ok((a, b))
        }
    };
}

parity! {
    names;

    fn echo() -> Vec<usize> {
        let server = UdpSocket::bind(LOCAL)?;
        let addr = server.local_addr()?;
        let echo = thread::spawn(move || -> io::Result<()> {
            let mut buf = [0; 2_000];
            for _ in 0..100 {
                let (len, from) = server.recv_from(&mut buf)?;
                server.send_to(&buf[..len], from)?;
            }
            Ok(())
        });
        let client = UdpSocket::bind(LOCAL)?;
        let mut lengths = Vec::new();
        for len in 0..100 {
            client.send_to(&vec![7; len * 10], addr)?;
            let mut buf = [0; 2_000];
            let (len, from) = client.recv_from(&mut buf)?;
            assert!(from == addr && buf[..len].iter().all(|byte| *byte == 7));
            lengths.push(len);
        }
        echo.join().unwrap()?;
        Ok(lengths)
    }

    fn the_sender_is_told() -> bool {
        let (a, b) = (UdpSocket::bind(LOCAL)?, UdpSocket::bind(LOCAL)?);
        a.send_to(b"x", b.local_addr()?)?;
        let (peeked, received) = (b.peek_from(&mut [0; 1])?.1, b.recv_from(&mut [0; 1])?.1);
        Ok(peeked == a.local_addr()? && received == peeked)
    }

    fn a_datagram_of_no_bytes() -> Vec<usize> {
        let (a, b) = pair()?;
        let sent = vec![a.send(&[])?, a.send_to(&[], b.local_addr()?)?, a.send(b"end")?];
        let received = [b.peek(&mut [0; 8])?, b.recv(&mut [0; 8])?, b.recv_from(&mut [0; 8])?.0];
        Ok([sent, received.to_vec(), vec![b.recv(&mut [0; 8])?]].concat())
    }

    fn a_buffer_of_no_bytes_takes_a_datagram() -> (usize, usize) {
        let (a, b) = pair()?;
        a.send(b"lost")?;
        a.send(b"the next")?;
        Ok((b.recv(&mut [])?, b.recv(&mut [0; 8])?))
    }

    fn the_longest_datagram() -> (usize, usize, bool) {
        let (a, b) = pair()?;
        let sent = a.send(&vec![3; LONGEST])?;
        let mut buf = vec![0; 70_000];
        let len = b.recv(&mut buf)?;
        Ok((sent, len, buf[..len].iter().all(|byte| *byte == 3)))
    }

    fn a_datagram_that_is_too_long() -> (Fault, Fault) {
        let (a, b) = pair()?;
        let long = vec![0; LONGEST + 1];
        let to = b.local_addr()?;
        Ok((fault(&a.send(&long).unwrap_err()), fault(&b.send_to(&long, to).unwrap_err())))
    }

    fn what_does_not_fit_is_lost() -> (usize, [u8; 4], usize, usize) {
        let (a, b) = pair()?;
        a.send(b"abcdefgh")?;
        a.send(b"next")?;
        let mut buf = [0; 4];
        let seen = b.peek(&mut buf[..2])?;
        let len = b.recv(&mut buf)?;
        Ok((len, buf, seen, b.recv_from(&mut [0; 16])?.0))
    }

    fn peeks_take_nothing() -> (usize, usize, usize, [u8; 3]) {
        let (a, b) = pair()?;
        a.send(b"abc")?;
        let mut buf = [0; 3];
        Ok((b.peek(&mut [0; 9])?, b.peek_from(&mut [0; 2])?.0, b.recv(&mut buf)?, buf))
    }

    fn datagrams_keep_their_order_on_one_path() -> Vec<u8> {
        let (a, b) = pair()?;
        (0..50).try_for_each(|n| a.send(&[n]).map(drop))?;
        (0..50).map(|_| { let mut byte = [0]; b.recv(&mut byte).map(|_| byte[0]) }).collect()
    }

    fn only_the_peer_is_heard() -> (usize, bool) {
        let (a, b) = pair()?;
        let stranger = UdpSocket::bind(LOCAL)?;
        stranger.send_to(b"stranger", b.local_addr()?)?;
        a.send(b"peer")?;
        Ok((b.recv(&mut [0; 16])?, b.peer_addr()? == a.local_addr()?))
    }

    fn an_unconnected_socket_has_nobody() -> (Fault, Fault) {
        let socket = UdpSocket::bind(LOCAL)?;
        Ok((fault(&socket.send(b"x").unwrap_err()), fault(&socket.peer_addr().unwrap_err())))
    }

    fn the_peer_is_gone() -> (usize, Fault, Option<Fault>) {
        let (a, b) = pair()?;
        drop(b);
        let sent = a.send(b"into the void")?;
        let refused = fault(&a.recv(&mut [0; 8]).unwrap_err());
        a.send(b"again")?;
        // Loopback answers before `send` returns.
        Ok((sent, refused, a.take_error()?.map(|e| fault(&e))))
    }

    fn a_send_tells_of_the_one_before() -> Fault {
        let (a, b) = pair()?;
        drop(b);
        a.send(b"into the void")?;
        Ok(fault(&a.send(b"again").unwrap_err()))
    }

    fn bind_twice() -> Fault {
        let socket = UdpSocket::bind(LOCAL)?;
        Ok(fault(&UdpSocket::bind(socket.local_addr()?).unwrap_err()))
    }

    fn bind_to_an_address_of_another_host() -> Fault {
        Ok(fault(&UdpSocket::bind("192.0.2.1:0").unwrap_err()))
    }

    fn bind_goes_on_to_the_next_address() -> bool {
        let taken = UdpSocket::bind(LOCAL)?;
        let next = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = UdpSocket::bind(&[taken.local_addr()?, next][..])?;
        Ok(socket.local_addr()? != taken.local_addr()?)
    }

    fn no_addresses() -> Vec<Fault> {
        let none: &[SocketAddr] = &[];
        let socket = UdpSocket::bind(LOCAL)?;
        let errors = [
            UdpSocket::bind(none).unwrap_err(),
            socket.connect(none).unwrap_err(),
            socket.send_to(b"x", none).unwrap_err(),
        ];
        Ok(errors.iter().map(fault).collect())
    }

    fn malformed_addresses() -> Vec<Fault> {
        let socket = UdpSocket::bind(LOCAL)?;
        let texts = ["", "localhost", "127.0.0.1:65536", "a\0b:1", "[::1]"];
        let faults = texts.map(|text| [
            fault(&UdpSocket::bind(text).unwrap_err()),
            fault(&socket.connect(text).unwrap_err()),
            fault(&socket.send_to(b"x", text).unwrap_err()),
        ]);
        Ok(faults.concat())
    }

    fn an_address_of_the_other_family() -> (Fault, Fault) {
        let socket = UdpSocket::bind(LOCAL)?;
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, 9));
        Ok((
            fault(&socket.connect(other).unwrap_err()),
            fault(&socket.send_to(b"x", other).unwrap_err()),
        ))
    }

    fn a_broadcast_needs_leave() -> Fault {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        Ok(fault(&socket.send_to(b"x", "255.255.255.255:9").unwrap_err()))
    }

    fn names_are_looked_up() -> usize {
        let socket = UdpSocket::bind(("localhost", 0))?;
        let port = socket.local_addr()?.port();
        socket.send_to(b"one", ("localhost", port))?;
        socket.send_to(b"two", format!("localhost:{port}"))?;
        socket.connect(("localhost", port))?;
        socket.send(b"three")?;
        (0..3).map(|_| socket.recv(&mut [0; 8])).sum()
    }

    fn sends_to_the_first_address_alone() -> (usize, Fault) {
        let (a, b) = (UdpSocket::bind(LOCAL)?, UdpSocket::bind(LOCAL)?);
        let addrs = [a.local_addr()?, b.local_addr()?];
        b.set_nonblocking(true)?;
        b.send_to(b"to a", &addrs[..])?;
        Ok((a.recv(&mut [0; 8])?, fault(&b.recv(&mut [0; 8]).unwrap_err())))
    }

    fn read_timeouts_expire() -> Vec<Fault> {
        let socket = UdpSocket::bind(LOCAL)?;
        socket.set_read_timeout(Some(TICK))?;
        let start = Instant::now();
        let buf = &mut [0; 8];
        let errors = [
            socket.recv(buf).unwrap_err(),
            socket.peek(buf).unwrap_err(),
            socket.recv_from(buf).unwrap_err(),
            socket.peek_from(buf).unwrap_err(),
        ];
        assert!(start.elapsed() >= 4 * TICK && start.elapsed() < LONG);
        Ok(errors.iter().map(fault).collect())
    }

    fn zero_timeouts() -> (Fault, Fault) {
        let socket = UdpSocket::bind(LOCAL)?;
        let zero = Some(Duration::ZERO);
        Ok((
            fault(&socket.set_read_timeout(zero).unwrap_err()),
            fault(&socket.set_write_timeout(zero).unwrap_err()),
        ))
    }

    fn timeouts_are_told() -> Vec<Option<Duration>> {
        let socket = UdpSocket::bind(LOCAL)?;
        let mut told = vec![socket.read_timeout()?, socket.write_timeout()?];
        for millis in [0.001, 1.0, 1501.0, 1e15] {
            let timeout = Some(Duration::from_secs_f64(millis / 1000.0));
            socket.set_read_timeout(timeout)?;
            socket.set_write_timeout(timeout)?;
            told.extend([socket.read_timeout()?, socket.write_timeout()?]);
        }
        socket.set_read_timeout(Some(Duration::MAX))?;
        socket.set_write_timeout(None)?;
        told.extend([socket.read_timeout()?, socket.write_timeout()?]);
        Ok(told)
    }

    fn a_timeout_taken_back_is_gone() -> usize {
        let (a, b) = pair()?;
        b.set_read_timeout(Some(Duration::from_millis(1)))?;
        b.recv(&mut [0; 8]).unwrap_err();
        b.set_read_timeout(None)?;
        let sender = thread::spawn(move || a.send(b"late"));
        let len = b.recv(&mut [0; 8])?;
        sender.join().unwrap()?;
        Ok(len)
    }

    fn clones_share_timeouts_and_the_mode() -> (Fault, Option<Duration>, Fault, usize) {
        let (a, b) = pair()?;
        let clone = b.try_clone()?;
        clone.set_read_timeout(Some(TICK))?;
        let expired = fault(&b.recv(&mut [0; 8]).unwrap_err());
        let told = b.read_timeout()?;
        b.set_read_timeout(None)?;
        b.set_nonblocking(true)?;
        let empty = fault(&clone.recv_from(&mut [0; 8]).unwrap_err());
        clone.set_nonblocking(false)?;
        let sender = thread::spawn(move || a.send(b"late"));
        let len = b.recv(&mut [0; 8])?;
        sender.join().unwrap()?;
        Ok((expired, told, empty, len))
    }

    fn a_clone_keeps_the_socket_bound() -> (Fault, usize) {
        let socket = UdpSocket::bind(LOCAL)?;
        let (addr, clone) = (socket.local_addr()?, socket.try_clone()?);
        drop(socket);
        let taken = fault(&UdpSocket::bind(addr).unwrap_err());
        clone.send_to(b"self", addr)?;
        Ok((taken, clone.recv(&mut [0; 8])?))
    }

    fn options() -> Vec<u32> {
        let socket = UdpSocket::bind(LOCAL)?;
        let read = || -> io::Result<[u32; 4]> {
            let flags = [socket.broadcast()?, socket.multicast_loop_v4()?].map(u32::from);
            Ok([flags[0], flags[1], socket.multicast_ttl_v4()?, socket.ttl()?])
        };
        let before = read()?;
        socket.set_broadcast(true)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_ttl_v4(7)?;
        socket.set_ttl(42)?;
        Ok([before, read()?].concat())
    }

    fn options_of_ipv6() -> Vec<bool> {
        let socket = match UdpSocket::bind("[::1]:0") {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return Ok(vec![]),
            socket => socket?,
        };
        let before = socket.multicast_loop_v6()?;
        socket.set_multicast_loop_v6(false)?;
        Ok(vec![before, socket.multicast_loop_v6()?])
    }

    fn options_out_of_range() -> (Fault, Fault) {
        let socket = UdpSocket::bind(LOCAL)?;
        Ok((
            fault(&socket.set_ttl(256).unwrap_err()),
            fault(&socket.set_multicast_ttl_v4(256).unwrap_err()),
        ))
    }

    fn a_group_is_heard_while_it_is_joined() -> (usize, Fault) {
        let group = Ipv4Addr::new(224, 0, 0, 251);
        let member = UdpSocket::bind("0.0.0.0:0")?;
        member.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
        // A socket bound to an address of loopback sends to groups through it.
        let sender = socket2::SockRef::from(&member).try_clone()?;
        sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
        member.send_to(b"group", (group, member.local_addr()?.port()))?;
        let heard = member.recv(&mut [0; 8])?;
        member.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
        member.send_to(b"group", (group, member.local_addr()?.port()))?;
        member.set_nonblocking(true)?;
        Ok((heard, fault(&member.recv(&mut [0; 8]).unwrap_err())))
    }

    fn groups_that_cannot_be() -> Vec<Fault> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        let (group, no_group) = (Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::new(10, 0, 0, 1));
        let local = Ipv4Addr::LOCALHOST;
        let errors = [
            socket.join_multicast_v4(&no_group, &local).unwrap_err(),
            socket.leave_multicast_v4(&group, &local).unwrap_err(),
            socket.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0).unwrap_err(),
            socket.leave_multicast_v6(&Ipv6Addr::LOCALHOST, 0).unwrap_err(),
        ];
        Ok(errors.iter().map(fault).collect())
    }

    fn over_ipv6() -> (usize, bool) {
        let a = match UdpSocket::bind("[::1]:0") {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return Ok((5, true)),
            a => a?,
        };
        let b = UdpSocket::bind("[::1]:0")?;
        a.send_to(b"hello", b.local_addr()?)?;
        let (len, from) = b.recv_from(&mut [0; 8])?;
        Ok((len, from == a.local_addr()?))
    }

    fn debug_format() -> String {
        let socket = UdpSocket::bind(LOCAL)?;
        let text = format!("{socket:?}").replace(&socket.local_addr()?.to_string(), "A");
        Ok(text.replace(&format!("fd: {}", socket.as_raw_fd()), "fd: N"))
    }

    fn descriptors_pass_through() -> usize {
        let (a, b) = pair()?;
        let a = UdpSocket::from(OwnedFd::from(a));
        assert_eq!(a.as_fd().as_raw_fd(), a.as_raw_fd());
        // SAFETY: the descriptor was just given away by its owner.
        let a = unsafe { UdpSocket::from_raw_fd(a.into_raw_fd()) };
        a.send(b"still here")?;
        b.recv(&mut [0; 16])
    }

    fn calls_on_what_is_no_socket() -> Vec<Fault> {
        let file = OwnedFd::from(std::fs::File::open("/dev/null")?);
        let socket = UdpSocket::from(file);
        let errors = [
            socket.recv(&mut [0; 1]).unwrap_err(),
            socket.recv_from(&mut [0; 1]).unwrap_err(),
            socket.send(b"x").unwrap_err(),
            socket.send_to(b"x", "127.0.0.1:9").unwrap_err(),
        ];
        Ok(errors.iter().map(fault).collect())
    }
}

#[test]
fn the_type_is_as_sendable_and_unwind_safe_as_stds() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    check::<UdpSocket>();
}

#[test]
fn a_socket_of_stds_keeps_its_timeout_and_mode_both_ways() {
    everywhere(|| {
        let std = std::net::UdpSocket::bind(LOCAL).unwrap();
        std.set_read_timeout(Some(TICK)).unwrap();
        let ours = UdpSocket::from(std);
        assert_eq!(kind(ours.recv(&mut [0; 1])), ErrorKind::WouldBlock);
        ours.set_read_timeout(None).unwrap();
        ours.set_nonblocking(true).unwrap();
        let std = std::net::UdpSocket::from(ours);
        assert_eq!(kind(std.recv(&mut [0; 1])), ErrorKind::WouldBlock);
        let ours = UdpSocket::from(std);
        assert_eq!(kind(ours.recv(&mut [0; 1])), ErrorKind::WouldBlock);
    });
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn bind() -> UdpSocket {
    UdpSocket::bind(LOCAL).unwrap()
}

type Wait = fn(&UdpSocket) -> io::Result<usize>;

const WAITS: [Wait; 4] = [
    |socket| socket.recv(&mut [0; 8]),
    |socket| socket.peek(&mut [0; 8]),
    |socket| socket.recv_from(&mut [0; 8]).map(|(len, _)| len),
    |socket| socket.peek_from(&mut [0; 8]).map(|(len, _)| len),
];

#[test]
fn a_killed_waiter_leaves_the_datagram_for_the_next() {
    everywhere(|| {
        for wait in WAITS {
            let socket = Arc::new(bind());
            let victim = socket.clone();
            let victim = spawn(move || wait(&victim));
            yield_now();
            victim.kill();
            assert!(victim.join().unwrap_err().is::<Killed>());
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            assert_eq!(wait(&socket).unwrap(), 1);
        }
    });
}

/// The answer that nobody is there comes as an error of the socket, not as a datagram.
#[test]
fn a_peer_that_is_gone_wakes_a_receiver() {
    everywhere(|| {
        let (socket, peer) = (Arc::new(bind()), bind());
        socket.connect(peer.local_addr().unwrap()).unwrap();
        drop(peer);
        let receiver = socket.clone();
        let receiver = spawn(move || receiver.recv(&mut [0; 8]));
        yield_now();
        socket.send(b"into the void").unwrap();
        assert_eq!(kind(receiver.join().unwrap()), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_timeout_ends_each_wait_and_loses_nothing() {
    everywhere(|| {
        for wait in WAITS {
            let socket = bind();
            timeout(TICK, || wait(&socket)).unwrap_err();
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            assert_eq!(wait(&socket).unwrap(), 1);
        }
    });
}

#[test]
fn clones_are_used_by_two_green_threads_and_an_os_thread() {
    within(LONG, || {
        let (socket, sender) = (bind(), bind());
        let receive = |socket: UdpSocket| move || socket.recv(&mut [0; 8]).unwrap();
        let green = [(); 2].map(|()| spawn(receive(socket.try_clone().unwrap())));
        let os = thread::spawn(receive(socket.try_clone().unwrap()));
        for _ in 0..3 {
            sender.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        }
        let received: usize = green.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(received + os.join().unwrap(), 3);
    });
}

/// A window of eight, so that no queue runs over: UDP would drop the rest.
#[test]
fn both_directions_at_once() {
    everywhere(|| {
        const ROUNDS: u64 = 2_000;
        const WINDOW: u64 = 8;
        let (a, b) = (Arc::new(bind()), Arc::new(bind()));
        a.connect(b.local_addr().unwrap()).unwrap();
        b.connect(a.local_addr().unwrap()).unwrap();
        let ends = [a, b].map(|socket| {
            let receiver = socket.clone();
            let (go_on, leave) = greenloop::sync::mpsc::channel();
            let sender = spawn(move || {
                for n in 0..ROUNDS {
                    if n >= WINDOW {
                        leave.recv().unwrap(); // the peer is as far as this end
                    }
                    socket.send(&n.to_le_bytes()).unwrap();
                }
            });
            let receiver = spawn(move || {
                for n in 0..ROUNDS {
                    let mut buf = [0; 8];
                    receiver.recv(&mut buf).unwrap();
                    assert_eq!(u64::from_le_bytes(buf), n);
                    let _ = go_on.send(());
                }
            });
            [sender, receiver]
        });
        ends.into_iter()
            .flatten()
            .for_each(|thread| thread.join().unwrap());
    });
}

/// What the server's queue has no room for is lost, so the clients ask again.
#[test]
fn a_thousand_clients_at_once() {
    within(LONG, || {
        let server = bind();
        let addr = server.local_addr().unwrap();
        let echo = spawn(move || {
            loop {
                let mut buf = [0; 8];
                let (len, from) = server.recv_from(&mut buf).unwrap();
                server.send_to(&buf[..len], from).unwrap();
            }
        });
        let clients: Vec<_> = (0..1_000_u64)
            .map(|n| spawn(move || ask(addr, n)))
            .collect();
        joinall(clients)
            .into_iter()
            .for_each(|client| client.unwrap());
        echo.kill();
    });
}

fn ask(addr: SocketAddr, n: u64) {
    let socket = bind();
    socket.connect(addr).unwrap();
    socket.set_read_timeout(Some(10 * TICK)).unwrap();
    let mut buf = [0; 8];
    loop {
        socket.send(&n.to_le_bytes()).unwrap();
        match socket.recv(&mut buf) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            answer => break assert_eq!((answer.unwrap(), u64::from_le_bytes(buf)), (8, n)),
        }
    }
}

#[test]
fn an_eager_sender_starves_nobody() {
    within(LONG, || {
        greenloop::run(|| {
            let socket = bind();
            let addr = socket.local_addr().unwrap();
            let sender = spawn(move || while socket.send_to(b"x", addr).is_ok() {});
            (0..100).for_each(|_| yield_now());
            sender.kill();
        });
    });
}

#[test]
fn nothing_is_left_of_sockets_that_were_waited_for() {
    alone(
        concat!(
            module_path!(),
            "::nothing_is_left_of_sockets_that_were_waited_for"
        ),
        "",
        || {
            wait_in_vain(&bind());
            spawn(|| wait_in_vain(&bind())).join().unwrap();
            let before = census();
            for _ in 0..20 {
                spawn(|| wait_in_vain(&bind())).join().unwrap();
                let socket = bind();
                let victim = spawn(move || socket.recv(&mut [0; 1]));
                yield_now();
                victim.kill();
            }
            assert_back_to(before);
        },
    );
}

fn wait_in_vain(socket: &UdpSocket) {
    socket
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    assert_eq!(kind(socket.recv(&mut [0; 1])), ErrorKind::WouldBlock);
}
