//! `Remote`: the part of a worker or hub that other threads may touch, and the table in which they
//! find it.

use crate::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use crate::clock;
use crate::header::Header;
use crate::inbox::Inbox;
use crate::inspect::observer;
use crate::latency::{self, Latency};
use crate::lock::Lock;
use crate::reactor;
use crate::request::Requests;
use crate::sample;
use crossbeam_deque::{Injector, Stealer};
use crossbeam_utils::CachePadded;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicUsize};

/// A green thread that no worker has started: it may run anywhere. Whoever holds it holds its
/// `BODY`.
#[derive(Debug)]
pub(crate) struct Unstarted(pub(crate) NonNull<Header>);

// SAFETY: its closure is `Send` (one that is not never becomes an `Unstarted`:
// `Builder::spawn_local` puts it straight into its worker's own queue), and `Header` is `Sync`.
unsafe impl Send for Unstarted {}

/// Made once and never freed, since a waker may hold it at any time; that of a hub is used again by
/// a later one.
pub(crate) struct Remote {
    pub(crate) index: usize,
    /// Wake-ups of started green threads that live here. On a line of its own, which others write.
    pub(crate) inbox: CachePadded<Inbox<Header>>,
    /// What it is to answer.
    pub(crate) requests: Requests,
    /// Unstarted ones from outside, to be stolen as well.
    pub(crate) injector: Injector<Unstarted>,
    /// Unstarted ones spawned here.
    pub(crate) stealer: Stealer<Unstarted>,
    pub(crate) reactor: reactor::Outside,
    /// On a line of its own, since it is written at each switch.
    pub(crate) counts: CachePadded<Counts>,
    /// Written now and then.
    pub(crate) latency: CachePadded<Latency>,
}

/// What a worker alone writes, but for two bits, and others read.
#[derive(Default)]
pub(crate) struct Counts {
    /// Live green threads that have this home.
    pub(crate) live: AtomicUsize,
    /// Switches so far.
    pub(crate) switches: AtomicU64,
    /// Green threads that have started here.
    pub(crate) started: AtomicU64,
    /// Successful searches at other workers.
    pub(crate) steals: AtomicU64,
    /// Wake-ups by other threads.
    pub(crate) woken: AtomicU64,
    /// Looks at the descriptors.
    pub(crate) polls: AtomicU64,
    /// How many are in the queue, and of timers, as of some switches ago.
    pub(crate) queued: AtomicUsize,
    pub(crate) timers: AtomicUsize,
    /// Nanoseconds asleep, and since when it is now, or 0.
    pub(crate) idle: AtomicU64,
    pub(crate) asleep_since: AtomicU64,
    /// Nanoseconds that earlier ones have lived here.
    lived: AtomicU64,
    /// Since when there is one now.
    since: AtomicU64,
    /// Who runs here, or was the last to run.
    pub(crate) current: AtomicPtr<Header>,
    /// The system's id of its OS thread.
    thread: AtomicI32,
    /// A [`Role`].
    role: AtomicU8,
    /// [`TIMERS_DUE`] and the like: what keeps its worker off the short way.
    special: AtomicU8,
}

/// Timers are due. Its worker's own.
const TIMERS_DUE: u8 = 1;
/// Each step of its green threads is told to observers. Set by others, once and for all.
const OBSERVED: u8 = 2;

/// There are requests. Set and cleared by others, under the lock of these.
const ASKED: u8 = 4;

/// Whose remote it is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Role {
    Nobody,
    Worker,
    Hub,
}

impl Counts {
    pub(crate) fn role(&self) -> Role {
        match self.role.load(Ordering::Relaxed) {
            it if it == Role::Worker as u8 => Role::Worker,
            it if it == Role::Hub as u8 => Role::Hub,
            _ => Role::Nobody,
        }
    }

    #[inline(always)]
    pub(crate) fn is_special(&self) -> bool {
        self.special.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn is_observed(&self) -> bool {
        self.special.load(Ordering::Relaxed) & OBSERVED != 0
    }

    pub(crate) fn are_timers_due(&self) -> bool {
        self.special.load(Ordering::Relaxed) & TIMERS_DUE != 0
    }

    /// By its own OS thread.
    pub(crate) fn set_timers_due(&self, due: bool) {
        if due != self.are_timers_due() {
            self.special.fetch_xor(TIMERS_DUE, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.special.load(Ordering::Relaxed) & ASKED != 0
    }

    /// Under the lock of its requests.
    pub(crate) fn set_asked(&self, asked: bool) {
        if asked {
            self.special.fetch_or(ASKED, Ordering::Relaxed);
        } else {
            self.special.fetch_and(!ASKED, Ordering::Relaxed);
        }
    }

    pub(crate) fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// Nanoseconds at work, and asleep.
    pub(crate) fn times(&self, now: u64) -> (u64, u64) {
        let since = |time: &AtomicU64| now.saturating_sub(time.load(Ordering::Relaxed));
        let mut idle = self.idle.load(Ordering::Relaxed);
        if self.asleep_since.load(Ordering::Relaxed) != 0 {
            idle += since(&self.asleep_since);
        }
        let mut lived = self.lived.load(Ordering::Relaxed);
        if self.role() != Role::Nobody {
            lived += since(&self.since);
        }
        (lived.saturating_sub(idle), idle)
    }

    /// By its own OS thread.
    pub(crate) fn set_role(&self, role: Role) {
        self.thread.store(sample::own_id(), Ordering::Relaxed);
        let now = clock::now();
        if role == Role::Nobody {
            latency::add(&self.lived, now - self.since.load(Ordering::Relaxed));
        }
        self.since.store(now, Ordering::Relaxed);
        self.role.store(role as u8, Ordering::Relaxed);
    }
}

const MAX_HOMES: usize = 4096;

/// Null, or a remote, for ever once its worker has run; changed under `FREE`'s lock.
static HOMES: [AtomicPtr<Remote>; MAX_HOMES] =
    [const { AtomicPtr::new(ptr::null_mut()) }; MAX_HOMES];
/// The indices given back, and the first one that was never used.
static FREE: Lock<(Vec<usize>, usize)> = Lock::new((Vec::new(), 0));

impl Remote {
    /// Makes one and enters it into the table.
    pub(crate) fn new(
        stealer: Stealer<Unstarted>,
        reactor: reactor::Outside,
    ) -> io::Result<&'static Remote> {
        let mut free = FREE.lock();
        let index = free.0.last().copied().unwrap_or(free.1);
        let Some(home) = HOMES.get(index) else {
            let what = format!("more than {MAX_HOMES} workers and hubs at once");
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, what));
        };
        let remote = Box::leak(Box::new(Remote {
            index,
            inbox: CachePadded::new(Inbox::new()),
            requests: Requests::default(),
            injector: Injector::new(),
            stealer,
            reactor,
            counts: CachePadded::default(),
            latency: CachePadded::default(),
        }));
        if observer::is_any() {
            remote.observe();
        }
        // Release pairs with the Acquire of `at`.
        home.store(remote, Ordering::Release);
        if free.0.pop().is_none() {
            free.1 += 1;
        }
        Ok(remote)
    }

    /// Frees the one with this index, whose worker has never run.
    ///
    /// # Safety
    ///
    /// No green thread has had it as its home, and nobody uses a reference to it any more.
    pub(crate) unsafe fn discard(index: usize) {
        let mut free = FREE.lock();
        let remote = HOMES[index].swap(ptr::null_mut(), Ordering::Relaxed);
        free.0.push(index);
        // SAFETY: made by `Box::leak` in `new`, and by the caller's word nobody else knows it.
        drop(unsafe { Box::from_raw(remote) });
    }

    /// From now on each step of its green threads is told to observers.
    fn observe(&self) {
        self.counts.special.fetch_or(OBSERVED, Ordering::Relaxed);
    }

    /// Ends the worker's sleep, so that it looks around; false if it does not sleep.
    pub(crate) fn wake(&self) -> bool {
        let slept = self.inbox.nudge();
        if slept {
            self.reactor.wake();
        }
        slept
    }

    /// How many green threads it has, started and unstarted.
    pub(crate) fn load(&self) -> usize {
        self.counts.live.load(Ordering::Relaxed) + self.injector.len() + self.stealer.len()
    }

    pub(crate) fn has_unstarted(&self) -> bool {
        !self.injector.is_empty() || !self.stealer.is_empty()
    }
}

/// The remote of the worker or hub `home`, which must have come from a green thread's word.
pub(crate) fn at(home: usize) -> &'static Remote {
    // SAFETY: set before any green thread could name it as its home, and never freed afterwards.
    unsafe { HOMES[home].load(Ordering::Acquire).as_ref() }.expect("a green thread's home exists")
}

/// Visits all remotes that there are.
pub(crate) fn for_each(mut visit: impl FnMut(&Remote)) {
    // The lock keeps them from being discarded.
    let free = FREE.lock();
    for home in &HOMES[..free.1] {
        // SAFETY: null, or a remote that nobody discards meanwhile.
        if let Some(remote) = unsafe { home.load(Ordering::Acquire).as_ref() } {
            visit(remote);
        }
    }
}

/// From now on each step of every green thread is told to observers; of remotes to come as well,
/// since there is an observer already.
pub(crate) fn observe_all() {
    for_each(Remote::observe);
}

/// Hands a wake-up of `header` to its home. Only who got `Unpark::Deliver` calls it.
pub(crate) fn deliver(home: usize, header: NonNull<Header>) {
    let remote = at(home);
    // SAFETY: it is parked with a token, and only this delivery can change that: so it is in no
    // inbox, and its slot stays in use until the home worker has taken it out.
    if unsafe { remote.inbox.push(header) } {
        remote.reactor.wake();
    }
}
