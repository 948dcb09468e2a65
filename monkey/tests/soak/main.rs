//! A soak: everything at once, on full green threads of four workers and on OS threads, with exact
//! counts at the end and no growth meanwhile.
//!
//! ```text
//! cargo test -p greenloop-monkey --test soak -- --ignored --nocapture          # two minutes
//! GREENLOOP_SOAK_SECONDS=10 cargo test -p greenloop-monkey --test soak -- --ignored
//! ```

mod footprint;
mod kind;
mod locks;
mod sockets;
mod system;
mod tally;
mod threads;

use footprint::Footprint;
use greenloop::monkey::patch_all;
use kind::{Handle, Kind};
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Works that go on until [`tally::stop`], and how many green threads do each; of OS threads it is
/// one. Most of them have a partner.
const WORKS: [(fn(Kind), usize); 15] = [
    (sockets::tcp, 6),
    (sockets::udp, 3),
    (sockets::unix_stream, 3),
    (sockets::unix_datagram, 3),
    (system::pipe, 3),
    (system::poll, 3),
    (system::sleep, 6),
    (system::command, 2),
    (system::names, 2),
    (locks::mutexes, 6),
    (locks::condvar, 3),
    (locks::barrier, 3),
    (locks::channels, 3),
    (threads::spawn, 3),
    (threads::end_early, 3),
];

/// How long after its time all must have ended, on a slow and busy machine.
const GRACE: Duration = Duration::from_secs(120);

#[test]
#[ignore = "takes two minutes"]
fn everything_at_once() {
    let time = Duration::from_secs(seconds());
    let (sender, receiver) = mpsc::channel();
    let test = thread::spawn(move || {
        soak(time);
        sender.send(()).expect("it is awaited");
    });
    match receiver.recv_timeout(time + GRACE) {
        Err(RecvTimeoutError::Timeout) => {
            eprintln!("it hangs:\n{}", tally::text());
            std::process::abort();
        }
        _ => test.join().unwrap_or_else(|panic| resume_unwind(panic)),
    }
}

fn seconds() -> u64 {
    let text = std::env::var("GREENLOOP_SOAK_SECONDS").unwrap_or_else(|_| "120".into());
    text.parse().expect("GREENLOOP_SOAK_SECONDS: whole seconds")
}

fn soak(time: Duration) {
    patch_all().expect("this system can be patched");
    let runtime = greenloop::Runtime::builder().workers(4).start();
    runtime.expect("nothing has started it before");
    threads::hide_panics_on_purpose();
    let start = Instant::now();
    let crew = hire();
    let window = time / 20;
    thread::sleep((time / 4).saturating_sub(window));
    let early = Footprint::most_within(window);
    println!("after {:?}: {early}", start.elapsed());
    thread::sleep((time - window).saturating_sub(start.elapsed()));
    let late = Footprint::most_within(window);
    println!("after {:?}: {late}", start.elapsed());
    tally::stop();
    crew.into_iter().for_each(Handle::join);
    locks::settle();
    println!("all joined: {}\n{}", Footprint::now(), tally::text());
    tally::check();
    late.check_against(&early);
}

fn hire() -> Vec<Handle<()>> {
    let mut crew = Vec::new();
    for (work, greens) in WORKS {
        crew.push(Kind::Os.spawn(move || work(Kind::Os)));
        for _ in 0..greens {
            crew.push(Kind::Green.spawn(move || work(Kind::Green)));
        }
    }
    crew
}
