//! Twenty sleeps and twenty reads of slow sockets, by std alone, on one worker: together they take
//! as long as one. Prints how long; fails if they blocked each other.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

const COUNT: u32 = 20;
const DELAY: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    match greenloop::monkey::patch_all() {
        Ok(patched) => println!("{patched}"),
        Err(error) => {
            println!("{error}");
            return ExitCode::from(3);
        }
    }
    let server = slow_server();
    let sleeps = together(|| thread::sleep(DELAY));
    let reads = together(move || {
        let mut byte = [0];
        let mut stream = TcpStream::connect(server).unwrap();
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    });
    println!("sleeps {sleeps:?}, reads {reads:?}");
    let apart = |took: Duration| took >= COUNT * DELAY / 2;
    if apart(sleeps) || apart(reads) {
        println!("they blocked each other");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// How long `f` takes on twenty green threads of one worker.
fn together(f: impl Fn() + Clone + 'static) -> Duration {
    let start = Instant::now();
    greenloop::run(|| {
        let all: Vec<_> = (0..COUNT)
            .map(|_| greenloop::spawn_local(f.clone()))
            .collect();
        all.into_iter().for_each(|it| it.join().unwrap());
    });
    start.elapsed()
}

/// Threads that answer with a byte, after the delay.
fn slow_server() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                thread::sleep(DELAY);
                stream.write_all(b"x").unwrap();
            });
        }
    });
    address
}
