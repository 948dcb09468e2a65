//! `suspicion`: that green threads wait for each other, and the OS thread that looks into it.
//!
//! Whoever waits for a lock without a deadline raises it, a load most often, and for the end of a
//! scope, and who joins one that may itself be waiting. The OS thread, started by the first one,
//! sleeps while it is not raised. Some time after it was, it takes it back, waits until whoever raised
//! it is parked, and searches. Who raises it and then loses its CPU before it parks is found by one
//! more search, when nobody has raised it since. While a cycle stands that may hide another one, it
//! searches now and then.

use crate::abort;
use crate::clock::{self, NEVER};
use crate::context;
use crate::foreign;
use crate::futex;
use crate::header::Header;
use crate::inspect::{Looked, Search, YOUNG};
use crate::reason::{Reason, Wait};
use crate::word::{PARKED, RUNNING, Snapshot, UNSTARTED};
use crate::worker::Worker;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

const CALM: u32 = 0;
const RAISED: u32 = 1;

/// `CALM` -> `RAISED`, by who waits -> `CALM`, by the OS thread that searches.
static STATE: AtomicU32 = AtomicU32::new(CALM);
/// There is that thread, or will be soon.
static STARTED: AtomicBool = AtomicBool::new(false);
/// When the last search began of which all is reported.
static SEARCHED_AT: AtomicU64 = AtomicU64::new(0);

/// From being raised to the search, in nanoseconds.
const PAUSE: u64 = 40_000_000;
/// To the search that is the last one, if nobody raises it again.
const LAST: u64 = 400_000_000;
/// To the next one while a cycle may hide another one.
const HIDDEN: u64 = 1_000_000_000;
/// A search may take one part in so many of the time.
const SHARE: u64 = 100;

/// Counts a green thread that waits for a lock until the guard drops; if it waits `for_ever`, raises
/// the suspicion. None on an OS thread, which is in no cycle that would be found.
pub(crate) fn raise<'a>(for_ever: bool) -> Option<impl Drop + 'a> {
    let (worker, _) = context::green()?;
    if for_ever && STATE.load(Ordering::Relaxed) == CALM {
        wake();
    }
    Some(Worker::count_joiner(worker))
}

/// Raises it for one who is about to wait for the end of `target`, if that may be waiting for
/// somebody: who is the last of a cycle to wait finds it so.
#[inline]
pub(crate) fn raise_by_joiner(target: &Header) {
    let word = target.word.load();
    if word.state() != UNSTARTED {
        raise_if_waiting(target, word);
    }
}

fn raise_if_waiting(target: &Header, word: Snapshot) {
    // One that runs may go on with its last wait, having been woken for nothing.
    let waits = matches!(word.state(), PARKED | RUNNING) && is_for_another(target.wait().0);
    let may_wait_soon = word.state() == RUNNING && word.home() != context::home();
    if waits || may_wait_soon {
        raise_uncounted();
    }
}

/// Has it searched, and reported, what was so at that moment? If not, it will soon.
pub(crate) fn has_searched(moment: u64) -> bool {
    // Twice: a wait may be noted as some milliseconds younger than it is.
    let is_done = SEARCHED_AT.load(Ordering::Acquire) >= moment + 2 * YOUNG;
    if !is_done && STATE.load(Ordering::Relaxed) == CALM {
        wake();
    }
    is_done
}

/// Does it end by what another thread does, and by nothing else?
pub(crate) fn is_for_another(wait: Wait) -> bool {
    let is_end = matches!(wait.reason(), Reason::Join(_) | Reason::Scope(_));
    (is_end || wait.owner_address().is_some()) && !wait.is_bounded()
}

/// Raises it for one who is about to wait for an end. An OS thread is in no cycle that would be found.
pub(crate) fn raise_uncounted() {
    if STATE.load(Ordering::Relaxed) == CALM && context::green().is_some() {
        wake();
    }
}

#[cold]
fn wake() {
    // A forked child has no such thread, and may not have one.
    if foreign::is_forked() || STATE.swap(RAISED, Ordering::Relaxed) == RAISED {
        return;
    }
    if STARTED.swap(true, Ordering::Relaxed) {
        return futex::wake_one(&STATE);
    }
    let builder = std::thread::Builder::new().name("greenloop-watch".into());
    if builder.spawn(watch).is_err() {
        // The next one to wait tries again.
        STARTED.store(false, Ordering::Relaxed);
        STATE.store(CALM, Ordering::Relaxed);
    }
}

fn watch() {
    let _abort = abort::OnUnwind("the search for deadlocks");
    let mut search = Search::default();
    let mut pause = PAUSE;
    let mut next = NEVER;
    loop {
        wait_until_raised(next);
        loop {
            STATE.store(CALM, Ordering::Relaxed);
            sleep(pause);
            let looked = look(&mut search);
            pause = PAUSE.max(looked.cost.saturating_mul(SHARE));
            if looked.complete && !wait_until_raised(clock::now() + LAST.max(pause)) {
                break;
            }
        }
        let looked = look(&mut search);
        if !looked.complete {
            STATE.store(RAISED, Ordering::Relaxed);
        }
        next = if looked.hides {
            clock::now() + HIDDEN.max(pause)
        } else {
            NEVER
        };
    }
}

fn look(search: &mut Search) -> Looked {
    let looked = search.look();
    if looked.complete {
        // Release pairs with the Acquire in `has_searched`: what the callbacks did has happened.
        SEARCHED_AT.store(looked.at, Ordering::Release);
    }
    looked
}

/// False if it was not raised until `deadline`.
fn wait_until_raised(deadline: u64) -> bool {
    while STATE.load(Ordering::Relaxed) == CALM {
        if clock::now() >= deadline {
            return false;
        }
        futex::wait(&STATE, CALM, deadline);
    }
    true
}

/// Without std's, which a monkey patch may stand in front of.
fn sleep(nanos: u64) {
    static NOTHING: AtomicU32 = AtomicU32::new(0);
    let deadline = clock::now() + nanos;
    while clock::now() < deadline {
        futex::wait(&NOTHING, 0, deadline);
    }
}
