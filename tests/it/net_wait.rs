//! Waiting for sockets: many threads at one, and what wakes them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use greenloop::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(30);

fn pair() -> (Arc<TcpStream>, Arc<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Arc::new(client), Arc::new(listener.accept().unwrap().0))
}

/// Runs `body` on an OS thread and on a green thread.
fn on_both(body: fn()) {
    body();
    greenloop::spawn(body).join().unwrap();
}

#[test]
fn many_writers_and_many_readers_of_one_socket_lose_no_byte() {
    const THREADS: u8 = 8;
    const BYTES: usize = 2_000;
    on_both(|| {
        let (client, server) = pair();
        let writers: Vec<_> = (0..THREADS)
            .map(|value| {
                let client = client.clone();
                greenloop::spawn(move || {
                    (0..BYTES).for_each(|_| (&*client).write_all(&[value]).unwrap());
                })
            })
            .collect();
        let readers: Vec<_> = (0..THREADS)
            .map(|_| {
                let server = server.clone();
                greenloop::spawn(move || {
                    let mut bytes = Vec::new();
                    (&*server).read_to_end(&mut bytes).unwrap();
                    bytes
                })
            })
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        client.shutdown(Shutdown::Write).unwrap();
        let bytes: Vec<u8> = readers
            .into_iter()
            .flat_map(|reader| reader.join().unwrap())
            .collect();
        for value in 0..THREADS {
            assert_eq!(bytes.iter().filter(|byte| **byte == value).count(), BYTES);
        }
    });
}

#[test]
fn a_socket_is_read_and_written_at_once() {
    const BYTES: usize = 8 << 20; // more than the buffers hold
    on_both(|| {
        let (client, server) = pair();
        let echo = greenloop::spawn(move || io::copy(&mut &*server, &mut &*server).unwrap());
        let sender = client.clone();
        let sender = greenloop::spawn(move || {
            (&*sender).write_all(&vec![7; BYTES]).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        let received = io::copy(&mut &*client, &mut io::sink()).unwrap();
        sender.join().unwrap();
        assert_eq!(
            (received, echo.join().unwrap()),
            (BYTES as u64, BYTES as u64)
        );
    });
}

#[test]
fn green_threads_and_os_threads_wait_for_one_socket() {
    let (client, server) = pair();
    let read = move |stream: Arc<TcpStream>| move || (&*stream).read(&mut [0; 1]).unwrap();
    let green: Vec<_> = (0..4)
        .map(|_| greenloop::spawn(read(server.clone())))
        .collect();
    let os: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(read(server.clone())))
        .collect();
    (&*client).write_all(&[0; 8]).unwrap();
    let green: usize = green.into_iter().map(|thread| thread.join().unwrap()).sum();
    let os: usize = os.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!((green, os), (4, 4));
}

#[test]
fn shutdown_wakes_readers() {
    on_both(|| {
        let (client, _server) = pair();
        let (send, about_to_read) = mpsc::channel();
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (client, send) = (client.clone(), send.clone());
                greenloop::spawn(move || {
                    send.send(()).unwrap();
                    (&*client).read(&mut [0; 1]).unwrap()
                })
            })
            .collect();
        while about_to_read.try_iter().count() == 0 {
            greenloop::yield_now();
        }
        client.shutdown(Shutdown::Read).unwrap();
        assert!(
            readers
                .into_iter()
                .all(|reader| reader.join().unwrap() == 0)
        );
    });
}

#[test]
fn shutdown_wakes_a_writer() {
    on_both(|| {
        let (client, _server) = pair();
        let writer = client.clone();
        let writer = greenloop::spawn(move || (&*writer).write_all(&vec![0; 64 << 20]));
        greenloop::yield_now();
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(
            writer.join().unwrap().unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn shutdown_wakes_acceptors() {
    on_both(|| {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let acceptors: Vec<_> = (0..4)
            .map(|_| {
                let listener = listener.clone();
                greenloop::spawn(move || listener.accept().map(|_| ()))
            })
            .collect();
        greenloop::yield_now();
        shut_down(&listener);
        for acceptor in acceptors {
            assert_eq!(
                acceptor.join().unwrap().unwrap_err().kind(),
                ErrorKind::InvalidInput
            );
        }
    });
}

/// Listeners have no `shutdown` of their own; the system call is the same for all sockets.
fn shut_down(listener: &TcpListener) {
    let socket: OwnedFd = listener.as_fd().try_clone_to_owned().unwrap();
    std::net::TcpStream::from(socket)
        .shutdown(Shutdown::Both)
        .unwrap();
}

#[test]
fn several_acceptors_share_the_connections() {
    const CONNECTIONS: usize = 200;
    on_both(|| {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let acceptors: Vec<_> = (0..4)
            .map(|_| {
                let listener = listener.clone();
                greenloop::spawn(move || {
                    let accepted = listener.incoming().map_while(Result::ok);
                    accepted
                        .map(|mut stream| stream.write_all(b"x").unwrap())
                        .count()
                })
            })
            .collect();
        let addr = listener.local_addr().unwrap();
        for _ in 0..CONNECTIONS {
            TcpStream::connect(addr)
                .unwrap()
                .read_exact(&mut [0; 1])
                .unwrap();
        }
        shut_down(&listener);
        let counts = acceptors
            .into_iter()
            .map(|acceptor| acceptor.join().unwrap());
        assert_eq!(counts.sum::<usize>(), CONNECTIONS);
    });
}

#[test]
fn a_peer_that_goes_away_wakes_a_reader() {
    on_both(|| {
        let (client, server) = pair();
        let reader = greenloop::spawn(move || (&*client).read(&mut [0; 1]).unwrap());
        greenloop::yield_now();
        drop(server);
        assert_eq!(reader.join().unwrap(), 0);
    });
}

#[test]
fn readers_that_gave_up_are_forgotten() {
    on_both(|| {
        let (client, server) = pair();
        client
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let read = move |stream: Arc<TcpStream>| move || (&*stream).read(&mut [0; 1]);
        let hasty: Vec<_> = (0..8)
            .map(|_| greenloop::spawn(read(client.clone())))
            .collect();
        for reader in hasty {
            let error = reader.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
        client.set_read_timeout(None).unwrap();
        let patient = greenloop::spawn(read(client));
        (&*server).write_all(b"x").unwrap();
        assert_eq!(patient.join().unwrap().unwrap(), 1);
    });
}

#[test]
fn a_timeout_counts_from_each_call() {
    const TIMEOUT: Duration = Duration::from_millis(30);
    on_both(|| {
        let (client, _server) = pair();
        client.set_read_timeout(Some(TIMEOUT)).unwrap();
        let start = Instant::now();
        (0..3).for_each(|_| drop((&*client).read(&mut [0; 1]).unwrap_err()));
        assert!(start.elapsed() >= 3 * TIMEOUT && start.elapsed() < LONG);
    });
}

/// An eager peer fills the socket as fast as it is read, so the reader never has to wait.
#[test]
fn an_eager_socket_starves_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let source = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        while stream.write_all(&[0; 1 << 16]).is_ok() {}
    });
    let stopped = Arc::new(AtomicBool::new(false));
    greenloop::run(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let stop = stopped.clone();
        let reader = greenloop::spawn(move || {
            while !stop.load(Relaxed) {
                assert_ne!(stream.read(&mut [0; 1]).unwrap(), 0);
            }
        });
        (0..100).for_each(|_| greenloop::yield_now());
        stopped.store(true, Relaxed);
        reader.join().unwrap();
    });
    source.join().unwrap();
}

#[test]
fn a_socket_moves_between_threads() {
    let (client, server) = pair();
    client
        .set_read_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    for _ in 0..50 {
        let client = client.clone();
        let wait = move || drop((&*client).read(&mut [0; 1]).unwrap_err());
        greenloop::spawn(wait.clone()).join().unwrap();
        std::thread::spawn(wait).join().unwrap();
    }
    client.set_read_timeout(None).unwrap();
    (&*server).write_all(b"x").unwrap();
    let reader = greenloop::spawn(move || (&*client).read(&mut [0; 1]).unwrap());
    assert_eq!(reader.join().unwrap(), 1);
}
