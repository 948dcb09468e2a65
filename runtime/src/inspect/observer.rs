//! `Observer`: who hears of what becomes of each green thread, as it happens.
//!
//! Observers are foreign code in the midst of the scheduler, so they run as a worker's own code
//! does: no green thread waits in them, none of what they do is observed, and a panic ends there.

use super::entry::Kind;
use super::wait::Wait;
use crate::abort;
use crate::context;
use crate::coroutine::Outcome;
use crate::header::{Header, TOLD_TO_WAIT, UNOBSERVED};
use crate::remote;
use crate::sync::OnceLock;
use crate::worker::Worker;
use std::fmt;
use std::panic::Location;

/// Hears of what becomes of each green thread. All that is not written does nothing.
///
/// For one green thread the calls come in this order, none at the same time as another:
/// `spawned`; `started`; then `resumed` and `suspended` in turn, with `waits` after a `suspended`
/// and `woken` before the next `resumed` if it waits rather than yields; `ended`. One that is
/// killed before it starts is only `spawned` and `ended`. One that was there before the observer
/// is heard of from its next step on. Jobs of the blocking pool are not observed.
///
/// All are called on the thread that does it: `spawned` by the spawner, whether green or not, the
/// others by the worker. They hold that worker up, so they should be short; a call that waits in
/// one of them blocks the whole worker, and one that waits for a green thread of that worker does
/// so for ever. What observers spawn is not observed. A panic in one is reported by the panic hook
/// and goes no further.
pub trait Observer: Send + Sync + 'static {
    /// It has been spawned, and will start. The spawner has not got its handle yet.
    fn spawned(&self, it: &Observed<'_>) {
        let _ = it;
    }

    /// A worker has given it a stack, and is about to run it.
    fn started(&self, it: &Observed<'_>) {
        let _ = it;
    }

    /// Its worker switches to it.
    fn resumed(&self, it: &Observed<'_>) {
        let _ = it;
    }

    /// It has switched back to its worker: it yields, waits or has ended.
    fn suspended(&self, it: &Observed<'_>) {
        let _ = it;
    }

    /// It is about to wait for `wait`, of which a descriptor is only its number.
    fn waits(&self, it: &Observed<'_>, wait: &Wait) {
        let _ = (it, wait);
    }

    /// It has been woken, by what it waited for or otherwise, and it is its turn.
    fn woken(&self, it: &Observed<'_>) {
        let _ = it;
    }

    /// It has ended, and its worker takes its stack back. Who joins it may have gone on already.
    fn ended(&self, it: &Observed<'_>) {
        let _ = it;
    }
}

/// From now on `observer` hears of all green threads; it stays for ever, and others may come.
///
/// Each of the steps then takes some nanoseconds more, whatever the observer does.
///
/// # Examples
///
/// ```
/// use greenloop::inspect::{self, Observed, Observer};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// /// How many are there of each place that spawns? Or, for a start, in all:
/// struct Count(&'static AtomicUsize);
///
/// impl Observer for Count {
///     fn spawned(&self, _: &Observed<'_>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// static SPAWNED: AtomicUsize = AtomicUsize::new(0);
/// inspect::observe(Count(&SPAWNED));
/// greenloop::spawn(|| ()).join().unwrap();
/// assert_eq!(SPAWNED.load(Ordering::Relaxed), 1);
/// ```
pub fn observe(observer: impl Observer) {
    let mut node = Box::new(Node {
        observer: Box::new(observer),
        next: OnceLock::new(),
    });
    let mut place = &FIRST;
    while let Err(back) = place.set(node) {
        node = back;
        place = &place.get().expect("somebody else has set it").next;
    }
    remote::observe_all();
}

/// A green thread that something has become of.
#[derive(Clone, Copy)]
pub struct Observed<'a>(&'a Header);

impl Observed<'_> {
    /// The number in its [`ThreadId`](crate::thread::ThreadId), which no other one ever has.
    pub fn id(&self) -> u64 {
        // SAFETY: made only while the slot's `BODY` is held.
        unsafe { self.0.number() }
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        // SAFETY: as in `id`.
        unsafe { self.0.thread() }.name()
    }

    /// What kind of thread it is.
    pub fn kind(&self) -> Kind {
        Kind::of(self.0)
    }

    /// The place that spawned it.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        // SAFETY: as in `id`.
        unsafe { self.0.label() }.location
    }

    /// The id of the green thread that spawned it; none if that was an OS thread.
    pub fn spawner(&self) -> Option<u64> {
        Some(self.0.spawner.get()).filter(|id| *id != 0)
    }
}

impl fmt::Debug for Observed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("id", &self.id())
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// One of those that observe. They are never taken out, so nobody needs a lock to go through them.
struct Node {
    observer: Box<dyn Observer>,
    next: OnceLock<Box<Node>>,
}

static FIRST: OnceLock<Box<Node>> = OnceLock::new();

/// Does anybody observe?
#[inline(always)]
pub(crate) fn is_any() -> bool {
    FIRST.get().is_some()
}

/// It has been spawned.
#[cold]
pub(crate) fn spawned(header: &Header) {
    if context::is_observing() {
        header.marks.set(UNOBSERVED);
    }
    tell(header, |observer, it| observer.spawned(it));
}

/// It has a stack.
pub(crate) fn started(header: &Header) {
    tell(header, |observer, it| observer.started(it));
}

/// It is about to be switched to.
pub(crate) fn resumed(header: &Header) {
    if header.marks.unset(TOLD_TO_WAIT) {
        tell(header, |observer, it| observer.woken(it));
    }
    tell(header, |observer, it| observer.resumed(it));
}

/// It has been switched away from.
pub(crate) fn suspended(worker: &Worker, header: &Header, outcome: Outcome) {
    tell(header, |observer, it| observer.suspended(it));
    if outcome == Outcome::Parked {
        header.marks.set(TOLD_TO_WAIT);
        let wait = Wait::new(header.wait().0, worker.seen_at());
        tell(header, |observer, it| observer.waits(it, &wait));
    }
}

/// It will never run again.
pub(crate) fn ended(header: &Header) {
    tell(header, |observer, it| observer.ended(it));
}

/// The caller holds the slot's `BODY`.
fn tell(header: &Header, what: impl Fn(&dyn Observer, &Observed<'_>)) {
    if header.marks.has(UNOBSERVED) {
        return;
    }
    let Some(_apart) = context::observe() else {
        return;
    };
    let mut next = FIRST.get();
    while let Some(node) = next {
        abort::contain(|| what(&*node.observer, &Observed(header)));
        next = node.next.get();
    }
}
