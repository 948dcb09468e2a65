//! `Watchdog`: ends connections that take too long, and all of them when the server stops.
//!
//! A connection says what it does and until when by one store; whoever looks is a green thread that
//! sleeps until the earliest of these deadlines. A timer for each read and each write would cost
//! more than the request that it guards. What is cut is the socket, so that the connection's own
//! thread wakes from its read with an end of stream, and can say 408.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use greenloop::net::{Shutdown, TcpStream};
use greenloop::sync::Mutex;
use greenloop::thread::{self, Thread};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use socket2::SockRef;

use super::date::Millis;

const NEVER: Millis = u64::MAX >> 2;

/// Deadlines are looked at so often at most.
const PAUSE: Millis = 50;

/// What a connection is about; the values are the low bits of `Watch::word`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing of the next request has come.
    Idle = 0,
    Receiving = 1,
    Sending = 2,
    /// All has been said; what still comes is not looked at.
    Leaving = 3,
}

pub(crate) struct Watchdog {
    began: Instant,
    open: Mutex<Open>,
    /// When it looks again. Each store of a deadline comes before a load of this, and each store of
    /// this before the loads of all deadlines (all `SeqCst`): one of the two sees the other.
    next_look: AtomicU64,
    stopping: AtomicBool,
    looker: Mutex<Option<Thread>>,
}

#[derive(Default)]
struct Open {
    last: u64,
    watches: HashMap<u64, Arc<Watch>>,
}

struct Watch {
    stream: TcpStream,
    /// A deadline, shifted, and a phase. The connection stores it; the watchdog exchanges it for
    /// `NEVER`, in the same phase, before it cuts.
    word: AtomicU64,
    /// Reading was ended since nothing seemed to come.
    ended: AtomicBool,
}

/// A connection that is watched, until this is dropped.
pub(crate) struct Watched {
    dog: Arc<Watchdog>,
    watch: Arc<Watch>,
    number: u64,
}

impl Watchdog {
    pub(crate) fn start() -> Arc<Watchdog> {
        let dog = Arc::new(Watchdog {
            began: Instant::now(),
            open: Mutex::default(),
            next_look: AtomicU64::new(NEVER),
            stopping: AtomicBool::new(false),
            looker: Mutex::default(),
        });
        let looking = Arc::clone(&dog);
        let looker = greenloop::spawn(move || looking.look_for_ever());
        *dog.looker.lock().unwrap() = Some(looker.thread().clone());
        dog
    }

    pub(crate) fn watch(self: &Arc<Watchdog>, stream: TcpStream) -> Watched {
        let watch = Arc::new(Watch {
            stream,
            word: AtomicU64::new(word(Phase::Sending, NEVER)),
            ended: AtomicBool::new(false),
        });
        let mut open = self.open.lock().unwrap();
        open.last += 1;
        let number = open.last;
        open.watches.insert(number, Arc::clone(&watch));
        drop(open);
        Watched {
            dog: Arc::clone(self),
            watch,
            number,
        }
    }

    /// From now on, each connection ends where it would wait for a request; one that waits already
    /// ends now.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, SeqCst);
        let open = self.open.lock().unwrap();
        for watch in open.watches.values() {
            if watch.phase() == Phase::Idle as u64 {
                watch.end_if_quiet();
            }
        }
    }

    /// Cuts all connections that are left.
    pub(crate) fn reset(&self) {
        let open = self.open.lock().unwrap();
        open.watches.values().for_each(|watch| watch.reset());
    }

    fn now(&self) -> Millis {
        let since = self.began.elapsed();
        since.as_secs() * 1000 + Millis::from(since.subsec_millis())
    }

    fn look_for_ever(&self) {
        loop {
            let (next, now) = (self.next_look.load(SeqCst), self.now());
            if next == NEVER {
                thread::park();
            } else if next > now {
                thread::park_timeout(Duration::from_millis(next - now));
            } else {
                self.next_look.store(NEVER, SeqCst);
                let earliest = self.cut_those_due(now);
                self.next_look.fetch_min(earliest.max(now + PAUSE), SeqCst);
            }
        }
    }

    /// Returns the earliest deadline that is left.
    fn cut_those_due(&self, now: Millis) -> Millis {
        let open = self.open.lock().unwrap();
        let left = open.watches.values().map(|watch| watch.check(now));
        left.min().unwrap_or(NEVER)
    }

    #[cold]
    fn look_by(&self, deadline: Millis) {
        if self.next_look.fetch_min(deadline, SeqCst) > deadline
            && let Some(looker) = &*self.looker.lock().unwrap()
        {
            looker.unpark();
        }
    }
}

impl Watch {
    /// Cuts the connection if its time is over; returns its deadline otherwise.
    fn check(&self, now: Millis) -> Millis {
        let seen = self.word.load(SeqCst);
        let (deadline, phase) = (seen >> 2, seen & 3);
        if deadline > now {
            return deadline;
        }
        let cut = NEVER << 2 | phase;
        if self
            .word
            .compare_exchange(seen, cut, SeqCst, SeqCst)
            .is_ok()
        {
            if phase == Phase::Sending as u64 {
                self.reset();
            } else {
                self.end_reading();
            }
        }
        NEVER // if it has gone on meanwhile, it has seen that nobody looks any more
    }

    fn phase(&self) -> u64 {
        self.word.load(SeqCst) & 3
    }

    /// Ends reading, unless something has come: that may be a part of a request. So may be what the
    /// connection has taken just before: see `Watched::ends_midway`.
    fn end_if_quiet(&self) {
        let look = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let looked = rustix::net::recv(&self.stream, &mut [0], look);
        if matches!(looked, Err(Errno::AGAIN)) {
            self.ended.store(true, SeqCst);
            self.end_reading();
        }
    }

    /// What has arrived can still be read. Errors are those of a connection that is gone.
    fn end_reading(&self) {
        let _ = self.stream.shutdown(Shutdown::Read);
    }

    /// A client that does not read is told so, and the kernel keeps nothing for it.
    fn reset(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Watched {
    pub(crate) fn stream(&self) -> &TcpStream {
        &self.watch.stream
    }

    pub(crate) fn now(&self) -> Millis {
        self.dog.now()
    }

    /// Says what the connection does from now on, and until when at most.
    pub(crate) fn enter(&self, phase: Phase, deadline: Millis) {
        self.watch.word.store(word(phase, deadline), SeqCst);
        if deadline < self.dog.next_look.load(SeqCst) {
            self.dog.look_by(deadline);
        }
    }

    /// Something has come: who is idle is so no longer.
    pub(crate) fn take_note(&self) {
        let seen = self.watch.word.load(SeqCst);
        if seen & 3 == Phase::Idle as u64 {
            let noted = word(Phase::Receiving, seen >> 2);
            // Who has cut it meanwhile has its way.
            let _ = (self.watch.word).compare_exchange(seen, noted, SeqCst, SeqCst);
        }
    }

    /// Nothing more is to be read, but only since the server stops, and in the middle of a request:
    /// its rest may come yet, and can be read when it has come.
    pub(crate) fn ends_midway(&self) -> bool {
        let receives = self.watch.phase() == Phase::Receiving as u64;
        receives && !self.is_cut() && self.watch.ended.load(SeqCst)
    }

    /// Is it the watchdog who has ended what could be read? Who has said just after that until when it
    /// goes on has hidden it, by a time that is over.
    pub(crate) fn is_cut(&self) -> bool {
        let deadline = self.watch.word.load(SeqCst) >> 2;
        deadline == NEVER || deadline <= self.now()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.dog.stopping.load(SeqCst)
    }

    /// Has the next read wait no longer: what has come is the last, unless it is part of a request.
    pub(crate) fn end_if_quiet(&self) {
        self.watch.end_if_quiet();
    }

    pub(crate) fn end_writing(&self) {
        let _ = self.watch.stream.shutdown(Shutdown::Write);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut open = self.dog.open.lock().unwrap();
        open.watches.remove(&self.number);
    }
}

fn word(phase: Phase, deadline: Millis) -> u64 {
    deadline.min(NEVER) << 2 | phase as u64
}
