//! Waiting for any descriptors: `poll`, `select` and `Selector` say what poll(2) says.

use std::fs::File;
use std::io::{self, ErrorKind, Write, pipe};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use greenloop::net::{self, Events, PollFd, Selector, poll, select, wait_readable, wait_writable};
use rustix::event::{PollFlags, Timespec};
use socket2::SockRef;

use crate::everywhere::everywhere;

pub(crate) const SHORT: Option<Duration> = Some(Duration::from_millis(5));
const ASKED: [Events; 5] = [
    Events::empty(),
    Events::READABLE,
    Events::WRITABLE,
    Events::URGENT,
    Events::READ_CLOSED,
];

/// Some descriptors, and what has to stay open with them.
struct Row(&'static str, Vec<OwnedFd>, Vec<OwnedFd>);

pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

/// Fills what a write to it fills.
pub(crate) fn fill(mut writer: impl Write + AsFd) {
    SockRef::from(&writer).set_nonblocking(true).unwrap();
    while writer.write(&[0; 4096]).is_ok() {}
}

pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name, fds, kept| rows.push(Row(name, fds, kept));
    let (reader, writer) = pipe().unwrap();
    add("an empty pipe", vec![reader.into(), writer.into()], vec![]);
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(b"some").unwrap();
    add("a pipe", vec![reader.into(), writer.into()], vec![]);
    let (reader, writer) = pipe().unwrap();
    fill(writer.try_clone().unwrap());
    add("a full pipe", vec![reader.into(), writer.into()], vec![]);
    let (reader, _) = pipe().unwrap();
    add("a pipe without writer", vec![reader.into()], vec![]);
    let (_, writer) = pipe().unwrap();
    add("a pipe without reader", vec![writer.into()], vec![]);
    let (one, other) = tcp();
    add("an idle stream", vec![one.into()], vec![other.into()]);
    let (one, mut other) = tcp();
    other.write_all(b"some").unwrap();
    wait_for(&one, PollFlags::IN);
    add("a stream", vec![one.into()], vec![other.into()]);
    let (one, other) = tcp();
    fill(one.try_clone().unwrap());
    add("a full stream", vec![one.into()], vec![other.into()]);
    let (one, other) = tcp();
    other.shutdown(Shutdown::Write).unwrap();
    wait_for(&one, PollFlags::RDHUP);
    add("a half-closed stream", vec![one.into()], vec![other.into()]);
    let (one, other) = tcp();
    one.shutdown(Shutdown::Both).unwrap();
    add(
        "a stream that was shut down",
        vec![one.into()],
        vec![other.into()],
    );
    let (one, other) = tcp();
    reset(other);
    wait_for(&one, PollFlags::HUP);
    add("a stream that was reset", vec![one.into()], vec![]);
    let (one, other) = tcp();
    SockRef::from(&other).send_out_of_band(b"!").unwrap();
    wait_for(&one, PollFlags::PRI);
    add("urgent data", vec![one.into()], vec![other.into()]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    add("a listener", vec![listener.into()], vec![]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    add(
        "a listener with a client",
        vec![listener.into()],
        vec![client.into()],
    );
    let unconnected = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    add(
        "an unconnected stream",
        vec![unconnected.unwrap().into()],
        vec![],
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    add("a datagram socket", vec![socket.into()], vec![]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .send_to(b"some", socket.local_addr().unwrap())
        .unwrap();
    add("a datagram", vec![socket.into()], vec![]);
    let (one, other) = UnixStream::pair().unwrap();
    add("a Unix stream", vec![one.into(), other.into()], vec![]);
    for path in [file!(), "src", "/dev/null"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        add("a file", vec![File::open(path).unwrap().into()], vec![]);
    }
    let (idle, writer) = pipe().unwrap();
    let (full, mut filled) = pipe().unwrap();
    filled.write_all(b"some").unwrap();
    add(
        "one of two",
        vec![idle.into(), full.into()],
        vec![writer.into(), filled.into()],
    );
    let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap();
    add("an epoll descriptor", vec![epoll], vec![]);
    rows
}

pub(crate) fn wait_for(fd: &impl AsFd, flags: PollFlags) {
    let mut entries = [rustix::event::PollFd::new(fd, flags)];
    rustix::event::poll(&mut entries, None).unwrap();
}

pub(crate) fn flags(events: Events) -> PollFlags {
    let pairs = [
        (Events::READABLE, PollFlags::IN),
        (Events::WRITABLE, PollFlags::OUT),
        (Events::URGENT, PollFlags::PRI),
        (Events::READ_CLOSED, PollFlags::RDHUP),
        (Events::HUNG_UP, PollFlags::HUP),
        (Events::ERROR, PollFlags::ERR),
        (Events::INVALID, PollFlags::NVAL),
    ];
    let set = pairs.iter().filter(|(event, _)| events.contains(*event));
    set.fold(PollFlags::empty(), |all, (_, flag)| all | *flag)
}

/// What poll(2) says of each.
fn plain_poll(fds: &[BorrowedFd<'_>], events: Events) -> Vec<PollFlags> {
    let entries = fds.iter().copied();
    let mut entries: Vec<_> = entries
        .map(|fd| rustix::event::PollFd::from_borrowed_fd(fd, flags(events)))
        .collect();
    rustix::event::poll(&mut entries, Some(&Timespec::default())).unwrap();
    entries.iter().map(|entry| entry.revents()).collect()
}

pub(crate) fn our_poll(
    fds: &[BorrowedFd<'_>],
    events: Events,
    timeout: Option<Duration>,
) -> Vec<PollFlags> {
    let entries = fds.iter().copied();
    let mut entries: Vec<_> = entries
        .map(|fd| PollFd::from_borrowed_fd(fd, events))
        .collect();
    let count = poll(&mut entries, timeout).unwrap();
    let found: Vec<_> = entries.iter().map(|entry| flags(entry.revents())).collect();
    assert_eq!(
        count,
        found.iter().filter(|found| !found.is_empty()).count()
    );
    found
}

#[test]
fn poll_says_what_the_system_says() {
    everywhere(|| {
        for Row(name, fds, _kept) in &rows() {
            let mut fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            fds.push(fds[0]); // the same one twice
            for one in ASKED {
                for other in ASKED {
                    let expected = plain_poll(&fds, one | other);
                    for timeout in [Some(Duration::ZERO), SHORT] {
                        let found = our_poll(&fds, one | other, timeout);
                        assert_eq!(found, expected, "{name}: {one:?} {other:?} {timeout:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn a_selector_says_what_the_system_says() {
    everywhere(|| {
        for Row(name, fds, _kept) in &rows() {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            for events in [Events::READABLE, Events::WRITABLE, Events::URGENT] {
                let mut selector = Selector::new();
                for fd in &fds {
                    selector.register(*fd, events, ()).unwrap();
                }
                let expected = fds.iter().zip(plain_poll(&fds, events));
                let mut expected: Vec<_> = expected
                    .map(|(fd, found)| (fd.as_raw_fd(), found))
                    .filter(|(_, found)| !found.is_empty())
                    .collect();
                expected.sort_by_key(|(fd, _)| *fd);
                for timeout in [SHORT, Some(Duration::ZERO), SHORT] {
                    let found = selector.select(timeout).unwrap().into_iter();
                    let found: Vec<_> = found.map(|(fd, found)| (fd, flags(found))).collect();
                    assert_eq!(found, expected, "{name}: {events:?} {timeout:?}");
                }
            }
        }
    });
}

#[test]
fn select_lists_who_would_not_wait() {
    everywhere(|| {
        for Row(name, fds, _kept) in &rows() {
            let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            let all = Events::READABLE | Events::WRITABLE | Events::URGENT;
            let found = select(&fds, &fds, &fds, SHORT).unwrap();
            let mut expected = net::Selected::default();
            for (fd, found) in fds.iter().zip(plain_poll(&fds, all)) {
                let list = |numbers: &mut Vec<_>, flags| {
                    if found.intersects(flags) {
                        numbers.push(fd.as_raw_fd());
                    }
                };
                let failed = PollFlags::ERR;
                list(
                    &mut expected.readable,
                    PollFlags::IN | PollFlags::HUP | failed,
                );
                list(&mut expected.writable, PollFlags::OUT | failed);
                list(&mut expected.exceptional, PollFlags::PRI);
            }
            assert_eq!(found, expected, "{name}");
        }
    });
}

#[test]
fn a_descriptor_that_is_not_open_is_named() {
    const NUMBER: i32 = 1_000_003;
    everywhere(|| {
        // SAFETY: nobody has so many, and whoever is given it only looks at it.
        let closed = unsafe { BorrowedFd::borrow_raw(NUMBER) };
        let (reader, _writer) = pipe().unwrap();
        let mut entries = [
            PollFd::new(&reader, Events::READABLE),
            PollFd::new(&closed, Events::empty()),
        ];
        assert_eq!(poll(&mut entries, None).unwrap(), 1);
        let found = entries.map(|entry| entry.revents());
        assert_eq!(found, [Events::empty(), Events::INVALID]);
        let errors = [
            wait_readable(closed, None).unwrap_err(),
            wait_writable(closed, None).unwrap_err(),
            select(&[closed], &[], &[], None).unwrap_err(),
            select(&[], &[], &[reader.as_fd(), closed], None).unwrap_err(),
            Selector::new()
                .register(closed, Events::READABLE, ())
                .unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&NUMBER.to_string()), "{error}");
        }
    });
}

#[test]
fn a_selector_says_what_is_wrong_with_a_call() {
    let (reader, writer) = pipe().unwrap();
    let number = reader.as_raw_fd();
    let mut selector = Selector::new();
    assert!(selector.is_empty());
    let kind = |result: io::Result<()>| {
        let error = result.unwrap_err();
        assert!(error.to_string().contains(&number.to_string()), "{error}");
        error.kind()
    };
    let none = Events::HUNG_UP | Events::ERROR;
    let result = selector.register(reader.as_fd(), none, "none").map(drop);
    assert_eq!(kind(result), ErrorKind::InvalidInput);
    assert_eq!(
        kind(selector.modify(number, Events::READABLE)),
        ErrorKind::NotFound
    );
    assert_eq!(
        kind(selector.unregister(number).map(drop)),
        ErrorKind::NotFound
    );

    assert_eq!(
        selector
            .register(reader.as_fd(), Events::READABLE, "one")
            .unwrap(),
        number
    );
    let again = selector
        .register(reader.as_fd(), Events::READABLE, "two")
        .map(drop);
    assert_eq!(kind(again), ErrorKind::AlreadyExists);
    assert_eq!(kind(selector.modify(number, none)), ErrorKind::InvalidInput);
    selector.modify(number, Events::URGENT).unwrap();
    *selector.get_mut(number).unwrap().data_mut() = "three";
    let key = selector.get(number).unwrap();
    assert_eq!((key.events(), *key.data()), (Events::URGENT, "three"));
    selector
        .register(writer.as_fd(), Events::WRITABLE, "four")
        .unwrap();
    let all: Vec<_> = selector.iter().map(|(fd, key)| (fd, *key.data())).collect();
    assert_eq!(all, [(number, "three"), (writer.as_raw_fd(), "four")]);
    assert_eq!(selector.unregister(number).unwrap().1, "three");
    assert_eq!((selector.len(), selector.get(number).is_none()), (1, true));
}

#[test]
fn what_is_asked_for_can_change() {
    everywhere(|| {
        let (one, mut other) = UnixStream::pair().unwrap();
        let mut selector = Selector::new();
        let fd = selector.register(one, Events::READABLE, ()).unwrap();
        assert_eq!(selector.select(SHORT).unwrap(), []);
        selector.modify(fd, Events::WRITABLE).unwrap();
        assert_eq!(selector.select(None).unwrap(), [(fd, Events::WRITABLE)]);
        other.write_all(b"x").unwrap();
        selector
            .modify(fd, Events::READABLE | Events::WRITABLE)
            .unwrap();
        let both = Events::READABLE | Events::WRITABLE;
        assert_eq!(selector.select(None).unwrap(), [(fd, both)]);
        let (one, ()) = selector.unregister(fd).unwrap();
        wait_readable(one, None).unwrap();
        assert_eq!(selector.select(SHORT).unwrap(), []);
    });
}
