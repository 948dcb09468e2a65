//! std's sockets, each with an echo of another kind at its other end.

use crate::kind::{Handle, Kind};
use crate::tally::{CONNECTIONS, DATAGRAMS, Pair, TCP, UDP, UNIX, goes_on};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

const ANY_PORT: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// Longer than any answer takes, on a slow and busy machine.
const LONG: Duration = Duration::from_secs(60);
const PIECE: usize = 64 << 10;
/// More than the buffers of a connection hold.
const PIECES: usize = 128;
/// A connection's first byte: is there more to come?
const GO: u8 = 1;
const END: u8 = 0;

pub(crate) fn tcp(kind: Kind) {
    let listener = TcpListener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = kind.other().spawn(move || accept(&listener));
    for round in 0.. {
        if !goes_on() {
            break;
        }
        let mut stream = open(address, GO);
        if round % 64 == 63 {
            exchange_much(kind, stream);
            continue;
        }
        for size in [1, 64, 5000, 20_000] {
            exchange(&mut stream, round + size, &TCP);
        }
    }
    open(address, END);
    acceptor.join();
}

fn open(address: SocketAddr, first: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    CONNECTIONS.give(1);
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&[first]).unwrap();
    stream
}

/// Serves each connection on a new thread, of both kinds in turn.
fn accept(listener: &TcpListener) {
    let mut last: Option<Handle<()>> = None;
    for round in 0.. {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        CONNECTIONS.take(1);
        let mut first = [END];
        stream.read_exact(&mut first).unwrap();
        if let Some(last) = last.take() {
            last.join();
        }
        if first == [END] {
            break;
        }
        last = Some(Kind::by(round).spawn(move || echo(stream)));
    }
}

fn echo(mut stream: impl Read + Write) {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            count => stream.write_all(&buffer[..count]).unwrap(),
        }
    }
}

fn exchange(stream: &mut (impl Read + Write), size: usize, pair: &Pair) {
    let message = pattern(size);
    stream.write_all(&message).unwrap();
    pair.give(size);
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer == message, "{size} bytes came back wrong");
    pair.take(size);
}

/// One thread writes what another one reads meanwhile: both have to wait.
fn exchange_much(kind: Kind, mut stream: TcpStream) {
    let mut out = stream.try_clone().unwrap();
    let writer = kind.spawn(move || {
        let piece = pattern(PIECE);
        for _ in 0..PIECES {
            out.write_all(&piece).unwrap();
            TCP.give(PIECE);
        }
    });
    let (piece, mut answer) = (pattern(PIECE), vec![0; PIECE]);
    for _ in 0..PIECES {
        stream.read_exact(&mut answer).unwrap();
        assert!(answer == piece, "much came back wrong");
        TCP.take(PIECE);
    }
    writer.join();
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| ((at + size) % 251) as u8).collect()
}

pub(crate) fn udp(kind: Kind) {
    let ours = UdpSocket::bind(ANY_PORT).unwrap();
    let theirs = UdpSocket::bind(ANY_PORT).unwrap();
    ours.connect(theirs.local_addr().unwrap()).unwrap();
    ours.set_read_timeout(Some(LONG)).unwrap();
    let partner = kind.other().spawn(move || {
        let mut buffer = [0; 2048];
        // An empty one is the last.
        while let (count @ 1.., from) = theirs.recv_from(&mut buffer).unwrap() {
            theirs.send_to(&buffer[..count], from).unwrap();
        }
    });
    let receive = |buffer: &mut [u8]| uninterrupted(kind, || ours.recv(buffer)).unwrap();
    datagrams(|message| ours.send(message).unwrap(), receive, &UDP);
    partner.join();
}

pub(crate) fn unix_datagram(kind: Kind) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    let partner = kind.other().spawn(move || {
        let mut buffer = [0; 2048];
        while let count @ 1.. = theirs.recv(&mut buffer).unwrap() {
            theirs.send(&buffer[..count]).unwrap();
        }
    });
    let receive = |buffer: &mut [u8]| ours.recv(buffer).unwrap();
    datagrams(|message| ours.send(message).unwrap(), receive, &DATAGRAMS);
    partner.join();
}

/// A call on a socket with a time of its own, on an OS thread: there another thread's signal
/// interrupts it, even one without a handler (signal(7)). On a green thread nothing does.
pub(crate) fn uninterrupted<T>(
    kind: Kind,
    mut call: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted && kind == Kind::Os => {}
            result => return result,
        }
    }
}

/// One after the other, so that none is dropped.
fn datagrams(send: impl Fn(&[u8]) -> usize, receive: impl Fn(&mut [u8]) -> usize, pair: &Pair) {
    let mut buffer = [0; 2048];
    for round in 0.. {
        if !goes_on() {
            break;
        }
        let message = pattern(1 + round % 1400);
        assert_eq!(send(&message), message.len());
        pair.give(1);
        let count = receive(&mut buffer);
        assert!(buffer[..count] == message, "another datagram came back");
        pair.take(1);
    }
    send(&[]);
}

pub(crate) fn unix_stream(kind: Kind) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let partner = kind.other().spawn(move || echo(theirs));
    for round in 0.. {
        if !goes_on() {
            break;
        }
        exchange(&mut ours, 1 + round % 30_000, &UNIX);
    }
    drop(ours);
    partner.join();
}
