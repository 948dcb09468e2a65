//! The counts: of each kind of thing, what went in and what came out.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Exact if both are the same at the end, and not 0.
pub(crate) struct Pair {
    name: &'static str,
    given: AtomicU64,
    taken: AtomicU64,
}

impl Pair {
    const fn of(name: &'static str) -> Pair {
        Pair {
            name,
            given: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    pub(crate) fn give(&self, count: usize) {
        self.given.fetch_add(count as u64, SeqCst);
    }

    pub(crate) fn take(&self, count: usize) {
        self.taken.fetch_add(count as u64, SeqCst);
    }
}

pub(crate) static CONNECTIONS: Pair = Pair::of("TCP connections");
pub(crate) static TCP: Pair = Pair::of("TCP bytes");
pub(crate) static UDP: Pair = Pair::of("UDP datagrams");
pub(crate) static UNIX: Pair = Pair::of("Unix stream bytes");
pub(crate) static DATAGRAMS: Pair = Pair::of("Unix datagrams");
pub(crate) static PIPES: Pair = Pair::of("pipe bytes");
pub(crate) static POLLED: Pair = Pair::of("polled bytes");
pub(crate) static SLEEPS: Pair = Pair::of("sleeps");
pub(crate) static COMMANDS: Pair = Pair::of("commands");
pub(crate) static NAMES: Pair = Pair::of("look-ups");
pub(crate) static LOCKS: Pair = Pair::of("counts under locks");
pub(crate) static TOKENS: Pair = Pair::of("condvar tokens");
pub(crate) static BARRIERS: Pair = Pair::of("barrier rounds");
pub(crate) static MESSAGES: Pair = Pair::of("channel messages");
pub(crate) static SPAWNS: Pair = Pair::of("spawned and joined");
pub(crate) static KILLS: Pair = Pair::of("kills");
pub(crate) static TIMEOUTS: Pair = Pair::of("timeouts");
pub(crate) static PANICS: Pair = Pair::of("panics");
pub(crate) static LOCALS: Pair = Pair::of("thread-locals' destructors");
pub(crate) static VALUES: Pair = Pair::of("destructors on stacks");

static ALL: [&Pair; 20] = [
    &CONNECTIONS,
    &TCP,
    &UDP,
    &UNIX,
    &DATAGRAMS,
    &PIPES,
    &POLLED,
    &SLEEPS,
    &COMMANDS,
    &NAMES,
    &LOCKS,
    &TOKENS,
    &BARRIERS,
    &MESSAGES,
    &SPAWNS,
    &KILLS,
    &TIMEOUTS,
    &PANICS,
    &LOCALS,
    &VALUES,
];

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Are the works to begin another round?
pub(crate) fn goes_on() -> bool {
    !STOPPED.load(SeqCst)
}

pub(crate) fn stop() {
    STOPPED.store(true, SeqCst);
}

pub(crate) fn text() -> String {
    let mut text = String::new();
    for pair in ALL {
        let (given, taken) = (pair.given.load(SeqCst), pair.taken.load(SeqCst));
        let _ = writeln!(text, "{:>27}: {given:>12} {taken:>12}", pair.name);
    }
    text
}

/// Fails for each count that is not exact.
pub(crate) fn check() {
    let is_exact = |pair: &&&Pair| {
        let given = pair.given.load(SeqCst);
        given > 0 && given == pair.taken.load(SeqCst)
    };
    let wrong: Vec<_> = ALL.iter().filter(|pair| !is_exact(pair)).collect();
    let wrong: Vec<_> = wrong.iter().map(|pair| pair.name).collect();
    assert!(wrong.is_empty(), "not exact: {}", wrong.join(", "));
}
