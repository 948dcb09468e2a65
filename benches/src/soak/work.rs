//! The parts of the soak: those who echo, churn, sleep, kill and ask.

use super::{Counts, Shared};
use greenloop::net::{TcpListener, TcpStream};
use greenloop::sync::mpsc;
use greenloop::{JoinHandle, Killed, sleep, spawn, thread};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TALKERS: usize = 64;
const CHURNERS: usize = 8;
const SLEEPERS: usize = 1000;
const KILLERS: usize = 16;
const BROWSERS: usize = 16;
const MESSAGE: usize = 64;
/// The longest that a sleeper sleeps, and that a victim lives, in microseconds.
const NAP: u64 = 50_000;
const LIFE: u64 = 2_000;
/// Between two rounds of whoever would else keep a worker busy all the time.
const REST: Duration = Duration::from_millis(1);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Echoes on a free port, for ever.
pub(super) fn serve(counts: Arc<Counts>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    spawn(move || {
        for stream in listener.incoming().flatten() {
            Counts::add(&counts.accepted);
            let counts = counts.clone();
            spawn(move || {
                let _ = echo(stream); // a reset is how some of them end
                Counts::add(&counts.ended);
            });
        }
    });
    Ok(address)
}

fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

/// Starts all parts; each ends soon after it is told to stop.
pub(super) fn start(shared: &Shared) -> Vec<JoinHandle<io::Result<()>>> {
    type Part = fn(&Shared, &mut fastrand::Rng) -> io::Result<()>;
    let browsers = if shared.http.is_some() { BROWSERS } else { 0 };
    let parts: [(usize, Part); 5] = [
        (TALKERS, talk),
        (CHURNERS, churn),
        (SLEEPERS, nap),
        (KILLERS, kill),
        (browsers, browse),
    ];
    let mut handles = Vec::new();
    for (count, part) in parts {
        for n in 0..count {
            let shared = shared.clone();
            handles.push(spawn(move || {
                part(&shared, &mut fastrand::Rng::with_seed(n as u64))
            }));
        }
    }
    handles
}

fn connect(shared: &Shared) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(shared.echo)?;
    Counts::add(&shared.counts.opened);
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn say(shared: &Shared, stream: &mut TcpStream, random: &mut fastrand::Rng) -> io::Result<()> {
    let message: [u8; MESSAGE] = std::array::from_fn(|_| random.u8(..));
    let mut answer = [0; MESSAGE];
    Counts::add(&shared.counts.asked);
    stream.write_all(&message)?;
    stream.read_exact(&mut answer)?;
    if answer != message {
        return Err(ErrorKind::InvalidData.into());
    }
    Counts::add(&shared.counts.answered);
    Ok(())
}

fn talk(shared: &Shared, random: &mut fastrand::Rng) -> io::Result<()> {
    let mut stream = connect(shared)?;
    while shared.goes_on() {
        say(shared, &mut stream, random)?;
        sleep(REST);
    }
    Ok(())
}

fn churn(shared: &Shared, random: &mut fastrand::Rng) -> io::Result<()> {
    while shared.goes_on() {
        let mut stream = connect(shared)?;
        say(shared, &mut stream, random)?;
        drop(stream);
        sleep(REST); // a port is held back for a while after each
    }
    Ok(())
}

fn nap(shared: &Shared, random: &mut fastrand::Rng) -> io::Result<()> {
    while shared.goes_on() {
        let time = Duration::from_micros(random.u64(0..NAP));
        let start = Instant::now();
        Counts::add(&shared.counts.slept);
        sleep(time);
        if start.elapsed() >= time {
            Counts::add(&shared.counts.woken);
        }
    }
    Ok(())
}

/// Counts when it is dropped.
struct Witness(Arc<Counts>);

impl Drop for Witness {
    fn drop(&mut self) {
        Counts::add(&self.0.dropped);
    }
}

/// Kills those who wait for ever, each in another way.
fn kill(shared: &Shared, random: &mut fastrand::Rng) -> io::Result<()> {
    while shared.goes_on() {
        let witness = Witness(shared.counts.clone());
        Counts::add(&shared.counts.victims);
        let wait = match random.u8(0..4) {
            0 => Wait::Sleep,
            1 => Wait::Park,
            2 => Wait::Receive,
            _ => Wait::Read(connect(shared)?),
        };
        let victim = spawn(move || {
            let _witness = witness;
            wait.for_ever()
        });
        sleep(Duration::from_micros(random.u64(0..LIFE)));
        victim.kill();
        if victim.join().is_err_and(|why| why.is::<Killed>()) {
            Counts::add(&shared.counts.killed);
        }
    }
    Ok(())
}

/// What a victim does.
enum Wait {
    Sleep,
    Park,
    Receive,
    /// From the echo server, which has nothing to say.
    Read(TcpStream),
}

impl Wait {
    fn for_ever(self) {
        match self {
            Wait::Sleep => sleep(Duration::MAX),
            Wait::Park => loop {
                thread::park();
            },
            Wait::Receive => {
                let (_sender, receiver) = mpsc::channel::<()>();
                let _ = receiver.recv();
            }
            Wait::Read(mut stream) => {
                let _ = stream.read(&mut [0]);
            }
        }
    }
}

fn browse(shared: &Shared, _: &mut fastrand::Rng) -> io::Result<()> {
    let Some(address) = shared.http else {
        return Ok(());
    };
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    while shared.goes_on() {
        Counts::add(&shared.counts.requests);
        stream.write_all(REQUEST)?;
        let count = stream.read(&mut buffer)?;
        let answer = &buffer[..count];
        if !answer.starts_with(b"HTTP/1.1 200 ") || !answer.ends_with(b"Hello, World!") {
            return Err(ErrorKind::InvalidData.into());
        }
        Counts::add(&shared.counts.answers);
        sleep(REST);
    }
    Ok(())
}
