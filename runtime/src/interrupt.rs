//! Interrupts: kills and timeouts, which are delivered where a thread is about to wait.
//!
//! Both unwind the thread from inside its own wait, by `resume_unwind` (no panic message), with a
//! payload of their own: [`Killed`], or the `timeout` that has run out. Never while it unwinds
//! already, nor inside of a [`shield`].

use crate::abort;
use crate::clock;
use crate::context;
use crate::header::{Header, Teardown};
use crate::killed::Killed;
use crate::loop_exit::LoopExit;
use crate::park;
use crate::timeout::{Expired, Limit};
use crate::word::KILL;
use std::any::Any;
use std::panic::resume_unwind;
use std::ptr::NonNull;

/// Unwinds the caller if an interrupt is due; else says how long it may wait, at most until
/// `deadline`.
#[inline(always)]
pub(crate) fn before_wait(deadline: u64) -> u64 {
    before_wait_of(context::waiter(), deadline)
}

/// [`before_wait`] of the caller whose header it is.
#[inline(always)]
pub(crate) fn before_wait_of(header: &Header, deadline: u64) -> u64 {
    let idle = header.teardown.get() == Teardown::None && header.limit.get().is_none();
    if idle && !header.word.has(KILL) {
        deadline
    } else {
        interrupt(header, deadline)
    }
}

#[cold]
#[inline(never)]
fn interrupt(header: &Header, deadline: u64) -> u64 {
    if std::thread::panicking() {
        return deadline;
    }
    let (teardown, limit) = (header.teardown.get(), header.limit.get());
    // Whoever unwound before has been caught.
    header.interrupted.set(false);
    if teardown == Teardown::Exit {
        header.teardown.set(Teardown::None);
        unwind(header, Box::new(LoopExit::new()));
    }
    if is_open(header) {
        deliver_kill(header, teardown);
    }
    let Some(limit) = limit else { return deadline };
    // SAFETY: `timeout` takes its limit out before its frame ends.
    let limit = unsafe { limit.as_ref() };
    if limit.nearest() <= clock::now()
        && let Some(expired) = limit.expire()
    {
        unwind(header, Box::new(expired));
    }
    deadline.min(limit.nearest())
}

/// [`before_wait`] for code that must not be unwound: none if an interrupt is due. A kill stays due,
/// a timeout counts as thrown. Lets others run first then, since such code may try again for ever.
pub(crate) fn check(deadline: u64) -> Option<u64> {
    let header = context::waiter();
    if std::thread::panicking() {
        return Some(deadline);
    }
    let told = header.teardown.get() != Teardown::None || header.word.has(KILL);
    let killed = told && is_open(header);
    // SAFETY: `timeout` takes its limit out before its frame ends.
    let limit = header.limit.get().map(|limit| unsafe { limit.as_ref() });
    let expired =
        limit.is_some_and(|limit| limit.nearest() <= clock::now() && limit.expire().is_some());
    if killed || expired {
        park::give_way();
        return None;
    }
    Some(deadline.min(limit.map_or(clock::NEVER, Limit::nearest)))
}

/// Does a kill reach it now?
fn is_open(header: &Header) -> bool {
    header.shields.get() == 0 || header.teardown.get() == Teardown::Stuck
}

fn deliver_kill(header: &Header, teardown: Teardown) {
    if teardown != Teardown::None {
        // Whoever catches its kill and waits again must not keep the hub from going on.
        if header.teardown.replace(Teardown::Told) == Teardown::Told {
            park::give_way();
        }
        die();
    }
    if header.word.take(KILL) {
        die();
    }
}

/// Is an interrupt due? For a wait that cannot be cut, but can see to it that it ends soon.
pub(crate) fn is_due() -> bool {
    let header = context::waiter();
    let killed = header.teardown.get() != Teardown::None || header.word.has(KILL);
    let due = killed && is_open(header) || next_timeout() <= clock::now();
    due && !std::thread::panicking()
}

/// When the next timeout that the caller is in runs out; never while it unwinds, as it takes no
/// effect then.
pub(crate) fn next_timeout() -> u64 {
    if std::thread::panicking() {
        return clock::NEVER;
    }
    let limit = context::waiter().limit.get();
    // SAFETY: `timeout` takes its limit out before its frame ends.
    limit.map_or(clock::NEVER, |limit| unsafe { limit.as_ref() }.nearest())
}

/// Unwinds the caller, whose header it is, as an interrupt does: that is no panic.
pub(crate) fn unwind(header: &Header, payload: Box<dyn Any + Send>) -> ! {
    if cfg!(panic = "abort") {
        abort::abort(
            "a green thread was killed or timed out, which unwinds its stack, but this program is \
             built with panic = \"abort\"",
        );
    }
    header.interrupted.set(true);
    resume_unwind(payload)
}

/// Unwinds the caller as a kill does.
pub(crate) fn die() -> ! {
    unwind(context::waiter(), Box::new(Killed::new()))
}

/// Does the caller unwind because of a panic? Not so if it is killed or timed out: what it held
/// then is left as it was, not broken, and no lock is poisoned.
pub(crate) fn is_panicking() -> bool {
    std::thread::panicking() && !context::waiter().interrupted.get()
}

/// Is it what a kill or timeout unwinds with?
pub(crate) fn is_interrupt(payload: &(dyn Any + Send)) -> bool {
    payload.is::<Killed>() || payload.is::<Expired>()
}

/// Forgets that the caller was unwound by an interrupt, which has been caught.
pub(crate) fn caught(header: &Header) {
    header.interrupted.set(false);
}

/// Runs `f` with kills and timeouts held back: one that comes meanwhile takes effect at the first
/// wait after the end of `f`. A timeout that begins inside of `f` is not held back.
///
/// For what must not be left half done: a message of which the first part is sent, a transaction. A
/// [`run`](crate::run) that can never go on ends what is inside nevertheless.
///
/// # Examples
///
/// ```
/// use greenloop::{shield, sleep, timeout};
/// use std::time::Duration;
///
/// let mut done = false;
/// let result = timeout(Duration::from_millis(5), || {
///     shield(|| sleep(Duration::from_millis(20)));
///     done = true;
///     sleep(Duration::from_secs(60)); // the timeout takes effect here
/// });
/// assert!(done && result.is_err());
/// ```
pub fn shield<T>(f: impl FnOnce() -> T) -> T {
    let header = context::waiter();
    header.shields.set(header.shields.get() + 1);
    // Those around it are held back; one that begins inside of it is not.
    let _shielded = Shielded(header, header.limit.take());
    f()
}

struct Shielded<'a>(&'a Header, Option<NonNull<Limit>>);

impl Drop for Shielded<'_> {
    fn drop(&mut self) {
        self.0.shields.set(self.0.shields.get() - 1);
        self.0.limit.set(self.1);
    }
}
