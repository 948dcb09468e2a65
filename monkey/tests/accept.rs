//! Listeners that green threads share with OS threads and other processes.

mod common;

use common::{TWENTY, in_hub, is_nonblocking, within};
use greenloop::{spawn, spawn_local};
use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// Takes connections until one says that it is the last, and passes that on.
fn take(listener: &TcpListener, taken: &AtomicUsize) {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).unwrap();
        if &word == b"stop" {
            return;
        }
        taken.fetch_add(1, SeqCst);
        stream.write_all(b"fine").unwrap();
    }
}

#[test]
fn green_and_os_threads_accept_from_one_listener() {
    const CONNECTIONS: usize = 2000;
    within(|| {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        let taken = Arc::new(AtomicUsize::new(0));
        let mut greens = Vec::new();
        let mut threads = Vec::new();
        for _ in 0..8 {
            let (listener, taken) = (listener.clone(), taken.clone());
            greens.push(spawn(move || take(&listener, &taken)));
        }
        for _ in 0..2 {
            let (listener, taken) = (listener.clone(), taken.clone());
            threads.push(thread::spawn(move || take(&listener, &taken)));
        }
        let clients: Vec<_> = (0..TWENTY)
            .map(|_| {
                spawn(move || {
                    for _ in 0..CONNECTIONS / TWENTY {
                        let mut stream = TcpStream::connect(address).unwrap();
                        stream.write_all(b"work").unwrap();
                        let mut word = [0; 4];
                        stream.read_exact(&mut word).unwrap();
                        assert_eq!(&word, b"fine");
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(taken.load(SeqCst), CONNECTIONS);
        for _ in 0..greens.len() + threads.len() {
            TcpStream::connect(address)
                .unwrap()
                .write_all(b"stop")
                .unwrap();
        }
        for green in greens {
            green.join().unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(!is_nonblocking(&*listener));
    });
}

/// What the child below takes connections from.
const LISTENER: &str = "GREENLOOP_SOCKETS_LISTENER";

/// Two processes with one listener: each connection is taken by one of them, and neither's worker
/// is held up by the other.
#[test]
fn processes_share_a_listener() {
    if let Some(fd) = std::env::var_os(LISTENER) {
        return share(fd.to_str().unwrap().parse().unwrap());
    }
    within(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // SAFETY: no memory is passed.
        unsafe { libc::fcntl(listener.as_raw_fd(), libc::F_SETFD, 0) };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["processes_share_a_listener", "--exact", "--nocapture"])
            .env(LISTENER, listener.as_raw_fd().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let serving = spawn(move || serve_by_process(&listener));
        let mut seen = HashSet::new();
        let start = Instant::now();
        let mut served = 0;
        while served < 3000 || seen.len() < 2 {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "only by {seen:?}"
            );
            let mut stream = TcpStream::connect(address).unwrap();
            let mut process = [0; 4];
            stream.read_exact(&mut process).unwrap();
            seen.insert(u32::from_ne_bytes(process));
            served += 1;
        }
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        serving.kill();
        assert!(serving.join().is_err());
    });
}

/// Says to each client which process it has met, until it is killed.
fn serve_by_process(listener: &TcpListener) {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => stream.write_all(&std::process::id().to_ne_bytes()).unwrap(),
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => greenloop::yield_now(),
            Err(error) => {
                eprintln!("accept: {error}");
                std::process::abort(); // nobody joins it
            }
        }
    }
}

/// The other process: until its input ends.
fn share(fd: RawFd) {
    in_hub(move || {
        // SAFETY: it was passed on to us.
        let listener = Arc::new(unsafe { TcpListener::from_raw_fd(fd) });
        for _ in 0..4 {
            let listener = listener.clone();
            spawn_local(move || serve_by_process(&listener));
        }
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
    });
}
