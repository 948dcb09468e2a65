//! Servers under faults: no descriptors, panics, thousands at once, and what is said about it.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use greenloop::net::{SocketAddr, StreamServer, TcpStream};
use greenloop::spawn;

use crate::alone::{alone, assert_back_to, census};
use crate::child::{Child, this_test};
use crate::server::{assert_echoes, echo};
use crate::within::{LONG, until};

/// Writes what is logged on standard error, as the tests of a child read it.
struct Said;

static WARNINGS: AtomicUsize = AtomicUsize::new(0);

impl log::Log for Said {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() <= log::Level::Warn {
            WARNINGS.fetch_add(1, SeqCst);
            eprintln!("{}: {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

fn listen_to_the_log() {
    log::set_logger(&Said).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
}

#[test]
fn a_panic_is_a_warning_and_a_peers_fault_is_none() {
    let end = Child::new(this_test!()).run(|| {
        listen_to_the_log();
        let handler = |mut stream: TcpStream, _: SocketAddr| {
            let mut word = [0; 4];
            stream.read_exact(&mut word)?;
            assert_ne!(&word, b"oops", "a bug of the handler");
            stream.write_all(&word)
        };
        let server = StreamServer::bind("127.0.0.1:0", handler).unwrap();
        server.start().unwrap();
        let mut client = TcpStream::connect(server.local_addr()).unwrap();
        client.write_all(b"oops").unwrap();
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
        until("it is said", || WARNINGS.load(SeqCst) == 1);
        for bytes in [&b"no"[..], b"word"] {
            let mut client = TcpStream::connect(server.local_addr()).unwrap();
            client.write_all(bytes).unwrap(); // and gone: a short read, or a reset
        }
        let _killed = TcpStream::connect(server.local_addr()).unwrap();
        until("it waits", || server.connections() == 1);
        server.stop(Duration::from_millis(20));
    });
    assert!(end.status.success(), "{end}");
    let said: Vec<&str> = end
        .stderr
        .lines()
        .filter(|line| line.starts_with("WARN"))
        .collect();
    assert_eq!(said.len(), 1, "{end}");
    assert!(
        said[0].contains("127.0.0.1:") && said[0].contains("a bug of the handler"),
        "{end}"
    );
}

#[test]
fn a_server_without_descriptors_waits_for_some() {
    let end = Child::new(this_test!()).setup("ulimit -n 64").run(|| {
        listen_to_the_log();
        let stat = File::open("/proc/self/stat").unwrap();
        let builder = StreamServer::builder();
        for (nth, builder) in [builder.clone(), builder.limit(1_000)]
            .into_iter()
            .enumerate()
        {
            let server = builder.bind("127.0.0.1:0", echo).unwrap();
            server.start().unwrap();
            let first = TcpStream::connect(server.local_addr()).unwrap();
            assert_echoes(&first); // whatever is opened but once is open
            server.stop_accepting();
            let waiting = TcpStream::connect(server.local_addr()).unwrap();
            let hogs: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            server.start_accepting().unwrap();
            until("it is said", || WARNINGS.load(SeqCst) == nth + 1);
            let before = cpu_time(&stat);
            greenloop::sleep(Duration::from_millis(400));
            assert!(
                cpu_time(&stat) - before < Duration::from_millis(300),
                "it spins"
            );
            assert_echoes(&first);
            drop(hogs);
            assert_echoes(&waiting); // after a second at most
            assert_eq!(WARNINGS.load(SeqCst), nth + 1, "it is said once");
            drop((first, waiting));
            assert!(server.stop(LONG));
        }
    });
    assert!(end.status.success(), "{end}");
}

/// What this process has used so far, in user and kernel mode, as its `stat` says, which is open.
fn cpu_time(mut stat: &File) -> Duration {
    let mut text = String::new();
    stat.rewind().unwrap();
    stat.read_to_string(&mut text).unwrap();
    let fields = text.rsplit_once(") ").unwrap().1.split(' ');
    let ticks = fields.skip(11).take(2);
    Duration::from_millis(
        10 * ticks
            .map(|ticks| ticks.parse::<u64>().unwrap())
            .sum::<u64>(),
    )
}

#[test]
fn a_thousand_connections_end_with_their_server() {
    alone(
        concat!(
            module_path!(),
            "::a_thousand_connections_end_with_their_server"
        ),
        "ulimit -n $(ulimit -H -n); export GREENLOOP_WORKERS=4",
        || {
            stop_with(10); // whatever is opened but once is open
            let before = census();
            stop_with(1_000);
            assert_back_to(before);
        },
    );
}

/// Half of the clients end by themselves, the others are silent and have to be cut off.
fn stop_with(count: usize) {
    let server = StreamServer::builder()
        .backlog(4096)
        .bind("127.0.0.1:0", echo)
        .unwrap();
    let (addr, serving) = (server.local_addr(), server.handle());
    let serving = spawn(move || serving.serve_forever());
    let clients = (0..count).map(|_| {
        spawn(move || {
            let client = TcpStream::connect(addr).unwrap();
            assert_echoes(&client);
            client
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut clients: Vec<_> = clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .collect();
    assert_eq!(server.connections(), count);
    clients.truncate(count / 2);
    let start = Instant::now();
    assert!(!server.stop(Duration::from_millis(200)));
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(server.connections(), 0);
    serving.join().unwrap().unwrap();
    for mut client in clients {
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
    }
}
