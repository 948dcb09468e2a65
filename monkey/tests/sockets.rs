//! Sockets on full green threads: what libc and std promise of them, unmodified.

mod common;

use common::{
    SHORT, TWENTY, c, errno, everywhere, in_hub, is_nonblocking, read, until, within, write,
};
use greenloop::{Elapsed, spawn, spawn_local, timeout};
use std::io::{self, ErrorKind, IoSliceMut, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Each of twenty clients asks, and is answered after a while: all at once, not one by one.
fn ask_twenty_at_once(spawn_all: impl Fn(Box<dyn FnOnce() + Send>)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    for _ in 0..TWENTY {
        let answered = answered.clone();
        spawn_all(Box::new(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"ping").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "ping pong");
            answered.fetch_add(1, SeqCst);
        }));
    }
    for _ in 0..TWENTY {
        let (mut stream, _) = listener.accept().unwrap();
        spawn_all(Box::new(move || {
            let mut question = [0; 4];
            stream.read_exact(&mut question).unwrap();
            thread::sleep(Duration::from_millis(200));
            stream.write_all(&question).unwrap();
            stream.write_all(b" pong").unwrap();
        }));
    }
    until("all answers", || answered.load(SeqCst) == TWENTY);
}

#[test]
fn twenty_std_clients_and_servers_share_a_hub() {
    in_hub(|| {
        let start = Instant::now();
        ask_twenty_at_once(|f| drop(spawn_local(f)));
        let took = start.elapsed();
        assert!(took < Duration::from_secs(3), "one by one: {took:?}");
    });
}

#[test]
fn twenty_std_clients_and_servers_run_on_workers() {
    within(|| {
        spawn(|| ask_twenty_at_once(|f| drop(spawn(f))))
            .join()
            .unwrap();
    });
}

#[test]
fn a_blocking_send_sends_all() {
    const SIZE: usize = 64 << 20;
    everywhere(|| {
        let (sender, mut receiver) = tcp_pair();
        let data: Vec<u8> = (0..SIZE).map(|index| (index * 7 / 3) as u8).collect();
        let expected = data.clone();
        let sum = thread::spawn(move || {
            let mut received = Vec::new();
            receiver.read_to_end(&mut received).unwrap();
            received == expected
        });
        // SAFETY: the buffer is that long.
        let sent = unsafe { libc::send(sender.as_raw_fd(), data.as_ptr().cast(), SIZE, 0) };
        assert_eq!(sent, SIZE.cast_signed());
        drop(sender);
        assert!(sum.join().unwrap());
    });
}

#[test]
fn an_error_after_a_part_is_left_for_the_next_call() {
    everywhere(|| {
        let (sender, receiver) = UnixStream::pair().unwrap();
        let data = vec![1; 4 << 20];
        let closer = thread::spawn(move || {
            thread::sleep(SHORT);
            drop(receiver);
        });
        let first = (&sender).write(&data).unwrap();
        assert!(first > 0 && first < data.len());
        let next = (&sender).write(&data).unwrap_err();
        assert!(matches!(
            next.kind(),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
        ));
        closer.join().unwrap();
    });
}

#[test]
fn waitall_fills_the_buffer() {
    everywhere(|| {
        let (mut sender, receiver) = tcp_pair();
        let writer = thread::spawn(move || {
            for part in 0..10 {
                sender.write_all(&[part; 100]).unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        });
        let mut buffer = [99u8; 600];
        let mut receive = |flags| {
            // SAFETY: the buffer is that long.
            c(unsafe { libc::recv(receiver.as_raw_fd(), buffer.as_mut_ptr().cast(), 600, flags) })
        };
        assert_eq!(receive(libc::MSG_WAITALL | libc::MSG_PEEK).unwrap(), 600);
        assert_eq!(receive(libc::MSG_WAITALL).unwrap(), 600);
        // The rest, and the end.
        assert_eq!(receive(libc::MSG_WAITALL).unwrap(), 400);
        assert_eq!(receive(libc::MSG_WAITALL).unwrap(), 0);
        writer.join().unwrap();
    });
}

#[test]
fn the_timeouts_of_a_socket_hold() {
    everywhere(|| {
        let (stream, _other) = tcp_pair();
        stream.set_read_timeout(Some(SHORT)).unwrap();
        let start = Instant::now();
        let error = (&stream).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= SHORT - Duration::from_millis(5));

        stream.set_write_timeout(Some(SHORT)).unwrap();
        let data = vec![0; 64 << 20];
        let part = (&stream).write(&data).unwrap();
        assert!(part > 0 && part < data.len());
        // The other side's buffer may grow a few times meanwhile.
        let mut rounds = (0..100).map(|_| (&stream).write(&data));
        let error = rounds.find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);

        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_read_timeout(Some(SHORT)).unwrap();
        assert_eq!(
            udp.recv_from(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let fd = listener.into_raw_fd();
        // SAFETY: it is ours; a stream is only asked to set the option.
        let as_stream = unsafe { TcpStream::from_raw_fd(fd) };
        as_stream.set_read_timeout(Some(SHORT)).unwrap();
        // SAFETY: it is passed on.
        let listener = unsafe { TcpListener::from_raw_fd(as_stream.into_raw_fd()) };
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn non_blocking_sockets_stay_so() {
    everywhere(|| {
        let (stream, _other) = tcp_pair();
        stream.set_nonblocking(true).unwrap();
        assert_eq!(
            (&stream).read(&mut [0]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(errno(read(&stream, &mut [0])), libc::EAGAIN);
        let mut byte = [0];
        let mut buffers = [IoSliceMut::new(&mut byte)];
        assert_eq!(
            (&stream).read_vectored(&mut buffers).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let data = vec![0; 64 << 20];
        assert!((&stream).write(&data).unwrap() < data.len());
        assert_eq!(
            (&stream).write(&data).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        stream.set_nonblocking(false).unwrap();
        assert!(!is_nonblocking(&stream));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        until("a connection", || listener.accept().is_ok());
        assert!(is_nonblocking(&listener));
    });
}

fn new_socket(kind: i32) -> OwnedFd {
    // SAFETY: no memory is passed, and the descriptor is new.
    unsafe { OwnedFd::from_raw_fd(c(libc::socket(libc::AF_INET, kind, 0)).unwrap() as RawFd) }
}

#[test]
fn calls_on_the_wrong_socket_fail_at_once() {
    everywhere(|| {
        let (stream, _other) = tcp_pair();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut pipe = [0; 2];
        // SAFETY: room for two.
        assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
        let accept = |fd| {
            // SAFETY: no address is asked for.
            errno(c(unsafe {
                libc::accept(fd, std::ptr::null_mut(), std::ptr::null_mut())
            }))
        };
        assert_eq!(accept(stream.as_raw_fd()), libc::EINVAL);
        assert_eq!(accept(udp.as_raw_fd()), libc::EOPNOTSUPP);
        assert_eq!(accept(pipe[0]), libc::ENOTSOCK);
        assert_eq!(accept(-1), libc::EBADF);
        // SAFETY: room for a byte.
        let received = unsafe { libc::recv(pipe[0], [0u8].as_mut_ptr().cast(), 1, 0) };
        assert_eq!(errno(c(received)), libc::ENOTSOCK);
        assert_eq!(errno(read(&-1, &mut [0])), libc::EBADF);
        let unconnected = new_socket(libc::SOCK_STREAM);
        assert_eq!(errno(read(&unconnected, &mut [0])), libc::ENOTCONN);
        for end in pipe {
            // SAFETY: it is ours.
            unsafe { libc::close(end) };
        }
    });
}

#[test]
fn a_timeout_ends_each_call() {
    in_hub(|| {
        let (stream, _other) = tcp_pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let full = vec![0; 64 << 20];
        let calls: [&dyn Fn() -> io::Result<()>; 5] = [
            &|| (&stream).read(&mut [0]).map(drop),
            &|| read(&stream, &mut [0]).map(drop),
            &|| listener.accept().map(drop),
            &|| udp.recv_from(&mut [0]).map(drop),
            &|| (&stream).write_all(&full),
        ];
        for (index, call) in calls.iter().enumerate() {
            let mut code = None;
            let result = timeout(SHORT, || code = Some(errno(call())));
            assert_eq!(result.map_err(|_: Elapsed| ()), Err(()), "call {index}");
            assert_eq!(code, Some(libc::ECANCELED), "call {index}");
        }
    });
}

#[test]
fn a_killed_thread_is_told_and_unwinds_at_its_next_wait() {
    in_hub(|| {
        let (stream, _other) = tcp_pair();
        let told = Arc::new(AtomicUsize::new(0));
        let seen = told.clone();
        let victim = spawn_local(move || {
            let mut stream = &stream;
            assert_eq!(errno(stream.read(&mut [0])), libc::ECANCELED);
            seen.fetch_add(1, SeqCst);
            assert_eq!(errno(stream.read(&mut [0])), libc::ECANCELED);
            seen.fetch_add(1, SeqCst);
            greenloop::sleep(Duration::from_secs(60));
            seen.fetch_add(1, SeqCst);
        });
        thread::sleep(SHORT);
        victim.kill();
        assert!(victim.join().is_err());
        assert_eq!(told.load(SeqCst), 2);
    });
}

#[test]
fn unix_streams_end_and_shut_down() {
    everywhere(|| {
        let path = std::env::temp_dir().join(format!(
            "greenloop-unix-{}-{:?}",
            std::process::id(),
            thread::current().id()
        ));
        let listener = UnixListener::bind(&path).unwrap();
        let address = path.clone();
        let client = thread::spawn(move || {
            let mut stream = UnixStream::connect(address).unwrap();
            stream.write_all(b"all").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            rest
        });
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        assert_eq!(all, "all");
        assert_eq!(write(&stream, b"bye").unwrap(), 3);
        drop(stream);
        assert_eq!(client.join().unwrap(), "bye");
        std::fs::remove_file(path).unwrap();
    });
}
