//! `UnixDatagram`: parity with std's, and what is ours: waiting for a queue that is full, kills,
//! timeouts, many at once.
//!
//! Long because most of it is one table.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use greenloop::net::unix::UnixDatagram;
use greenloop::{Killed, joinall, spawn, timeout, yield_now};

use crate::alone::{alone, assert_back_to, census};
use crate::child::{Child, this_test};
use crate::everywhere::everywhere;
use crate::parity::{Fault, fault, parity};
use crate::unix::{Place, fresh_name, told};
use crate::within::{LONG, within};

const TICK: Duration = Duration::from_millis(20);

/// Defines `UnixDatagram`, which is std's or ours.
macro_rules! names {
    (std) => {
        use std::os::unix::net::UnixDatagram;
    };
    (ours) => {
        use greenloop::net::unix::UnixDatagram;
    };
}

parity! {
    names;

    fn by_path() -> (usize, bool, usize) {
        let (here, there) = (Place::new(), Place::new());
        let (a, b) = (UnixDatagram::bind(here.path())?, UnixDatagram::bind(there.path())?);
        a.send_to(b"question", there.path())?;
        let (len, from) = b.recv_from(&mut [0; 16])?;
        b.send_to_addr(b"answer", &from)?;
        Ok((len, from.as_pathname() == Some(here.path()), a.recv(&mut [0; 16])?))
    }

    fn by_abstract_name() -> (usize, bool, bool) {
        let (here, there) = (fresh_name(), fresh_name());
        let (a, b) = (UnixDatagram::bind_addr(&here)?, UnixDatagram::bind_addr(&there)?);
        a.send_to_addr(b"hello", &there)?;
        let (len, from) = b.recv_from(&mut [0; 16])?;
        Ok((len, told(&from) == told(&here), told(&b.local_addr()?) == told(&there)))
    }

    fn from_nobody() -> (usize, bool) {
        let there = fresh_name();
        let receiver = UnixDatagram::bind_addr(&there)?;
        UnixDatagram::unbound()?.send_to_addr(b"hello", &there)?;
        let (len, from) = receiver.recv_from(&mut [0; 16])?;
        Ok((len, from.is_unnamed()))
    }

    fn from_a_name_of_no_bytes() -> Option<Vec<u8>> {
        let there = fresh_name();
        let receiver = UnixDatagram::bind_addr(&there)?;
        let sender = match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(b"")?) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Ok(Some(vec![])),
            sender => sender?,
        };
        sender.send_to_addr(b"hello", &there)?;
        let (_, from) = receiver.recv_from(&mut [0; 16])?;
        Ok(from.as_abstract_name().map(<[u8]>::to_vec))
    }

    fn connected() -> (usize, bool, Fault, Fault) {
        let (here, there) = (Place::new(), Place::new());
        let (a, b) = (UnixDatagram::bind(here.path())?, UnixDatagram::bind(there.path())?);
        a.connect(there.path())?;
        b.connect_addr(&SocketAddr::from_pathname(here.path())?)?;
        a.send(b"hello")?;
        let len = b.recv(&mut [0; 16])?;
        let stranger = UnixDatagram::unbound()?;
        Ok((
            len,
            a.peer_addr()?.as_pathname() == Some(there.path()),
            fault(&stranger.connect(there.path()).unwrap_err()),
            fault(&stranger.send_to(b"x", there.path()).unwrap_err()),
        ))
    }

    fn an_unconnected_socket_has_nobody() -> (Fault, Fault) {
        let socket = UnixDatagram::unbound()?;
        Ok((fault(&socket.send(b"x").unwrap_err()), fault(&socket.peer_addr().unwrap_err())))
    }

    fn nobody_receives() -> Vec<Fault> {
        let (place, gone) = (Place::new(), fresh_name());
        let socket = UnixDatagram::unbound()?;
        let missing = socket.send_to(b"x", place.path()).unwrap_err();
        drop(UnixDatagram::bind(place.path())?); // its file stays
        let left = socket.send_to(b"x", place.path()).unwrap_err();
        let name = socket.send_to_addr(b"x", &gone).unwrap_err();
        let connect = socket.connect_addr(&gone).unwrap_err();
        let empty = socket.send_to(b"x", "").unwrap_err();
        Ok([missing, left, name, connect, empty].iter().map(fault).collect())
    }

    fn the_peer_is_gone() -> (Fault, Fault) {
        let (a, b) = UnixDatagram::pair()?;
        drop(b);
        let there = fresh_name();
        let (c, d) = (UnixDatagram::unbound()?, UnixDatagram::bind_addr(&there)?);
        c.connect_addr(&there)?;
        drop(d);
        Ok((fault(&a.send(b"x").unwrap_err()), fault(&c.send(b"x").unwrap_err())))
    }

    fn a_stream_listener_takes_no_datagrams() -> Fault {
        let place = Place::new();
        let _listener = std::os::unix::net::UnixListener::bind(place.path())?;
        Ok(fault(&UnixDatagram::unbound()?.send_to(b"x", place.path()).unwrap_err()))
    }

    fn addresses_in_use() -> (Fault, Fault) {
        let (place, addr) = (Place::new(), fresh_name());
        let (_a, _b) = (UnixDatagram::bind(place.path())?, UnixDatagram::bind_addr(&addr)?);
        let path = fault(&UnixDatagram::bind(place.path()).unwrap_err());
        Ok((path, fault(&UnixDatagram::bind_addr(&addr).unwrap_err())))
    }

    fn paths_that_cannot_be() -> Vec<Fault> {
        let socket = UnixDatagram::unbound()?;
        let long = "x".repeat(108);
        let faults = [long.as_str(), "a\0b", "\0name"].map(|path| [
            fault(&UnixDatagram::bind(path).unwrap_err()),
            fault(&socket.connect(path).unwrap_err()),
            fault(&socket.send_to(b"x", path).unwrap_err()),
        ]);
        Ok(faults.concat())
    }

    fn a_datagram_of_no_bytes() -> Vec<usize> {
        let (a, b) = UnixDatagram::pair()?;
        let sent = [a.send(&[])?, a.send(b"end")?];
        Ok([sent, [b.recv(&mut [0; 8])?, b.recv_from(&mut [0; 8])?.0]].concat())
    }

    fn what_does_not_fit_is_lost() -> (usize, [u8; 4], usize, usize) {
        let (a, b) = UnixDatagram::pair()?;
        for text in ["abcdefgh", "lost", "the next"] {
            a.send(text.as_bytes())?;
        }
        let mut buf = [0; 4];
        Ok((b.recv(&mut buf)?, buf, b.recv(&mut [])?, b.recv_from(&mut [0; 16])?.0))
    }

    fn a_long_datagram() -> (usize, usize) {
        let (a, b) = UnixDatagram::pair()?;
        let sent = a.send(&vec![3; 150_000])?;
        let mut buf = vec![0; 200_000];
        let len = b.recv(&mut buf)?;
        assert!(buf[..len].iter().all(|byte| *byte == 3));
        Ok((sent, len))
    }

    fn a_datagram_that_is_too_long() -> (Fault, Fault) {
        let there = fresh_name();
        let _receiver = UnixDatagram::bind_addr(&there)?;
        let sender = UnixDatagram::unbound()?;
        let long = vec![0; 8 << 20];
        let to = fault(&sender.send_to_addr(&long, &there).unwrap_err());
        sender.connect_addr(&there)?;
        Ok((to, fault(&sender.send(&long).unwrap_err())))
    }

    fn read_timeouts_expire() -> (Fault, Fault, bool) {
        let (a, _b) = UnixDatagram::pair()?;
        a.set_read_timeout(Some(TICK))?;
        let start = Instant::now();
        let recv = fault(&a.recv(&mut [0; 8]).unwrap_err());
        let recv_from = fault(&a.recv_from(&mut [0; 8]).unwrap_err());
        Ok((recv, recv_from, start.elapsed() >= 2 * TICK))
    }

    fn write_timeouts_expire() -> (Fault, Fault, bool) {
        let there = fresh_name();
        let (_receiver, sender) = (UnixDatagram::bind_addr(&there)?, UnixDatagram::unbound()?);
        sender.set_write_timeout(Some(TICK))?;
        let start = Instant::now();
        let full = || sender.send_to_addr(b"x", &there);
        let to = fault(&std::iter::repeat_with(full).find_map(Result::err).unwrap());
        sender.connect_addr(&there)?;
        Ok((to, fault(&sender.send(b"x").unwrap_err()), start.elapsed() >= 2 * TICK))
    }

    fn nonblocking() -> (Fault, Fault, Fault) {
        let there = fresh_name();
        let (receiver, sender) = (UnixDatagram::bind_addr(&there)?, UnixDatagram::unbound()?);
        receiver.set_nonblocking(true)?;
        sender.set_nonblocking(true)?;
        let full = || sender.send_to_addr(b"x", &there);
        let empty = fault(&receiver.recv(&mut [0; 8]).unwrap_err());
        let to = fault(&std::iter::repeat_with(full).find_map(Result::err).unwrap());
        sender.connect_addr(&there)?;
        Ok((empty, to, fault(&sender.send(b"x").unwrap_err())))
    }

    fn zero_timeouts() -> (Fault, Fault) {
        let socket = UnixDatagram::unbound()?;
        let zero = Some(Duration::ZERO);
        Ok((
            fault(&socket.set_read_timeout(zero).unwrap_err()),
            fault(&socket.set_write_timeout(zero).unwrap_err()),
        ))
    }

    fn timeouts_are_told() -> Vec<Option<Duration>> {
        let socket = UnixDatagram::unbound()?;
        let mut told = vec![socket.read_timeout()?, socket.write_timeout()?];
        for timeout in [Some(Duration::from_millis(1501)), None] {
            socket.set_read_timeout(timeout)?;
            socket.set_write_timeout(timeout)?;
            told.extend([socket.read_timeout()?, socket.write_timeout()?]);
        }
        Ok(told)
    }

    fn clones_share_timeouts_and_the_queue() -> (Fault, Option<Duration>, usize) {
        let (a, b) = UnixDatagram::pair()?;
        let clone = b.try_clone()?;
        clone.set_read_timeout(Some(TICK))?;
        let expired = fault(&b.recv(&mut [0; 8]).unwrap_err());
        let told = b.read_timeout()?;
        a.send(b"hello")?;
        Ok((expired, told, clone.recv(&mut [0; 8])?))
    }

    fn shut_down() -> (usize, bool, Fault, Fault, Option<Fault>) {
        let (a, b) = UnixDatagram::pair()?;
        a.shutdown(Shutdown::Both)?;
        let end = a.recv(&mut [0; 8])?;
        let (len, from) = a.recv_from(&mut [0; 8])?;
        Ok((
            end + len,
            from.is_unnamed(),
            fault(&a.send(b"x").unwrap_err()),
            fault(&b.send(b"x").unwrap_err()),
            a.take_error()?.map(|e| fault(&e)),
        ))
    }

    fn what_came_before_the_end_is_received() -> (usize, usize) {
        let (a, b) = UnixDatagram::pair()?;
        a.send(b"hello")?;
        b.shutdown(Shutdown::Read)?;
        Ok((b.recv(&mut [0; 8])?, b.recv(&mut [0; 8])?))
    }

    fn shut_down_while_nonblocking() -> Fault {
        let (a, _b) = UnixDatagram::pair()?;
        a.shutdown(Shutdown::Both)?;
        a.set_nonblocking(true)?;
        Ok(fault(&a.recv(&mut [0; 8]).unwrap_err()))
    }

    fn debug_format() -> String {
        let socket = UnixDatagram::unbound()?;
        let fd = format!("fd: {}", socket.as_raw_fd());
        Ok(format!("{socket:?}").replace(&fd, "fd: N"))
    }

    fn descriptors_pass_through() -> usize {
        let (a, b) = UnixDatagram::pair()?;
        let a = UnixDatagram::from(OwnedFd::from(a));
        assert_eq!(a.as_fd().as_raw_fd(), a.as_raw_fd());
        // SAFETY: the descriptor was just given away by its owner.
        let a = unsafe { UnixDatagram::from_raw_fd(a.into_raw_fd()) };
        a.send(b"still here")?;
        b.recv(&mut [0; 16])
    }

    fn calls_on_what_is_no_unix_socket() -> Vec<Fault> {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0")?;
        udp.connect(udp.local_addr()?)?;
        udp.send(b"to itself")?;
        let udp = UnixDatagram::from(OwnedFd::from(udp));
        let file = UnixDatagram::from(OwnedFd::from(std::fs::File::open("/dev/null")?));
        Ok(vec![
            fault(&udp.recv_from(&mut [0; 1]).unwrap_err()),
            fault(&file.recv(&mut [0; 1]).unwrap_err()),
            fault(&file.send_to(b"x", "/nowhere").unwrap_err()),
        ])
    }
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// A sender whose path fills the whole of `sockaddr_un`, which C programs can have: std cannot name
/// it, but its datagram counts.
#[test]
fn a_sender_with_a_path_too_long_for_std_is_heard() {
    everywhere(|| {
        let folder = Place::new();
        std::fs::create_dir(folder.path()).unwrap();
        let base = folder.path().to_str().unwrap();
        let path = format!("{base}/{}", "x".repeat(107 - base.len()));
        assert_eq!(path.len(), 108);
        let (there, socket) = (fresh_name(), UnixDatagram::unbound().unwrap());
        let receiver = UnixDatagram::bind_addr(&there).unwrap();
        let addr = rustix::net::SocketAddrUnix::new(path.as_str()).unwrap();
        rustix::net::bind(&socket, &addr).unwrap();
        socket.send_to_addr(b"hello", &there).unwrap();
        let heard = receiver.recv_from(&mut [0; 8]);
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_dir(folder.path()).unwrap();
        assert_eq!(heard.unwrap().0, 5);
    });
}

#[test]
fn a_socket_of_stds_keeps_its_timeout_and_mode_both_ways() {
    everywhere(|| {
        let std = std::os::unix::net::UnixDatagram::unbound().unwrap();
        std.set_read_timeout(Some(TICK)).unwrap();
        let ours = UnixDatagram::from(std);
        assert_eq!(kind(ours.recv(&mut [0; 1])), ErrorKind::WouldBlock);
        ours.set_read_timeout(None).unwrap();
        ours.set_nonblocking(true).unwrap();
        let std = std::os::unix::net::UnixDatagram::from(ours);
        assert_eq!(kind(std.recv(&mut [0; 1])), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_killed_receiver_leaves_the_datagram() {
    everywhere(|| {
        let (a, b) = UnixDatagram::pair().unwrap();
        let victim = b.try_clone().unwrap();
        let victim = spawn(move || victim.recv(&mut [0; 8]));
        yield_now();
        victim.kill();
        assert!(victim.join().unwrap_err().is::<Killed>());
        timeout(TICK, || b.recv(&mut [0; 8])).unwrap_err();
        a.send(b"kept").unwrap();
        assert_eq!(b.recv(&mut [0; 8]).unwrap(), 4);
    });
}

/// A receiver with a full queue, and its address.
fn full() -> (UnixDatagram, SocketAddr, usize) {
    let receiver = UnixDatagram::bind("").unwrap();
    let addr = receiver.local_addr().unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    let sends = std::iter::repeat_with(|| filler.send_to_addr(b"fill", &addr));
    let queued = sends.take_while(Result::is_ok).count();
    (receiver, addr, queued)
}

/// The queue is full of somebody else's datagrams, so the sender's own buffer never tells.
#[test]
fn an_unconnected_sender_waits_for_room_at_the_receiver() {
    everywhere(|| {
        let (receiver, addr, queued) = full();
        let sender = spawn(move || {
            let socket = UnixDatagram::unbound().unwrap();
            (0..100).for_each(|_| assert_eq!(socket.send_to_addr(b"waits", &addr).unwrap(), 5));
        });
        yield_now();
        let lengths = (0..queued + 100).map(|_| receiver.recv(&mut [0; 8]).unwrap());
        assert_eq!(lengths.sum::<usize>(), queued * 4 + 100 * 5);
        sender.join().unwrap();
    });
}

#[test]
fn a_connected_sender_waits_for_room_at_the_receiver() {
    everywhere(|| {
        let (receiver, addr, queued) = full();
        let sender = spawn(move || {
            let socket = UnixDatagram::unbound().unwrap();
            socket.connect_addr(&addr).unwrap();
            (0..100).for_each(|_| assert_eq!(socket.send(b"waits").unwrap(), 5));
        });
        yield_now();
        let lengths = (0..queued + 100).map(|_| receiver.recv(&mut [0; 8]).unwrap());
        assert_eq!(lengths.sum::<usize>(), queued * 4 + 100 * 5);
        sender.join().unwrap();
    });
}

/// Here it is the sender's buffer that is full: ends of a pair have queues without bounds.
#[test]
fn a_sender_waits_for_room_in_its_own_buffer() {
    everywhere(|| {
        let (here, there) = (fresh_name(), fresh_name());
        let sender = UnixDatagram::bind_addr(&here).unwrap();
        let receiver = UnixDatagram::bind_addr(&there).unwrap();
        receiver.connect_addr(&here).unwrap();
        const DATAGRAMS: usize = 50;
        let sender = spawn(move || {
            let datagram = vec![0; 50_000];
            (0..DATAGRAMS)
                .for_each(|_| assert_eq!(sender.send_to_addr(&datagram, &there).unwrap(), 50_000));
        });
        yield_now();
        let mut buf = vec![0; 60_000];
        for _ in 0..DATAGRAMS {
            assert_eq!(receiver.recv(&mut buf).unwrap(), 50_000);
        }
        sender.join().unwrap();
    });
}

/// A poll of the sender speaks of the receiver that it is connected to, which has no room.
#[test]
fn a_sender_connected_to_a_full_queue_sends_elsewhere() {
    everywhere(|| {
        let (_full, full_addr, _) = full();
        let (receiver, addr, queued) = full();
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect_addr(&full_addr).unwrap();
        let sender = spawn(move || {
            (0..30).for_each(|_| assert_eq!(socket.send_to_addr(b"x", &addr).unwrap(), 1));
        });
        yield_now();
        for _ in 0..queued + 30 {
            receiver.recv(&mut [0; 8]).unwrap();
        }
        sender.join().unwrap();
    });
}

#[test]
fn senders_that_wait_for_room_do_not_spin() {
    Child::new(this_test!()).passes(|| {
        let (receiver, addr, queued) = full();
        let send = move || {
            let socket = UnixDatagram::unbound().unwrap();
            socket.send_to_addr(b"waits", &addr).unwrap()
        };
        let green = spawn(send.clone());
        let os = thread::spawn(send);
        let before = cpu_ticks();
        thread::sleep(Duration::from_secs(1));
        assert!(cpu_ticks() - before < 10, "they spin"); // hundredths of a second
        (0..queued).for_each(|_| assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 4));
        assert_eq!(green.join().unwrap() + os.join().unwrap(), 10);
    });
}

/// The time that this process has spent on all cores.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_sender_is_killed_or_timed_out_at_a_full_queue() {
    everywhere(|| {
        let (receiver, addr, queued) = full();
        let socket = Arc::new(UnixDatagram::unbound().unwrap());
        timeout(TICK, || socket.send_to_addr(b"never", &addr)).unwrap_err();
        let victim = (socket.clone(), addr.clone());
        let victim = spawn(move || victim.0.send_to_addr(b"never", &victim.1));
        yield_now();
        victim.kill();
        assert!(victim.join().unwrap_err().is::<Killed>());
        socket.connect_addr(&addr).unwrap();
        timeout(TICK, || socket.send(b"never")).unwrap_err();
        receiver.set_nonblocking(true).unwrap();
        let lengths: Vec<_> = std::iter::from_fn(|| receiver.recv(&mut [0; 8]).ok()).collect();
        assert_eq!(lengths, vec![4; queued]);
    });
}

#[test]
fn a_receiver_that_goes_away_ends_a_send() {
    everywhere(|| {
        let (receiver, addr, _) = full();
        let sends = [false, true].map(|connected| {
            let addr = addr.clone();
            spawn(move || {
                let socket = UnixDatagram::unbound().unwrap();
                if !connected {
                    return socket.send_to_addr(b"x", &addr);
                }
                socket.connect_addr(&addr)?;
                socket.send(b"x")
            })
        });
        yield_now();
        drop(receiver);
        for send in sends {
            assert_eq!(kind(send.join().unwrap()), ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn shutdown_wakes_receivers_on_every_kind_of_thread() {
    within(LONG, || {
        for _ in 0..20 {
            let (a, _b) = UnixDatagram::pair().unwrap();
            let receive = |socket: UnixDatagram| move || socket.recv(&mut [0; 1]).unwrap();
            let green = [(); 4].map(|()| spawn(receive(a.try_clone().unwrap())));
            let os = [(); 2].map(|()| thread::spawn(receive(a.try_clone().unwrap())));
            yield_now();
            a.shutdown(Shutdown::Both).unwrap();
            assert!(green.into_iter().all(|thread| thread.join().unwrap() == 0));
            assert!(os.into_iter().all(|thread| thread.join().unwrap() == 0));
        }
    });
}

#[test]
fn both_directions_at_once() {
    everywhere(|| {
        const ROUNDS: u32 = 2_000;
        let (a, b) = UnixDatagram::pair().unwrap();
        let ends = [Arc::new(a), Arc::new(b)].map(|socket| {
            let receiver = socket.clone();
            let sender = spawn(move || {
                (0..ROUNDS).for_each(|n| assert_eq!(socket.send(&n.to_le_bytes()).unwrap(), 4));
            });
            let receiver = spawn(move || {
                for n in 0..ROUNDS {
                    let mut buf = [0; 4];
                    receiver.recv(&mut buf).unwrap();
                    assert_eq!(u32::from_le_bytes(buf), n);
                }
            });
            [sender, receiver]
        });
        for end in joinall(ends.into_iter().flatten()) {
            end.unwrap();
        }
    });
}

#[test]
fn a_thousand_senders_at_once_to_a_queue_of_a_few() {
    within(LONG, || {
        const SENDERS: u32 = 1_000;
        let receiver = UnixDatagram::bind("").unwrap();
        let addr = receiver.local_addr().unwrap();
        let senders: Vec<_> = (0..SENDERS)
            .map(|n| {
                let addr = addr.clone();
                spawn(move || {
                    let socket = UnixDatagram::unbound().unwrap();
                    socket.send_to_addr(&n.to_le_bytes(), &addr).unwrap();
                })
            })
            .collect();
        let mut heard: Vec<u32> = (0..SENDERS)
            .map(|_| {
                let mut buf = [0; 4];
                receiver.recv(&mut buf).unwrap();
                u32::from_le_bytes(buf)
            })
            .collect();
        heard.sort_unstable();
        assert!(heard.into_iter().eq(0..SENDERS));
        for sender in senders {
            sender.join().unwrap();
        }
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
            spawn(wait_in_vain).join().unwrap();
            let before = census();
            for _ in 0..20 {
                spawn(wait_in_vain).join().unwrap();
            }
            assert_back_to(before);
        },
    );
}

fn wait_in_vain() {
    let (receiver, addr, _) = full();
    let socket = UnixDatagram::unbound().unwrap();
    timeout(Duration::from_millis(1), || socket.recv(&mut [0; 1])).unwrap_err();
    timeout(Duration::from_millis(1), || {
        socket.send_to_addr(b"x", &addr)
    })
    .unwrap_err();
    drop(receiver);
}
