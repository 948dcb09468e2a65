//! Parity of `greenloop::net` with `std::net`: each scenario runs on both, and ours on a green
//! thread too.
//!
//! Long because it is one table.
#![allow(clippy::needless_borrows_for_generic_args)] // a reference names a host in its own way

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use crate::parity::{Fault, fault, parity};

const TICK: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(30);

/// Defines `net`, and `pair`, which returns both ends of a connection.
macro_rules! names {
    (std) => {
        use std::net;
        names!(@pair);
    };
    (ours) => {
        use greenloop::net;
        names!(@pair);
    };
    (@pair) => {
        #[allow(dead_code, reason = "not every scenario needs a pair")]
        fn pair() -> io::Result<(net::TcpStream, net::TcpStream)> {
            let listener = net::TcpListener::bind("127.0.0.1:0")?;
            let client = net::TcpStream::connect(listener.local_addr()?)?;
            Ok((client, listener.accept()?.0))
        }
    };
}

parity! {
    names;

    fn echo() -> Vec<u8> {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept()?;
            io::copy(&mut stream.try_clone()?, &mut stream)
        });
        let mut client = net::TcpStream::connect(addr)?;
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
        let (mut client, mut server) = pair()?;
        client.write_all(b"question")?;
        client.shutdown(Shutdown::Write)?;
        let mut question = String::new();
        server.read_to_string(&mut question)?;
        server.write_all(b"answer")?;
        drop(server);
        let mut answer = String::new();
        let len = client.read_to_string(&mut answer)?;
        Ok((question, len, answer))
    }

    fn write_after_shutdown() -> Fault {
        let (mut client, _server) = pair()?;
        client.shutdown(Shutdown::Both)?;
        assert_eq!(client.read(&mut [0; 8])?, 0);
        Ok(fault(&client.write(b"x").unwrap_err()))
    }

    fn shutdown_twice() -> Vec<Option<Fault>> {
        let (client, server) = pair()?;
        drop(server);
        let again = || client.shutdown(Shutdown::Both).err().map(|e| fault(&e));
        Ok(vec![again(), again(), again()])
    }

    fn peek() -> (usize, usize, [u8; 4]) {
        let (mut client, mut server) = pair()?;
        client.write_all(b"abcd")?;
        let mut buf = [0; 4];
        server.peek(&mut buf)?; // the segment is there as a whole
        let seen = (server.peek(&mut buf[..2])?, server.peek(&mut buf)?);
        buf = [0; 4];
        server.read_exact(&mut buf)?;
        Ok((seen.0, seen.1, buf))
    }

    fn vectored() -> (usize, usize, Vec<Vec<u8>>) {
        let (mut client, mut server) = pair()?;
        let slices = [b"ab".as_slice(), b"", b"cde"].map(IoSlice::new);
        let sent = client.write_vectored(&slices)?;
        server.peek(&mut [0; 5])?;
        let (mut a, mut b) = ([0; 1], [0; 9]);
        let got = server.read_vectored(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)])?;
        Ok((sent, got, vec![a.to_vec(), b.to_vec()]))
    }

    fn vectored_with_nothing_to_fill_returns_at_once() -> (usize, usize, usize) {
        let (mut client, _server) = pair()?;
        let no_bytes = client.read_vectored(&mut [IoSliceMut::new(&mut [])])?;
        Ok((client.read_vectored(&mut [])?, no_bytes, client.write_vectored(&[])?))
    }

    fn vectored_with_more_slices_than_the_kernel_takes() -> (usize, usize) {
        let (mut client, mut server) = pair()?;
        let sent = client.write_vectored(&vec![IoSlice::new(b"x"); 2_000])?;
        let mut bytes = vec![0; 2_000];
        server.read_exact(&mut bytes[..sent])?;
        client.write_all(&[b'y'; 2_000])?;
        client.shutdown(Shutdown::Write)?;
        let mut received = 0;
        loop {
            let mut slices: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
            match server.read_vectored(&mut slices)? {
                0 => break Ok((sent, received)),
                count => received += count,
            }
        }
    }

    fn reads_and_writes_through_shared_references() -> (usize, u8) {
        let (client, server) = pair()?;
        let written = (&client).write(&[7])?;
        let mut byte = [0; 1];
        (&server).read_exact(&mut byte)?;
        (&client).flush()?;
        Ok((written, byte[0]))
    }

    fn read_timeout_expires() -> (Fault, Fault, bool) {
        let (mut client, _server) = pair()?;
        client.set_read_timeout(Some(TICK))?;
        let start = Instant::now();
        let read = fault(&client.read(&mut [0; 8]).unwrap_err());
        let peek = fault(&client.peek(&mut [0; 8]).unwrap_err());
        assert!(start.elapsed() < LONG);
        Ok((read, peek, start.elapsed() >= 2 * TICK))
    }

    fn write_timeout_expires() -> Fault {
        let (mut client, _server) = pair()?;
        client.set_write_timeout(Some(TICK))?;
        Ok(fault(&client.write_all(&vec![0; 64 << 20]).unwrap_err()))
    }

    fn data_within_the_timeout() -> u8 {
        let (mut client, mut server) = pair()?;
        server.set_read_timeout(Some(LONG))?;
        let writer = thread::spawn(move || client.write_all(&[9]));
        let mut byte = [0; 1];
        server.read_exact(&mut byte)?;
        writer.join().unwrap()?;
        Ok(byte[0])
    }

    fn zero_timeouts() -> (Fault, Fault, Fault) {
        let (client, _server) = pair()?;
        let zero = Some(Duration::ZERO);
        let (listener, _queued) = full_listener(); // std looks at the timeout only if it must wait
        let connect = net::TcpStream::connect_timeout(&listener.local_addr()?, Duration::ZERO);
        Ok((
            fault(&client.set_read_timeout(zero).unwrap_err()),
            fault(&client.set_write_timeout(zero).unwrap_err()),
            fault(&connect.unwrap_err()),
        ))
    }

    fn timeouts_are_told() -> Vec<Option<Duration>> {
        let (client, _server) = pair()?;
        let mut told = vec![client.read_timeout()?, client.write_timeout()?];
        for millis in [0.000_001, 0.001, 1.0, 1501.0, 1e15] {
            let timeout = Duration::from_secs_f64(millis / 1000.0);
            client.set_read_timeout(Some(timeout))?;
            client.set_write_timeout(Some(timeout))?;
            told.extend([client.read_timeout()?, client.write_timeout()?]);
        }
        client.set_read_timeout(Some(Duration::MAX))?;
        client.set_write_timeout(None)?;
        told.extend([client.read_timeout()?, client.write_timeout()?]);
        Ok(told)
    }

    fn a_timeout_taken_back_is_gone() -> u8 {
        let (mut client, mut server) = pair()?;
        client.set_read_timeout(Some(Duration::from_millis(1)))?;
        client.read(&mut [0; 1]).unwrap_err();
        client.set_read_timeout(None)?;
        let writer = thread::spawn(move || server.write_all(&[3]));
        let mut byte = [0; 1];
        client.read_exact(&mut byte)?;
        writer.join().unwrap()?;
        Ok(byte[0])
    }

    fn clones_share_timeouts() -> (Option<Duration>, Fault, Option<Duration>) {
        let (mut client, _server) = pair()?;
        let clone = client.try_clone()?;
        let early = client.try_clone()?;
        early.set_read_timeout(Some(TICK))?;
        let error = client.read(&mut [0; 8]).unwrap_err();
        client.set_write_timeout(Some(TICK))?;
        Ok((clone.read_timeout()?, fault(&error), clone.write_timeout()?))
    }

    fn clones_share_the_mode() -> (Fault, Fault, u8) {
        let (mut client, mut server) = pair()?;
        let mut clone = client.try_clone()?;
        clone.set_nonblocking(true)?;
        let first = fault(&client.read(&mut [0; 8]).unwrap_err());
        let second = fault(&clone.peek(&mut [0; 8]).unwrap_err());
        client.set_nonblocking(false)?;
        let writer = thread::spawn(move || server.write_all(&[5]));
        let mut byte = [0; 1];
        clone.read_exact(&mut byte)?;
        writer.join().unwrap()?;
        Ok((first, second, byte[0]))
    }

    fn a_clone_keeps_the_connection_open() -> (usize, [u8; 2]) {
        let (mut client, mut server) = pair()?;
        let mut clone = client.try_clone()?;
        client.write_all(b"a")?;
        drop(client);
        clone.write_all(b"b")?;
        drop(clone);
        let mut bytes = [0; 2];
        server.read_exact(&mut bytes)?;
        Ok((server.read(&mut [0; 1])?, bytes))
    }

    fn nonblocking_write_fills_the_buffers() -> Fault {
        let (mut client, _server) = pair()?;
        client.set_nonblocking(true)?;
        Ok(fault(&client.write_all(&vec![0; 64 << 20]).unwrap_err()))
    }

    fn nonblocking_accept() -> (Fault, bool) {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let clone = listener.try_clone()?;
        clone.set_nonblocking(true)?;
        let empty = fault(&listener.accept().unwrap_err());
        listener.set_nonblocking(false)?;
        let client = net::TcpStream::connect(listener.local_addr()?)?;
        let (mut server, addr) = clone.accept()?;
        let writer = thread::spawn(move || { (&client).write_all(b"x")?; client.local_addr() });
        server.read_exact(&mut [0; 1])?; // waits: the mode is not inherited
        Ok((empty, addr == writer.join().unwrap()?))
    }

    fn connection_refused() -> Fault {
        let (addr, _bound) = deaf();
        let timeout = fault(&net::TcpStream::connect_timeout(&addr, LONG).unwrap_err());
        let plain = fault(&net::TcpStream::connect(addr).unwrap_err());
        assert_eq!(timeout, plain);
        Ok(plain)
    }

    fn connection_reset() -> (Fault, Option<Fault>, Fault) {
        let (mut client, server) = pair()?;
        client.write_all(b"never read")?;
        server.peek(&mut [0; 1])?;
        drop(server); // unread bytes make it a reset
        let read = fault(&client.read(&mut [0; 8]).unwrap_err());
        let pending = client.take_error()?.map(|e| fault(&e));
        Ok((read, pending, fault(&client.write(b"x").unwrap_err())))
    }

    fn take_error_returns_a_reset() -> (Option<Fault>, Option<Fault>) {
        let (mut client, server) = pair()?;
        client.write_all(b"never read")?;
        server.peek(&mut [0; 1])?;
        drop(server);
        Ok((client.take_error()?.map(|e| fault(&e)), client.take_error()?.map(|e| fault(&e))))
    }

    fn connect_timeout_to_a_full_backlog() -> (Fault, bool) {
        let (listener, _queued) = full_listener();
        let start = Instant::now();
        let error = net::TcpStream::connect_timeout(&listener.local_addr()?, 2 * TICK).unwrap_err();
        assert!(start.elapsed() < LONG);
        Ok((fault(&error), start.elapsed() >= 2 * TICK))
    }

    fn connect_goes_on_to_the_next_address() -> (bool, Fault) {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let (refused, _bound) = deaf();
        let good = listener.local_addr()?;
        let client = net::TcpStream::connect(&[refused, refused, good][..])?;
        let in_vain = net::TcpStream::connect(&[refused, refused][..]).unwrap_err();
        Ok((client.peer_addr()? == good, fault(&in_vain)))
    }

    fn no_addresses() -> (Fault, Fault) {
        let none: &[SocketAddr] = &[];
        let connect = net::TcpStream::connect(none).unwrap_err();
        Ok((fault(&connect), fault(&net::TcpListener::bind(none).unwrap_err())))
    }

    fn malformed_addresses() -> Vec<Fault> {
        let hosts = ["", "localhost", ":", "127.0.0.1", "[::1]", "a\0b:1", "a:b:c"];
        let ports = ["127.0.0.1:http", "127.0.0.1:65536", "localhost:-1", "localhost:"];
        let texts = || hosts.into_iter().chain(ports);
        let connects = texts().map(|text| net::TcpStream::connect(text).unwrap_err());
        let binds = texts().map(|text| net::TcpListener::bind(text.to_owned()).unwrap_err());
        Ok(connects.chain(binds).map(|error| fault(&error)).collect())
    }

    fn every_way_to_name_a_host() -> Vec<bool> {
        let listener = net::TcpListener::bind(("localhost", 0))?;
        let addr = listener.local_addr()?;
        let port = addr.port();
        let text = format!("localhost:{port}");
        Ok(vec![
            net::TcpStream::connect(&*text)?.peer_addr()? == addr,
            net::TcpStream::connect(&&*text)?.peer_addr()? == addr,
            net::TcpStream::connect(&text)?.peer_addr()? == addr,
            net::TcpStream::connect(text.clone())?.peer_addr()? == addr,
            net::TcpStream::connect(("localhost", port))?.peer_addr()? == addr,
            net::TcpStream::connect((String::from("localhost"), port))?.peer_addr()? == addr,
            net::TcpStream::connect(&("localhost", port))?.peer_addr()? == addr,
            net::TcpStream::connect((addr.ip(), port))?.peer_addr()? == addr,
            net::TcpStream::connect(addr.to_string())?.peer_addr()? == addr,
            net::TcpStream::connect(vec![addr].as_slice())?.peer_addr()? == addr,
        ])
    }

    fn options() -> Vec<u32> {
        let (client, _server) = pair()?;
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let mut values = vec![client.ttl()?, listener.ttl()?, client.nodelay()?.into()];
        client.set_ttl(42)?;
        listener.set_ttl(43)?;
        client.set_nodelay(true)?;
        values.extend([client.ttl()?, listener.ttl()?, client.nodelay()?.into()]);
        values.push(client.take_error()?.is_none().into());
        values.push(listener.take_error()?.is_none().into());
        Ok(values)
    }

    fn options_out_of_range() -> (Fault, Fault) {
        let (client, _server) = pair()?;
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        Ok((fault(&client.set_ttl(256).unwrap_err()), fault(&listener.set_ttl(0).unwrap_err())))
    }

    fn debug_format() -> Vec<String> {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let client = net::TcpStream::connect(listener.local_addr()?)?;
        let listening = listener.local_addr()?.to_string();
        let here = client.local_addr()?.to_string();
        let generic = |text: String, fd: i32| {
            let text = text.replace(&listening, "L").replace(&here, "C");
            text.replace(&format!("fd: {fd}"), "fd: N")
        };
        let incoming = format!("{:?}", listener.incoming());
        Ok(vec![
            generic(format!("{listener:?}"), listener.as_raw_fd()),
            generic(format!("{client:?}"), client.as_raw_fd()),
            generic(format!("{client:#?}"), client.as_raw_fd()),
            generic(incoming, listener.as_raw_fd()),
        ])
    }

    fn bind_twice() -> Fault {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        Ok(fault(&net::TcpListener::bind(listener.local_addr()?).unwrap_err()))
    }

    fn bind_goes_on_to_the_next_address() -> bool {
        let taken = net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let keep = net::TcpListener::bind(taken)?;
        let next = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = net::TcpListener::bind(&[taken, next][..])?;
        Ok(listener.local_addr()? != keep.local_addr()?)
    }

    fn addresses_over_v6() -> bool {
        let listener = match net::TcpListener::bind("[::1]:0") {
            Err(error) if error.kind() == ErrorKind::AddrNotAvailable => return Ok(true),
            listener => listener?,
        };
        let client = net::TcpStream::connect(listener.local_addr()?)?;
        Ok(client.peer_addr()? == listener.local_addr()? && client.local_addr()?.is_ipv6())
    }

    fn incoming() -> bool {
        let listener = net::TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let clients = [net::TcpStream::connect(addr)?, net::TcpStream::connect(addr)?];
        let servers: Vec<_> = listener.incoming().take(2).collect::<io::Result<_>>()?;
        let mut ends = servers.iter().zip(&clients);
        Ok(ends.all(|(server, client)| server.peer_addr().ok() == client.local_addr().ok()))
    }

    fn descriptors_pass_through() -> u8 {
        let (client, mut server) = pair()?;
        let client = net::TcpStream::from(OwnedFd::from(client));
        assert_eq!(client.as_fd().as_raw_fd(), client.as_raw_fd());
        // SAFETY: the descriptor was just given away by its owner.
        let mut client = unsafe { net::TcpStream::from_raw_fd(client.into_raw_fd()) };
        client.write_all(&[8])?;
        let mut byte = [0; 1];
        server.read_exact(&mut byte)?;
        Ok(byte[0])
    }

    fn calls_on_what_is_no_socket() -> (Fault, Fault, Fault) {
        let file = || io::Result::Ok(OwnedFd::from(std::fs::File::open("/dev/null")?));
        let mut stream = net::TcpStream::from(file()?);
        let listener = net::TcpListener::from(file()?);
        Ok((
            fault(&stream.read(&mut [0; 1]).unwrap_err()),
            fault(&stream.write(&[0; 1]).unwrap_err()),
            fault(&listener.accept().unwrap_err()),
        ))
    }
}

/// Returns an address where nobody listens, and what keeps it taken.
pub(crate) fn deaf() -> (SocketAddr, socket2::Socket) {
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    bound.bind(&anywhere.into()).unwrap();
    let address = bound.local_addr().unwrap().as_socket().unwrap();
    (address, bound)
}

/// Returns a listener whose queue is full, so that a further connection gets no answer.
pub(crate) fn full_listener() -> (greenloop::net::TcpListener, Vec<greenloop::net::TcpStream>) {
    let listener = greenloop::net::TcpListener::builder()
        .backlog(0)
        .bind("127.0.0.1:0")
        .unwrap();
    let addr = listener.local_addr().unwrap();
    let connect = || greenloop::net::TcpStream::connect_timeout(&addr, 2 * TICK).ok();
    let queued = std::iter::from_fn(connect).collect();
    (listener, queued)
}

#[test]
fn types_are_as_sendable_and_unwind_safe_as_stds() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
    check::<greenloop::net::TcpStream>();
    check::<greenloop::net::TcpListener>();
    check::<greenloop::net::Incoming<'_>>();
    check::<greenloop::net::IntoIncoming>();
    check::<greenloop::net::TcpListenerBuilder>();
}
