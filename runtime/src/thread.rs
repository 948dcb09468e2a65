//! std::thread's names for green threads: `Thread`, `current`, `park`, `sleep` and the rest.
//!
//! Everything works on an OS thread too, main included: there it blocks that thread.
//!
//! Of what is stable in std's module, `Builder::spawn_unchecked` alone is missing: it is unsafe, and
//! [`scope`] does the same safely. [`LocalKey`] is std's own, of which a light green thread has none:
//! it shares its worker's, and its own are made by [`green_local!`](crate::green_local).

use crate::atomic::{AtomicU64, Ordering};
use crate::clock;
use crate::context;
use crate::header::Header;
use crate::interrupt;
use crate::locals;
use crate::park::{self, Unparker};
use crate::reason::Wait;
use crate::spawn::{free_slot, take_slot};
use crate::word::{BODY, NOWHERE, OS_THREAD, RUNNING, USER_TOKEN};
use std::fmt;
use std::num::NonZeroU64;
use std::ops::Range;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

pub use crate::join::JoinHandle;
pub use crate::scope::{Scope, ScopedJoinHandle, scope};
pub use crate::spawn::{Builder, spawn, yield_now};
pub use std::thread::{AccessError, LocalKey, Result, available_parallelism, panicking};

/// A handle to a green thread, or to an OS thread that has asked for it: who it is, and how to wake
/// it.
///
/// # Examples
///
/// ```
/// use greenloop::thread;
///
/// let parked = thread::spawn(thread::park);
/// parked.thread().unpark();
/// parked.join().unwrap();
/// ```
#[derive(Clone)]
#[repr(C)] // the number first: see `Header`
pub struct Thread {
    id: ThreadId,
    unparker: Unparker,
    name: Option<Arc<str>>,
}

/// Tells threads apart, green or not. Never used twice in a process.
///
/// # Examples
///
/// ```
/// use greenloop::thread;
///
/// let other = thread::spawn(|| thread::current().id()).join().unwrap();
/// assert_ne!(thread::current().id(), other);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ThreadId(NonZeroU64);

impl UnwindSafe for Thread {}
impl RefUnwindSafe for Thread {}

impl Thread {
    #[inline]
    pub(crate) fn new(header: NonNull<Header>, generation: u32, name: Option<Arc<str>>) -> Self {
        Thread {
            unparker: Unparker::new(header, generation),
            id: ThreadId::next(),
            name,
        }
    }

    /// Returns its id.
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Its name, to be kept.
    pub(crate) fn shared_name(&self) -> Option<Arc<str>> {
        self.name.clone()
    }

    /// The number in its id, which no other thread ever has.
    pub(crate) fn number(&self) -> NonZeroU64 {
        self.id.0
    }

    /// Returns its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Makes its current or next [`park`] return. Never yields; one that has ended is left alone.
    pub fn unpark(&self) {
        self.unparker.unpark_by_user();
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Thread");
        debug
            .field("id", &self.id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// How many ids a worker takes at once, so that spawning does not write to a shared line.
const IDS: u64 = 1024;

/// The first id that nobody has taken.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl ThreadId {
    #[inline]
    fn next() -> Self {
        let id = match context::worker() {
            Some(worker) => next_of(&mut worker.ids()),
            None => NEXT_ID.fetch_add(1, Ordering::Relaxed),
        };
        ThreadId(NonZeroU64::new(id).expect("2^64 threads have been spawned"))
    }
}

fn next_of(ids: &mut Range<u64>) -> u64 {
    ids.next().unwrap_or_else(|| {
        let first = NEXT_ID.fetch_add(IDS, Ordering::Relaxed);
        *ids = first + 1..first + IDS;
        first
    })
}

/// Returns the handle of the code that calls it: the green thread, or the OS thread.
///
/// # Examples
///
/// ```
/// let name = std::thread::current().name().map(str::to_owned);
/// assert_eq!(greenloop::thread::current().name().map(str::to_owned), name);
/// ```
pub fn current() -> Thread {
    // SAFETY: the slot of whoever runs is in use.
    unsafe { context::waiter().thread() }.clone()
}

/// The number in the id of the code that calls it, which no other thread ever has.
pub(crate) fn current_number() -> NonZeroU64 {
    // SAFETY: the slot of whoever runs is in use.
    unsafe { context::waiter().thread() }.number()
}

/// Waits until the thread is unparked, or was already; may return for no reason. Yields.
///
/// A kill unwinds out of it.
///
/// # Examples
///
/// ```
/// greenloop::thread::current().unpark();
/// greenloop::thread::park(); // returns at once
/// ```
pub fn park() {
    park_until(clock::NEVER);
}

/// [`park`], for at most `timeout`.
///
/// # Examples
///
/// ```
/// greenloop::thread::park_timeout(std::time::Duration::from_millis(1));
/// ```
pub fn park_timeout(timeout: Duration) {
    park_until(clock::deadline(timeout));
}

/// [`park_timeout`] in milliseconds.
///
/// # Examples
///
/// ```
/// # #![allow(deprecated)]
/// greenloop::thread::park_timeout_ms(1);
/// ```
#[deprecated(note = "replaced by `park_timeout`, as in std")]
pub fn park_timeout_ms(ms: u32) {
    park_timeout(Duration::from_millis(ms.into()));
}

fn park_until(deadline: u64) {
    let word = &context::waiter().word;
    if !word.take(USER_TOKEN) {
        park::park(deadline, Wait::UNPARK);
        if !word.take(USER_TOKEN) {
            // The wait has no condition to look at: it may have been ended by an interrupt.
            interrupt::before_wait(clock::NEVER);
        }
    }
}

/// Waits for `duration`; others run meanwhile. Finer than a millisecond. A duration of zero is a
/// [`yield_now`].
///
/// A kill unwinds out of it.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// greenloop::sleep(Duration::from_millis(5));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) {
    if duration.is_zero() {
        yield_now()
    } else {
        sleep_until(clock::deadline(duration))
    }
}

/// [`sleep`] in milliseconds.
///
/// # Examples
///
/// ```
/// # #![allow(deprecated)]
/// greenloop::thread::sleep_ms(1);
/// ```
#[deprecated(note = "replaced by `sleep`, as in std")]
pub fn sleep_ms(ms: u32) {
    sleep(Duration::from_millis(ms.into()));
}

pub(crate) fn sleep_until(deadline: u64) {
    // Once in any case: of those whose moment has passed, the earlier one goes first.
    loop {
        park::park(deadline, Wait::sleep(deadline));
        if clock::now() >= deadline {
            break;
        }
    }
}

/// A slot for an OS thread that waits, or asks who it is.
pub(crate) fn new_os_thread() -> NonNull<Header> {
    let slot = take_slot().expect("memory for the header of an OS thread that waits");
    // SAFETY: slots live for ever.
    let header = unsafe { slot.as_ref() };
    let name = std::thread::current().name().map(Arc::from);
    let generation = header.word.load().generation();
    // SAFETY: the slot was free, so it is this thread's alone.
    unsafe { (*header.label.get()).thread = Some(Thread::new(slot, generation, name)) };
    header.word.begin(RUNNING, OS_THREAD | BODY, NOWHERE);
    slot
}

/// Gives the slot of an OS thread back, at its end.
pub(crate) fn free_os_thread(slot: NonNull<Header>) {
    // SAFETY: slots live for ever.
    locals::end(unsafe { slot.as_ref() });
    // SAFETY: it was made by `new_os_thread` for this OS thread, which waits no more; it has no
    // handle and no result.
    unsafe {
        slot.as_ref().word.release(BODY);
        free_slot(slot);
    }
}
