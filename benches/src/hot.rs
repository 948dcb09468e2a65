//! The hot paths, as often as asked for, so that a count of instructions can be taken apart into
//! what one of them costs.

use greenloop::net::{TcpListener, TcpStream};
use greenloop::sync::{Mutex, mpsc};
use greenloop::{Runtime, spawn, yield_now};
use std::hint::black_box;
use std::io::{self, Read, Write};

/// The paths, by their names.
pub const PATHS: [&str; 6] = ["spawn_join", "yield", "mutex", "channel", "handoff", "echo"];

/// Takes a path `times` on one worker; false if there is no such path.
///
/// # Errors
///
/// Those of the network, on the path `echo`.
pub fn run(path: &str, times: usize) -> io::Result<bool> {
    let path: fn(usize) -> io::Result<()> = match path {
        "spawn_join" => spawn_join,
        "yield" => yields,
        "mutex" => mutex,
        "channel" => channel,
        "handoff" => handoff,
        "echo" => echo,
        _ => return Ok(false),
    };
    Runtime::builder().workers(1).start()?;
    // On a worker: from outside each join would be a sleep and a wake-up.
    spawn(move || path(times))
        .join()
        .expect("nothing here panics")?;
    Ok(true)
}

fn spawn_join(times: usize) -> io::Result<()> {
    for n in 0..times {
        spawn(move || black_box(n))
            .join()
            .expect("nothing here panics");
    }
    Ok(())
}

/// Two that yield to each other: each time is one yield of one of them.
fn yields(times: usize) -> io::Result<()> {
    let other = spawn(move || (0..times / 2).for_each(|_| yield_now()));
    (0..times / 2).for_each(|_| yield_now());
    other.join().expect("nothing here panics");
    Ok(())
}

/// A lock and unlock that nobody else wants.
fn mutex(times: usize) -> io::Result<()> {
    let mutex = Mutex::new(0);
    for _ in 0..times {
        *black_box(&mutex).lock().expect("nothing here panics") += 1;
    }
    Ok(())
}

/// A message sent and received, without a wait.
fn channel(times: usize) -> io::Result<()> {
    let (sender, receiver) = mpsc::sync_channel(1);
    for n in 0..times {
        sender.send(n).expect("somebody receives");
        black_box(receiver.recv().expect("somebody sends"));
    }
    Ok(())
}

/// A message to one that waits for it: a send, a wake-up, a switch, a receive.
fn handoff(times: usize) -> io::Result<()> {
    let (sender, receiver) = mpsc::sync_channel(0);
    let other = spawn(move || {
        for _ in 0..times {
            black_box(receiver.recv().expect("somebody sends"));
        }
    });
    for n in 0..times {
        sender.send(n).expect("somebody receives");
    }
    other.join().expect("nothing here panics");
    Ok(())
}

/// A round trip of 64 bytes between two green threads: two writes, two reads, two waits.
fn echo(times: usize) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut buffer = [0; 64];
        for _ in 0..times {
            stream.read_exact(&mut buffer)?;
            stream.write_all(&buffer)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 64];
    for _ in 0..times {
        stream.write_all(&buffer)?;
        stream.read_exact(&mut buffer)?;
    }
    server.join().expect("nothing here panics")
}
