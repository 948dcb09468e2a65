//! `UnixStream` and `UnixListener`: parity with std's, and what is ours: waiting, kills, timeouts,
//! many at once.
//!
//! Long because most of it is one table.

use std::fs;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use greenloop::net::unix::{UnixListener, UnixStream};
use greenloop::{Killed, joinall, killall, spawn, timeout, yield_now};

use crate::alone::{alone, assert_back_to, census};
use crate::everywhere::everywhere;
use crate::parity::{Fault, fault, parity};
use crate::within::{LONG, until, within};

const TICK: Duration = Duration::from_millis(20);

/// A path in the folder for temporary files that nobody has used; what is there is removed at last.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Place {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "greenloop-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Relaxed)
        );
        Place(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns an abstract name that nobody has used.
pub(crate) fn fresh_name() -> SocketAddr {
    let place = Place::new();
    SocketAddr::from_abstract_name(place.path().as_os_str().as_encoded_bytes()).unwrap()
}

/// What two addresses must have in common to be the same address.
pub(crate) fn told(addr: &SocketAddr) -> (Option<PathBuf>, Option<Vec<u8>>, bool) {
    let name = addr.as_abstract_name().map(<[u8]>::to_vec);
    (
        addr.as_pathname().map(PathBuf::from),
        name,
        addr.is_unnamed(),
    )
}

/// Defines the types, which are std's or ours.
macro_rules! names {
    (std) => {
        #[allow(unused_imports, reason = "not every scenario needs all")]
        use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
    };
    (ours) => {
        #[allow(unused_imports, reason = "not every scenario needs all")]
        use greenloop::net::unix::{UnixDatagram, UnixListener, UnixStream};
    };
}

parity! {
    names;

    fn echo() -> Vec<u8> {
        let place = Place::new();
        let listener = UnixListener::bind(place.path())?;
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            io::copy(&mut stream.try_clone()?, &mut stream)
        });
        let mut client = UnixStream::connect(place.path())?;
        let mut echoed = Vec::new();
        for round in 0..100_u8 {
            client.write_all(&[round; 100])?;
            let mut buf = [0; 100];
            client.read_exact(&mut buf)?;
            echoed.extend(buf);
        }
        client.shutdown(Shutdown::Write)?;
        assert_eq!(server.join().unwrap()?, 10_000);
        Ok(echoed)
    }

    fn half_close() -> (String, usize, String) {
        let (mut a, mut b) = UnixStream::pair()?;
        a.write_all(b"question")?;
        a.shutdown(Shutdown::Write)?;
        let mut question = String::new();
        b.read_to_string(&mut question)?;
        b.write_all(b"answer")?;
        drop(b);
        let mut answer = String::new();
        let len = a.read_to_string(&mut answer)?;
        Ok((question, len, answer))
    }

    fn the_peer_is_gone() -> (usize, Fault) {
        let (mut a, b) = UnixStream::pair()?;
        drop(b);
        Ok((a.read(&mut [0; 8])?, fault(&a.write(b"x").unwrap_err())))
    }

    fn unread_bytes_make_it_a_reset() -> (Fault, Option<Fault>) {
        let (mut a, b) = UnixStream::pair()?;
        a.write_all(b"never read")?;
        drop(b);
        let reset = fault(&a.read(&mut [0; 8]).unwrap_err());
        Ok((reset, a.take_error()?.map(|e| fault(&e))))
    }

    fn write_after_shutdown() -> (usize, Fault, Option<Fault>) {
        let (mut a, _b) = UnixStream::pair()?;
        a.shutdown(Shutdown::Both)?;
        let read = a.read(&mut [0; 8])?;
        let write = fault(&a.write(b"x").unwrap_err());
        Ok((read, write, a.shutdown(Shutdown::Both).err().map(|e| fault(&e))))
    }

    fn vectored() -> (usize, usize, Vec<Vec<u8>>) {
        let (mut a, mut b) = UnixStream::pair()?;
        let slices = [b"ab".as_slice(), b"", b"cde"].map(IoSlice::new);
        let sent = a.write_vectored(&slices)?;
        let (mut x, mut y) = ([0; 1], [0; 9]);
        let got = b.read_vectored(&mut [IoSliceMut::new(&mut x), IoSliceMut::new(&mut y)])?;
        Ok((sent, got, vec![x.to_vec(), y.to_vec()]))
    }

    fn vectored_with_nothing_to_fill_returns_at_once() -> (usize, usize, usize) {
        let (mut a, _b) = UnixStream::pair()?;
        let no_bytes = a.read_vectored(&mut [IoSliceMut::new(&mut [])])?;
        Ok((a.read_vectored(&mut [])?, no_bytes, a.write_vectored(&[])?))
    }

    fn reads_and_writes_of_no_bytes() -> (usize, usize) {
        let (mut a, mut b) = UnixStream::pair()?;
        b.write_all(b"x")?;
        Ok((a.read(&mut [])?, a.write(&[])?))
    }

    fn reads_and_writes_through_shared_references() -> (usize, u8) {
        let (a, b) = UnixStream::pair()?;
        let written = (&a).write(&[7])?;
        let mut byte = [0; 1];
        (&b).read_exact(&mut byte)?;
        (&a).flush()?;
        Ok((written, byte[0]))
    }

    fn timeouts_expire() -> (Fault, Fault, bool) {
        let (mut a, _b) = UnixStream::pair()?;
        a.set_read_timeout(Some(TICK))?;
        a.set_write_timeout(Some(TICK))?;
        let start = Instant::now();
        let read = fault(&a.read(&mut [0; 8]).unwrap_err());
        let write = fault(&a.write_all(&vec![0; 64 << 20]).unwrap_err());
        assert!(start.elapsed() < LONG);
        Ok((read, write, start.elapsed() >= 2 * TICK))
    }

    fn zero_timeouts() -> (Fault, Fault) {
        let (a, _b) = UnixStream::pair()?;
        let zero = Some(Duration::ZERO);
        Ok((
            fault(&a.set_read_timeout(zero).unwrap_err()),
            fault(&a.set_write_timeout(zero).unwrap_err()),
        ))
    }

    fn timeouts_are_told() -> Vec<Option<Duration>> {
        let (a, _b) = UnixStream::pair()?;
        let mut told = vec![a.read_timeout()?, a.write_timeout()?];
        for millis in [0.001, 1.0, 1501.0, 1e15] {
            let timeout = Some(Duration::from_secs_f64(millis / 1000.0));
            a.set_read_timeout(timeout)?;
            a.set_write_timeout(timeout)?;
            told.extend([a.read_timeout()?, a.write_timeout()?]);
        }
        a.set_read_timeout(None)?;
        told.push(a.read_timeout()?);
        Ok(told)
    }

    fn clones_share_timeouts_and_the_mode() -> (Fault, Option<Duration>, Fault, u8) {
        let (mut a, mut b) = UnixStream::pair()?;
        let mut clone = a.try_clone()?;
        clone.set_read_timeout(Some(TICK))?;
        let expired = fault(&a.read(&mut [0; 8]).unwrap_err());
        let told = a.read_timeout()?;
        a.set_read_timeout(None)?;
        a.set_nonblocking(true)?;
        let empty = fault(&clone.read(&mut [0; 8]).unwrap_err());
        clone.set_nonblocking(false)?;
        let writer = thread::spawn(move || b.write_all(&[5]));
        let mut byte = [0; 1];
        a.read_exact(&mut byte)?;
        writer.join().unwrap()?;
        Ok((expired, told, empty, byte[0]))
    }

    fn nonblocking_write_fills_the_buffer() -> Fault {
        let (mut a, _b) = UnixStream::pair()?;
        a.set_nonblocking(true)?;
        Ok(fault(&a.write_all(&vec![0; 64 << 20]).unwrap_err()))
    }

    fn nonblocking_accept() -> (Fault, usize) {
        let addr = fresh_name();
        let listener = UnixListener::bind_addr(&addr)?;
        let clone = listener.try_clone()?;
        clone.set_nonblocking(true)?;
        let empty = fault(&listener.accept().unwrap_err());
        listener.set_nonblocking(false)?;
        let mut client = UnixStream::connect_addr(&addr)?;
        let (mut server, _) = clone.accept()?;
        let writer = thread::spawn(move || client.write_all(b"x"));
        let len = server.read(&mut [0; 1])?; // waits: the mode is not inherited
        writer.join().unwrap()?;
        Ok((empty, len))
    }

    fn paths_are_told() -> bool {
        let (place, here) = (Place::new(), Place::new());
        let listener = UnixListener::bind(place.path())?;
        let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
        client.bind(&socket2::SockAddr::unix(here.path())?)?;
        client.connect(&socket2::SockAddr::unix(place.path())?)?;
        let client = UnixStream::from(OwnedFd::from(client));
        let (server, addr) = listener.accept()?;
        let there = [listener.local_addr()?, client.peer_addr()?, server.local_addr()?];
        let back = [addr, client.local_addr()?, server.peer_addr()?];
        let is = |addrs: &[SocketAddr], place: &Place| {
            addrs.iter().all(|addr| addr.as_pathname() == Some(place.path()))
        };
        Ok(is(&there, &place) && is(&back, &here))
    }

    fn abstract_names_are_told() -> (bool, bool) {
        let addr = fresh_name();
        let listener = UnixListener::bind_addr(&addr)?;
        let client = UnixStream::connect_addr(&addr)?;
        let (server, from) = listener.accept()?;
        assert!(from.is_unnamed() && server.peer_addr()?.is_unnamed());
        let (peer, here) = (client.peer_addr()?, listener.local_addr()?);
        Ok((told(&peer) == told(&addr), told(&here) == told(&addr)))
    }

    fn ends_of_a_pair_have_no_address() -> (bool, bool) {
        let (a, b) = UnixStream::pair()?;
        Ok((a.local_addr()?.is_unnamed(), b.peer_addr()?.is_unnamed()))
    }

    fn an_empty_path() -> (bool, Fault) {
        let listener = UnixListener::bind("")?; // a name of the system's choice
        let connect = UnixStream::connect("").unwrap_err();
        Ok((listener.local_addr()?.as_abstract_name().is_some(), fault(&connect)))
    }

    fn nobody_listens() -> Vec<Fault> {
        let (place, file) = (Place::new(), Place::new());
        let missing = UnixStream::connect(place.path()).unwrap_err();
        drop(UnixListener::bind(place.path())?); // its file stays
        let left = UnixStream::connect(place.path()).unwrap_err();
        fs::write(file.path(), "")?;
        let plain = UnixStream::connect(file.path()).unwrap_err();
        let name = UnixStream::connect_addr(&fresh_name()).unwrap_err();
        let folder = UnixStream::connect("/dev/null/x").unwrap_err();
        Ok([missing, left, plain, name, folder].iter().map(fault).collect())
    }

    fn a_datagram_socket_is_no_listener() -> Fault {
        let place = Place::new();
        let _socket = UnixDatagram::bind(place.path())?;
        Ok(fault(&UnixStream::connect(place.path()).unwrap_err()))
    }

    fn addresses_in_use() -> (Fault, Fault, Fault) {
        let (place, addr) = (Place::new(), fresh_name());
        let (_a, _b) = (UnixListener::bind(place.path())?, UnixListener::bind_addr(&addr)?);
        let path = fault(&UnixListener::bind(place.path()).unwrap_err());
        let name = fault(&UnixListener::bind_addr(&addr).unwrap_err());
        Ok((path, name, fault(&UnixListener::bind("/nowhere/at/all").unwrap_err())))
    }

    fn paths_that_cannot_be() -> Vec<Fault> {
        let long = "x".repeat(108);
        let paths = [long.as_str(), "a\0b", "\0name"];
        let connects = paths.map(|path| fault(&UnixStream::connect(path).unwrap_err()));
        let binds = paths.map(|path| fault(&UnixListener::bind(path).unwrap_err()));
        Ok([connects, binds].concat())
    }

    fn the_longest_path() -> usize {
        let folder = std::env::temp_dir();
        let fill = 107 - folder.as_os_str().len() - 1;
        let place = Place(folder.join(format!("{:x<fill$}", std::process::id())));
        let _ = fs::remove_file(place.path());
        let listener = UnixListener::bind(place.path())?;
        let client = UnixStream::connect(place.path())?;
        assert_eq!(client.peer_addr()?.as_pathname(), Some(place.path().as_path()));
        Ok(listener.local_addr()?.as_pathname().unwrap().as_os_str().len())
    }

    fn incoming() -> usize {
        let addr = fresh_name();
        let listener = UnixListener::bind_addr(&addr)?;
        let clients = (0..4).map(|_| UnixStream::connect_addr(&addr));
        let clients: Vec<_> = clients.collect::<io::Result<_>>()?;
        let first = listener.incoming().take(2).collect::<io::Result<Vec<_>>>()?;
        let second = (&listener).into_iter().take(2).collect::<io::Result<Vec<_>>>()?;
        assert!(listener.take_error()?.is_none());
        assert_eq!(listener.incoming().size_hint(), (usize::MAX, None));
        Ok(clients.len() + first.len() + second.len())
    }

    fn debug_format() -> Vec<String> {
        let addr = fresh_name();
        let listener = UnixListener::bind_addr(&addr)?;
        let client = UnixStream::connect_addr(&addr)?;
        let name = format!("{:?}", listener.local_addr()?);
        let generic = |text: String, fd: i32| {
            text.replace(&name, "L").replace(&format!("fd: {fd}"), "fd: N")
        };
        Ok(vec![
            generic(format!("{listener:?}"), listener.as_raw_fd()),
            generic(format!("{client:?}"), client.as_raw_fd()),
            generic(format!("{:?}", listener.incoming()), listener.as_raw_fd()),
        ])
    }

    fn descriptors_pass_through() -> u8 {
        let (a, mut b) = UnixStream::pair()?;
        let a = UnixStream::from(OwnedFd::from(a));
        assert_eq!(a.as_fd().as_raw_fd(), a.as_raw_fd());
        // SAFETY: the descriptor was just given away by its owner.
        let mut a = unsafe { UnixStream::from_raw_fd(a.into_raw_fd()) };
        a.write_all(&[8])?;
        let mut byte = [0; 1];
        b.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn calls_on_what_is_no_socket() -> Vec<Fault> {
        let file = || io::Result::Ok(OwnedFd::from(fs::File::open("/dev/null")?));
        let mut stream = UnixStream::from(file()?);
        let listener = UnixListener::from(file()?);
        Ok(vec![
            fault(&stream.read(&mut [0; 1]).unwrap_err()),
            fault(&stream.write(&[0; 1]).unwrap_err()),
            fault(&listener.accept().unwrap_err()),
        ])
    }

    fn bytes_that_came_with_descriptors_are_read() -> (Vec<usize>, usize) {
        let (a, mut b) = UnixStream::pair()?;
        for _ in 0..3 {
            send_with_descriptor(&a)?;
        }
        b.set_read_timeout(Some(TICK))?;
        let reads = (0..3).map(|_| b.read(&mut [0; 16])).collect::<io::Result<Vec<_>>>()?;
        drop(a);
        Ok((reads, b.read(&mut [0; 16])?))
    }
}

/// Sends two bytes and a descriptor: the kernel never joins such messages in one read.
fn send_with_descriptor(stream: &impl AsFd) -> io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [stream.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let bytes = [IoSlice::new(b"ab")];
    let sent = rustix::net::sendmsg(stream, &bytes, &mut control, SendFlags::empty())?;
    assert_eq!(sent, 2);
    Ok(())
}

#[test]
fn types_are_as_sendable_and_unwind_safe_as_stds() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    check::<UnixStream>();
    check::<UnixListener>();
    check::<greenloop::net::unix::UnixDatagram>();
    check::<greenloop::net::unix::Incoming<'_>>();
}

fn is_nonblocking(socket: &impl AsFd) -> bool {
    socket2::SockRef::from(socket).nonblocking().unwrap()
}

#[test]
fn modes_survive_the_way_to_std_and_back() {
    everywhere(|| {
        let (stream, _peer) = UnixStream::pair().unwrap();
        assert!(!is_nonblocking(&stream));
        stream.set_read_timeout(Some(TICK)).unwrap();
        let std = std::os::unix::net::UnixStream::from(stream);
        assert_eq!(kind((&std).read(&mut [0; 1])), ErrorKind::WouldBlock);
        std.set_nonblocking(true).unwrap();
        let stream = UnixStream::from(std);
        assert_eq!(kind((&stream).read(&mut [0; 1])), ErrorKind::WouldBlock);

        let listener = UnixListener::bind("").unwrap();
        let std = std::os::unix::net::UnixListener::from(listener);
        assert!(!is_nonblocking(&std));
        std.set_nonblocking(true).unwrap();
        let listener = UnixListener::from(std);
        assert_eq!(kind(listener.accept()), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        assert!(!is_nonblocking(&OwnedFd::from(listener)));
    });
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

fn pair() -> (Arc<UnixStream>, Arc<UnixStream>) {
    let (a, b) = UnixStream::pair().unwrap();
    (Arc::new(a), Arc::new(b))
}

#[test]
fn a_killed_reader_leaves_the_bytes() {
    everywhere(|| {
        let (a, b) = pair();
        let victim = a.clone();
        let victim = spawn(move || (&*victim).read(&mut [0; 8]));
        yield_now();
        victim.kill();
        assert!(victim.join().unwrap_err().is::<Killed>());
        (&*b).write_all(b"kept").unwrap();
        assert_eq!((&*a).read(&mut [0; 8]).unwrap(), 4);
    });
}

#[test]
fn a_killed_writer_and_a_killed_acceptor_unwind() {
    everywhere(|| {
        let (a, b) = pair();
        let writer = spawn(move || (&*a).write_all(&vec![0; 64 << 20]));
        let listener = Arc::new(UnixListener::bind("").unwrap());
        let acceptor = listener.clone();
        let acceptor = spawn(move || acceptor.accept().map(drop));
        yield_now();
        killall(&[writer, acceptor], None).unwrap();
        let taken = io::copy(&mut &*b, &mut io::sink()).unwrap();
        assert!(taken < 64 << 20, "it was killed as it wrote");
        let _client = UnixStream::connect_addr(&listener.local_addr().unwrap()).unwrap();
        listener.accept().unwrap();
    });
}

#[test]
fn a_timeout_ends_each_wait() {
    everywhere(|| {
        let (a, b) = pair();
        timeout(TICK, || (&*a).read(&mut [0; 8])).unwrap_err();
        timeout(TICK, || (&*a).write_all(&vec![0; 64 << 20])).unwrap_err();
        drop(a);
        assert!(io::copy(&mut &*b, &mut io::sink()).unwrap() > 0);
        let listener = UnixListener::bind("").unwrap();
        timeout(TICK, || listener.accept()).unwrap_err();
        let addr = listener.local_addr().unwrap();
        let _queue = fill(&listener);
        timeout(TICK, || UnixStream::connect_addr(&addr)).unwrap_err();
    });
}

/// Connects until the queue of the listener is full.
fn fill(listener: &UnixListener) -> Vec<socket2::Socket> {
    // A shorter queue, for a listener that listens already.
    socket2::SockRef::from(listener).listen(2).unwrap();
    let name = listener.local_addr().unwrap();
    let name = [b"\0", name.as_abstract_name().unwrap()].concat();
    let name = std::str::from_utf8(&name).unwrap();
    let connect = || {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_nonblocking(true).unwrap();
        let connected = socket.connect(&socket2::SockAddr::unix(name).unwrap());
        connected.ok().map(|()| socket)
    };
    std::iter::from_fn(connect).collect()
}

#[test]
fn a_connect_waits_for_room_in_the_queue() {
    everywhere(|| {
        let listener = UnixListener::bind("").unwrap();
        let addr = listener.local_addr().unwrap();
        let queued = fill(&listener);
        assert!(!queued.is_empty());
        let client = spawn(move || UnixStream::connect_addr(&addr).unwrap());
        yield_now();
        for _ in 0..=queued.len() {
            listener.accept().unwrap();
        }
        assert!(!is_nonblocking(&client.join().unwrap()));
    });
}

#[test]
fn a_killed_connect_leaves_nothing_in_the_queue() {
    everywhere(|| {
        let listener = UnixListener::bind("").unwrap();
        let addr = listener.local_addr().unwrap();
        let queued = fill(&listener).len();
        let victim = spawn(move || UnixStream::connect_addr(&addr).map(drop));
        yield_now();
        victim.kill();
        assert!(victim.join().unwrap_err().is::<Killed>());
        listener.set_nonblocking(true).unwrap();
        let accepted = listener.incoming().map_while(Result::ok).count();
        assert_eq!(accepted, queued);
    });
}

#[test]
fn a_listener_that_goes_away_ends_a_connect() {
    everywhere(|| {
        let listener = UnixListener::bind("").unwrap();
        let addr = listener.local_addr().unwrap();
        let _queued = fill(&listener);
        let client = spawn(move || UnixStream::connect_addr(&addr));
        yield_now();
        drop(listener);
        assert_eq!(kind(client.join().unwrap()), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn shutdown_wakes_all_readers_on_every_kind_of_thread() {
    within(LONG, || {
        let (a, _b) = pair();
        let read = |stream: UnixStream| move || (&stream).read(&mut [0; 1]).unwrap();
        let green = [(); 4].map(|()| spawn(read(a.try_clone().unwrap())));
        let os = [(); 2].map(|()| thread::spawn(read(a.try_clone().unwrap())));
        yield_now();
        a.shutdown(Shutdown::Read).unwrap();
        assert!(green.into_iter().all(|reader| reader.join().unwrap() == 0));
        assert!(os.into_iter().all(|reader| reader.join().unwrap() == 0));
    });
}

#[test]
fn both_directions_at_once() {
    everywhere(|| {
        const BYTES: usize = 4 << 20; // more than the buffers hold
        let (a, b) = pair();
        let echo = spawn(move || io::copy(&mut &*b, &mut &*b).unwrap());
        let sender = a.clone();
        let sender = spawn(move || {
            (&*sender).write_all(&vec![7; BYTES]).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let received = io::copy(&mut &*a, &mut io::sink()).unwrap();
        sender.join().unwrap();
        assert_eq!(
            (received, echo.join().unwrap()),
            (BYTES as u64, BYTES as u64)
        );
    });
}

#[test]
fn clones_are_written_by_two_green_threads_and_no_byte_is_lost() {
    everywhere(|| {
        const BYTES: usize = 20_000;
        let (a, b) = UnixStream::pair().unwrap();
        let writers = [1, 2].map(|value| {
            let mut stream = a.try_clone().unwrap();
            spawn(move || (0..BYTES).for_each(|_| stream.write_all(&[value]).unwrap()))
        });
        drop(a);
        let mut bytes = Vec::new();
        (&b).read_to_end(&mut bytes).unwrap();
        joinall(writers);
        for value in [1, 2] {
            assert_eq!(bytes.iter().filter(|byte| **byte == value).count(), BYTES);
        }
    });
}

#[test]
fn a_thousand_clients_at_once() {
    within(LONG, || {
        const CLIENTS: usize = 1_000;
        let listener = UnixListener::bind("").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = spawn(move || {
            let streams = listener.incoming().take(CLIENTS).map(Result::unwrap);
            let streams: Vec<_> = streams.collect(); // all of them are there at once
            joinall(streams.into_iter().map(|stream| {
                spawn(move || io::copy(&mut &stream, &mut &stream).unwrap() as usize)
            }))
        });
        let clients = (0..CLIENTS).map(|n| {
            let addr = addr.clone();
            spawn(move || {
                let mut stream = UnixStream::connect_addr(&addr).unwrap();
                stream.write_all(&n.to_le_bytes()).unwrap();
                let mut echo = [0; 8];
                stream.read_exact(&mut echo).unwrap();
                assert_eq!(usize::from_le_bytes(echo), n);
            })
        });
        for client in clients.collect::<Vec<_>>() {
            client.join().unwrap();
        }
        let echoed = server.join().unwrap().into_iter().map(Result::unwrap);
        assert_eq!(echoed.sum::<usize>(), CLIENTS * 8);
    });
}

#[test]
fn accept_without_descriptors_backs_off_and_recovers() {
    alone(
        concat!(
            module_path!(),
            "::accept_without_descriptors_backs_off_and_recovers"
        ),
        "ulimit -n 64; export GREENLOOP_WORKERS=2",
        || spawn(accept_without_descriptors).join().unwrap(),
    );
}

fn accept_without_descriptors() {
    let listener = UnixListener::bind("").unwrap();
    let _client = UnixStream::connect_addr(&listener.local_addr().unwrap()).unwrap();
    let hogs: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    let start = Instant::now();
    let errors = listener.incoming().take(4).map(Result::unwrap_err);
    assert!(errors.into_iter().all(|e| e.raw_os_error() == Some(24)));
    assert!(start.elapsed() >= Duration::from_millis(70)); // 10, 20 and 40
    drop(hogs);
    listener.accept().unwrap();
}

#[test]
fn nothing_is_left_of_streams_that_were_waited_for() {
    alone(
        concat!(
            module_path!(),
            "::nothing_is_left_of_streams_that_were_waited_for"
        ),
        "",
        || {
            spawn(wait_in_vain).join().unwrap();
            let before = census();
            for _ in 0..20 {
                spawn(wait_in_vain).join().unwrap();
                let (a, _b) = UnixStream::pair().unwrap();
                let victim = spawn(move || (&a).read(&mut [0; 1]));
                yield_now();
                victim.kill();
            }
            assert_back_to(before);
        },
    );
}

fn wait_in_vain() {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!(kind((&a).read(&mut [0; 1])), ErrorKind::WouldBlock);
    drop(b);
    until("the end of the stream", || {
        (&a).read(&mut [0; 1]).is_ok_and(|len| len == 0)
    });
}
