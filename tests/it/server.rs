//! Servers: what they serve, how many at once, and what a handler is.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use greenloop::net::unix::{self, UnixListener, UnixStream};
use greenloop::net::{Handler, SocketAddr, StreamServer, TcpListener, TcpStream, Wrapped};
use greenloop::pool::Pool;

use crate::everywhere::everywhere;
use crate::within::{LONG, until, within};

pub(crate) const TICK: Duration = Duration::from_millis(20);

pub(crate) fn echo(mut stream: TcpStream, _: SocketAddr) -> io::Result<u64> {
    io::copy(&mut stream.try_clone()?, &mut stream)
}

pub(crate) fn echo_server() -> StreamServer {
    StreamServer::bind("127.0.0.1:0", echo).unwrap()
}

/// Sends a line and wants it back; the connection stays open.
pub(crate) fn assert_echoes(mut stream: &TcpStream) {
    stream.write_all(b"hello").unwrap();
    let mut echoed = [0; 5];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"hello");
}

pub(crate) fn client_of(server: &StreamServer) -> TcpStream {
    let client = TcpStream::connect(server.local_addr()).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    client
}

pub(crate) fn assert_closed(mut client: &TcpStream) {
    assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn serves_and_stops_on_every_kind_of_thread() {
    everywhere(|| {
        let server = echo_server();
        server.start().unwrap();
        server.start().unwrap(); // does nothing
        let clients: Vec<_> = (0..10).map(|_| client_of(&server)).collect();
        clients.iter().for_each(assert_echoes);
        assert_eq!(server.connections(), 10);
        drop(clients);
        assert!(server.stop(LONG));
        assert!(server.is_closed() && server.connections() == 0);
        let error = TcpStream::connect(server.local_addr()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_unix_listener_is_served() {
    everywhere(|| {
        let handler = |mut stream: UnixStream, _: unix::SocketAddr| stream.write_all(b"hello");
        let server = StreamServer::new(UnixListener::bind("").unwrap(), handler).unwrap();
        server.start().unwrap();
        let mut text = String::new();
        let mut client = UnixStream::connect_addr(&server.local_addr()).unwrap();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        assert!(server.stop(LONG));
    });
}

#[test]
fn every_listener_is_served_and_shown() {
    within(LONG, || {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let server = StreamServer::builder().listen(listeners, echo).unwrap();
        server.start().unwrap();
        for addr in server.local_addrs() {
            assert_echoes(&TcpStream::connect(addr).unwrap());
        }
        assert!(server.stop(LONG));
        for addr in server.local_addrs() {
            TcpStream::connect(addr).unwrap_err();
        }
    });
}

#[test]
fn listeners_that_share_a_port_are_all_served() {
    within(LONG, || {
        let builder = StreamServer::builder().reuse_port(4);
        let server = builder.bind("127.0.0.1:0", echo).unwrap();
        assert_eq!(server.local_addrs(), [server.local_addr(); 4]);
        server.start().unwrap();
        // Dealt out by the kernel: sixty-four at one of four would be a wonder.
        let clients: Vec<_> = (0..64).map(|_| client_of(&server)).collect();
        clients.iter().for_each(assert_echoes);
        assert_eq!(server.connections(), 64);
        drop(clients);
        assert!(server.stop(LONG));
    });
}

#[test]
fn a_listener_in_nonblocking_mode_is_waited_for() {
    within(LONG, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let server = StreamServer::new(listener, echo).unwrap();
        server.start().unwrap();
        assert_echoes(&client_of(&server));
        assert!(server.stop(LONG));
    });
}

#[test]
fn nothing_to_serve_is_invalid_input() {
    let builder = StreamServer::builder();
    let errors = [
        builder
            .clone()
            .limit(0)
            .bind("127.0.0.1:0", echo)
            .unwrap_err(),
        builder
            .clone()
            .reuse_port(0)
            .bind("127.0.0.1:0", echo)
            .unwrap_err(),
        builder.listen(Vec::<TcpListener>::new(), echo).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("never serve"), "{error}");
    }
}

/// What a handler's steps were, in order; its session reads one byte that says how it ends.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Vec<&'static str>>>);

impl Steps {
    fn note(&self, step: &'static str) {
        self.0.lock().unwrap().push(step);
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Handler<TcpStream, SocketAddr> for Steps {
    type Session = (TcpStream, u8);

    fn setup(&self, mut stream: TcpStream, _: SocketAddr) -> io::Result<Self::Session> {
        self.note("setup");
        let mut how = [0];
        stream.read_exact(&mut how)?;
        if how == *b"r" {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok((stream, how[0]))
    }

    fn handle(&self, (stream, how): &mut Self::Session) -> io::Result<()> {
        self.note("handle");
        match *how {
            b'p' => std::panic::resume_unwind(Box::new("no message")),
            b'e' => Err(ErrorKind::Other.into()),
            b'w' => stream.read(&mut [0; 1]).map(drop),
            _ => Ok(()),
        }
    }

    fn finish(&self, _: Self::Session) {
        self.note("finish");
    }
}

#[test]
fn finish_follows_every_setup_that_succeeded() {
    everywhere(|| {
        let steps = Steps::default();
        let server = StreamServer::bind("127.0.0.1:0", steps.clone()).unwrap();
        server.start().unwrap();
        for how in *b"opewr" {
            let mut client = client_of(&server);
            client.write_all(&[how]).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_closed(&client);
            until("it ends", || server.connections() == 0);
            let all = ["setup", "handle", "finish"];
            let expected = if how == b'r' { &all[..1] } else { &all };
            assert_eq!(steps.take(), expected, "{}", how as char);
        }
        let waiting = client_of(&server);
        (&waiting).write_all(b"w").unwrap();
        until("it waits", || steps.0.lock().unwrap().len() == 2);
        assert!(!server.stop(TICK), "it is killed");
        assert_eq!(steps.take(), ["setup", "handle", "finish"]);
        assert_closed(&waiting);
    });
}

#[test]
fn a_panic_closes_its_own_connection_alone() {
    within(LONG, || {
        let handler = |mut stream: TcpStream, _: SocketAddr| {
            let mut byte = [0];
            while stream.read(&mut byte).unwrap() == 1 {
                if byte == *b"!" {
                    std::panic::resume_unwind(Box::new("no message"));
                }
                stream.write_all(&byte).unwrap();
            }
        };
        let server = StreamServer::bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        let (other, bad) = (client_of(&server), client_of(&server));
        assert_echoes(&other);
        assert_echoes(&bad);
        (&bad).write_all(b"!").unwrap();
        assert_closed(&bad);
        assert_echoes(&other);
        assert_echoes(&client_of(&server));
    });
}

/// A handler that says how many are inside, and lets them out one by one.
#[derive(Default)]
struct Room {
    inside: AtomicUsize,
    most: AtomicUsize,
    served: AtomicUsize,
}

fn through(room: &Arc<Room>) -> impl Fn(TcpStream, SocketAddr) -> io::Result<usize> + use<> {
    let room = room.clone();
    move |mut stream, _| {
        let inside = room.inside.fetch_add(1, SeqCst) + 1;
        room.most.fetch_max(inside, SeqCst);
        room.served.fetch_add(1, SeqCst);
        let read = stream.read(&mut [0; 1]);
        room.inside.fetch_sub(1, SeqCst);
        read
    }
}

#[test]
fn a_full_server_does_not_accept() {
    everywhere(|| {
        let room = Arc::new(Room::default());
        let builder = StreamServer::builder().limit(1).backlog(0);
        let server = builder.bind("127.0.0.1:0", through(&room)).unwrap();
        server.start().unwrap();
        let first = client_of(&server);
        until("it is served", || room.inside.load(SeqCst) == 1);
        // The backlog has room for one or two: a server that accepted would have it for all.
        let addr = server.local_addr();
        let connect = |_| TcpStream::connect_timeout(&addr, 5 * TICK).ok();
        let waiting: Vec<_> = (0..8).map_while(connect).collect();
        assert!(!waiting.is_empty() && waiting.len() < 8);
        assert_eq!(room.served.load(SeqCst), 1);
        drop(first);
        for client in waiting {
            drop(client); // they are served one by one
        }
        until("all are served", || {
            room.inside.load(SeqCst) == 0 && server.connections() == 0
        });
        assert_eq!(room.most.load(SeqCst), 1);
        assert!(server.stop(LONG));
    });
}

#[test]
fn a_limit_holds_over_all_listeners() {
    within(LONG, || {
        let room = Arc::new(Room::default());
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let builder = StreamServer::builder().limit(3);
        let server = builder.listen(listeners, through(&room)).unwrap();
        server.start().unwrap();
        let clients: Vec<_> = (0..60)
            .map(|n| TcpStream::connect(server.local_addrs()[n % 3]).unwrap())
            .collect();
        until("it is full", || room.inside.load(SeqCst) == 3);
        drop(clients);
        until("all are served", || room.served.load(SeqCst) == 60);
        assert_eq!(room.most.load(SeqCst), 3);
        assert!(server.stop(LONG));
    });
}

#[test]
fn servers_may_share_a_pool() {
    within(LONG, || {
        let room = Arc::new(Room::default());
        let pool = Arc::new(Pool::new(2));
        let builder = StreamServer::builder().pool(pool.clone());
        let servers = [(); 2].map(|()| builder.bind("127.0.0.1:0", through(&room)).unwrap());
        servers.iter().for_each(|server| server.start().unwrap());
        let clients: Vec<_> = (0..40).map(|n| client_of(&servers[n % 2])).collect();
        until("it is full", || room.inside.load(SeqCst) == 2);
        assert!(pool.is_full());
        drop(clients);
        until("all are served", || room.served.load(SeqCst) == 40);
        assert_eq!(room.most.load(SeqCst), 2);
        assert!(servers.iter().all(|server| server.stop(LONG)));
    });
}

#[test]
fn a_slow_handshake_holds_up_nobody_and_has_a_deadline() {
    everywhere(|| {
        let shake = |mut stream: TcpStream| {
            let mut hello = [0; 2];
            stream.read_exact(&mut hello)?;
            match &hello {
                b"hi" => Ok(BufReader::new(stream)),
                _ => Err(ErrorKind::InvalidData.into()),
            }
        };
        let handler = |mut stream: BufReader<TcpStream>, _: SocketAddr| {
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            stream.get_mut().write_all(text.as_bytes())
        };
        let handler = Wrapped::new(shake, handler).timeout(10 * TICK);
        let server = StreamServer::bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        let silent = client_of(&server);
        let wrong = client_of(&server);
        (&wrong).write_all(b"no").unwrap();
        assert_closed(&wrong);
        let good = client_of(&server);
        (&good).write_all(b"hitext").unwrap();
        good.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        (&good).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        assert_closed(&silent);
        assert!(server.stop(LONG));
    });
}
