//! Dumps name what is waited for as people do: processes, jobs, signals, a polled socket; and where
//! the program, not the library, had something spawned.

use std::fmt::Debug;
use std::io::{self, Write};
use std::panic::Location;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use greenloop::inspect::{self, Kind};
use greenloop::net::unix::UnixStream;
use greenloop::net::{
    Datagram, DatagramServer, Events, PollFd, SocketAddr, StreamServer, TcpListener, TcpStream,
    UdpSocket, poll, wait_readable, wait_writable,
};
use greenloop::pool::Pool;
use greenloop::process::Command;
use greenloop::signal::{SIGUSR2, Signals};
use greenloop::sync::Event;
use greenloop::{JoinHandle, fs, spawn, spawn_blocking, thread};

use crate::inspect::{dump_when_waiting, find, named, parks_for_ever, patient};
use crate::within::{LONG, until};

type Place = &'static Location<'static>;

/// What a dump says of one that waits, and nothing else.
fn wait_of(name: &str) -> String {
    let dump = dump_when_waiting(name);
    find(&dump, name).unwrap().wait().unwrap().to_string()
}

fn end_process(id: u32) {
    let id = rustix::process::Pid::from_raw(id.cast_signed()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_child_process_is_named_by_its_number() {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    let id = child.id();
    let waiter = named("waits for a process", move || {
        child.wait().unwrap();
    });
    let wait = wait_of("waits for a process");
    end_process(id);
    waiter.join().unwrap();
    let start = format!("waiting for child process {id} (descriptor ");
    assert!(wait.starts_with(&start), "{wait}");
}

/// A process that is no child of this one.
fn grandchild() -> (std::process::Child, i32) {
    let mut shell = std::process::Command::new("sh");
    let shell = shell.args(["-c", "sleep 600 & echo $!; wait"]);
    let mut shell = shell.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut output = io::BufReader::new(shell.stdout.as_mut().unwrap());
    io::BufRead::read_line(&mut output, &mut line).unwrap();
    (shell, line.trim().parse().unwrap())
}

#[test]
fn another_process_is_not_said_to_be_a_child() {
    let (mut shell, id) = grandchild();
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    let waiter = named("waits for a grandchild", move || {
        greenloop::Source::new(pidfd).wait_readable(None).unwrap();
    });
    let wait = wait_of("waits for a grandchild");
    end_process(id.cast_unsigned());
    waiter.join().unwrap();
    shell.wait().unwrap();
    let start = format!("waiting for process {id} (descriptor ");
    assert!(wait.starts_with(&start), "{wait}");
}

#[test]
fn a_job_is_said_to_be_of_the_pool() {
    for limit in [None, Some(LONG)] {
        let (release, released) = channel::<()>();
        let job = spawn_blocking(move || {
            let _ = released.recv();
        });
        let waiter = named("waits for a job", move || match limit {
            None => job.join().unwrap(),
            Some(limit) => job.join_timeout(limit).unwrap().unwrap(),
        });
        let dump = dump_when_waiting("waits for a job");
        let wait = find(&dump, "waits for a job").unwrap().wait().unwrap();
        let text = wait.to_string();
        let id = text.strip_prefix("waiting for job ");
        let id = id.and_then(|it| it.strip_suffix(" of the blocking pool"));
        let id: u64 = id.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
        let job = dump.iter().find(|it| it.id() == id).unwrap();
        assert_eq!(job.kind(), Kind::Job);
        drop(release);
        waiter.join().unwrap();
    }
}

#[test]
fn a_signal_is_named() {
    let mut signals = Signals::new([SIGUSR2]).unwrap();
    let waiter = named("waits for a signal", move || drop(signals.wait()));
    let wait = wait_of("waits for a signal");
    waiter.kill();
    assert!(wait.starts_with("waiting for a signal at 0x"), "{wait}");
}

/// One whose buffer takes no more, and the other end.
fn full() -> (UnixStream, UnixStream) {
    let (mut full, other) = UnixStream::pair().unwrap();
    full.set_write_timeout(Some(Duration::from_millis(1)))
        .unwrap();
    while full.write(&[0; 1 << 16]).is_ok() {}
    (full, other)
}

#[test]
fn a_poll_of_one_names_it() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (full, _other) = full();
    let reader = named("polls to read", move || {
        drop(wait_readable(&udp, None));
    });
    let writer = named("polls to write", move || {
        drop(wait_writable(&full, None));
    });
    let read = wait_of("polls to read");
    let write = wait_of("polls to write");
    reader.kill();
    writer.kill();
    assert!(read.starts_with("reading from UDP 127.0.0.1:"), "{read}");
    assert!(
        write.starts_with("writing to Unix stream unnamed"),
        "{write}"
    );
}

#[test]
fn a_poll_of_several_names_none() {
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let poller = named("polls two", move || {
        let mut entries = sockets
            .each_ref()
            .map(|it| PollFd::new(it, Events::READABLE));
        drop(poll(&mut entries, None));
    });
    let wait = wait_of("polls two");
    poller.kill();
    assert_eq!(wait, "waiting for one of several things");
}

/// How many there are that were spawned at `place`.
fn count_at(place: Place) -> usize {
    let dump = inspect::dump_with(patient());
    dump.iter().filter(|it| it.spawned_at() == place).count()
}

/// A server whose handlers say that they run, and then park; and where it was made.
#[track_caller]
fn server(way: usize, runs: Sender<()>) -> (StreamServer, Place) {
    let handler = move |_: TcpStream, _: SocketAddr| {
        runs.send(()).unwrap();
        parks_for_ever();
    };
    let any = "127.0.0.1:0";
    let server = match way {
        0 => StreamServer::bind(any, handler),
        1 => StreamServer::new(TcpListener::bind(any).unwrap(), handler),
        2 => StreamServer::builder().bind(any, handler),
        _ => StreamServer::builder()
            .limit(2)
            .listen([TcpListener::bind(any).unwrap()], handler),
    };
    (server.unwrap(), Location::caller())
}

#[test]
fn what_a_server_spawns_is_of_who_made_the_server() {
    for way in 0..4 {
        let (sender, runs) = channel();
        let (one, here) = server(way, sender.clone());
        let (other, there) = server(way, sender);
        assert_ne!(here, there);
        let start = |server: &StreamServer| {
            server.start().unwrap();
            let client = TcpStream::connect(server.local_addr()).unwrap();
            runs.recv_timeout(LONG).unwrap();
            client
        };
        let _clients = [start(&one), start(&one), start(&other)];
        // With the one that accepts.
        assert_eq!(count_at(here), 3);
        assert_eq!(count_at(there), 2);
        one.stop(Duration::ZERO);
        other.stop(Duration::ZERO);
    }
}

#[track_caller]
fn datagram_server(way: usize, runs: Sender<()>) -> (DatagramServer, Place) {
    let handler = move |_: Datagram, _: SocketAddr| {
        runs.send(()).unwrap();
        parks_for_ever();
    };
    let any = "127.0.0.1:0";
    let server = match way {
        0 => DatagramServer::bind(any, handler),
        1 => DatagramServer::new(UdpSocket::bind(any).unwrap(), handler),
        _ => StreamServer::builder().receive([UdpSocket::bind(any).unwrap()], handler),
    };
    (server.unwrap(), Location::caller())
}

#[test]
fn what_a_datagram_server_spawns_is_of_who_made_it() {
    for way in 0..3 {
        let (sender, runs) = channel();
        let (server, here) = datagram_server(way, sender);
        server.start().unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", server.local_addr()).unwrap();
        runs.recv_timeout(LONG).unwrap();
        assert_eq!(count_at(here), 2);
        server.stop(Duration::ZERO);
    }
}

#[track_caller]
fn imap(pool: &Pool, ordered: bool, runs: Sender<()>) -> (impl Iterator<Item: Debug>, Place) {
    let body = move |_| {
        runs.send(()).unwrap();
        parks_for_ever();
    };
    let results = match ordered {
        true => pool.imap([1, 2], body, None),
        false => pool.imap_unordered([1, 2], body, None),
    };
    (results, Location::caller())
}

#[test]
fn the_members_of_an_imap_are_of_who_called_it() {
    for ordered in [true, false] {
        let pool = Pool::new(1);
        let (sender, runs) = channel();
        let (results, here) = imap(&pool, ordered, sender);
        runs.recv_timeout(LONG).unwrap();
        // With the one that takes the items, which waits for room.
        assert_eq!(count_at(here), 2);
        drop(results);
        pool.kill();
        until("all have ended", || count_at(here) == 0);
    }
}

/// Links something that says that it runs, and then waits for `end`.
#[track_caller]
fn link(target: &JoinHandle<()>, runs: Sender<()>, end: Arc<Event>) -> Place {
    target.link(move || {
        runs.send(()).unwrap();
        end.wait();
    });
    Location::caller()
}

#[test]
fn links_are_of_who_linked_them() {
    for ended in [false, true] {
        let target = spawn(thread::park);
        if ended {
            target.kill();
        }
        let ((sender, runs), end) = (channel(), Arc::new(Event::new()));
        let here = link(&target, sender, end.clone());
        target.kill();
        runs.recv_timeout(LONG).unwrap();
        assert_eq!(count_at(here), 1);
        end.set();
        until("it has ended", || count_at(here) == 0);
    }
}

/// Where the one was spawned that the green thread with this name has spawned.
fn place_of_child(name: &str, kind: Kind) -> Option<Place> {
    let dump = inspect::dump_with(patient());
    let id = find(&dump, name)?.id();
    let mut all = dump.iter();
    let child = all.find(|it| it.spawner() == Some(id) && it.kind() == kind)?;
    Some(child.spawned_at())
}

#[track_caller]
fn output(way: usize, command: &mut Command) -> (io::Result<Output>, Place) {
    let output = match way {
        0 => command.output(),
        _ => command.spawn().unwrap().wait_with_output(),
    };
    (output, Location::caller())
}

#[test]
fn who_reads_from_a_process_is_of_who_wants_its_output() {
    for way in 0..2 {
        let (stdin, until_closed) = io::pipe().unwrap();
        let (sender, results) = channel();
        let reader = named("wants the output", move || {
            let mut command = Command::new("cat");
            let pipes = command.stdin(stdin).stdout(Stdio::piped());
            let (output, here) = output(way, pipes.stderr(Stdio::piped()));
            sender.send((output.unwrap(), here)).unwrap();
        });
        let place = || place_of_child("wants the output", Kind::Light);
        until("it reads", || place().is_some());
        let place = place();
        drop(until_closed);
        let (output, here) = results.recv_timeout(LONG).unwrap();
        reader.join().unwrap();
        assert!(output.status.success());
        assert_eq!(place, Some(here));
    }
}

/// Reads a pipe as if it were a file, which lasts until somebody writes to it.
#[track_caller]
fn read(way: usize, path: &Path) -> Place {
    match way {
        0 => drop(fs::read(path).unwrap()),
        1 => drop(fs::File::open(path).unwrap()),
        _ => drop(fs::OpenOptions::new().read(true).open(path).unwrap()),
    }
    Location::caller()
}

#[test]
fn a_job_for_a_file_is_of_who_wants_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    for way in 0..3 {
        let (sender, results) = channel();
        let theirs = path.clone();
        let reader = named("wants a file", move || {
            sender.send(read(way, &theirs)).unwrap();
        });
        let place = || place_of_child("wants a file", Kind::Job);
        until("it reads", || place().is_some());
        let place = place();
        drop(std::fs::File::create(&path).unwrap());
        let here = results.recv_timeout(LONG).unwrap();
        reader.join().unwrap();
        assert_eq!(place, Some(here));
    }
}
