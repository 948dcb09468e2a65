//! `on_panic`: a dump on standard error when the thread that asked for it panics.

use super::dump::{dump, dump_of_hub};
use super::stderr;
use crate::clock;
use crate::context;
use crate::futex;
use crate::hub;
use crate::lock::Lock;
use crate::thread;
use crate::worker::Worker;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Prints a dump to standard error, after the panic's message, whenever the calling thread panics:
/// `main`, as a rule, whose end takes all others along. The first green thread of a
/// [`run`](crate::run) counts as the thread that called `run`. One that panics because its green
/// threads wait for each other shows them as they were before it ended them.
///
/// The dump is taken by an OS thread of its own, for which the panicking one waits; a hub or worker
/// that panics is told as hung therefore. It comes also if the panicking one holds the lock of
/// [`Stderr`](std::io::Stderr). If nobody reads standard error, the panicking one waits until
/// nothing more was written for ten seconds, and then goes on.
///
/// It is a panic hook in front of the one that there is: call it after whatever sets another.
/// Further calls of the same thread change nothing.
///
/// # Panics
///
/// While the thread panics, as [`set_hook`](std::panic::set_hook) does.
///
/// # Examples
///
/// ```
/// greenloop::inspect::on_panic();
/// ```
pub fn on_panic() {
    // Of this OS thread nobody else runs meanwhile, who would then spin for the lock in vain.
    let _blocks = context::hooks_off();
    let _turn = TURN.lock();
    let caller = hub::caller_of(thread::current_number().get());
    if has_asked(caller) {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        if is_current(caller) {
            tell(take_seen(caller));
        }
    }));
    ASKED.lock().push(Asked { caller, seen: None });
}

/// Of two who ask at once neither takes the other's hook away. No hook takes this: one that prints
/// keeps others from being set.
static TURN: Lock<()> = Lock::new(());

/// One who has asked.
struct Asked {
    /// Its number.
    caller: u64,
    /// What is to be shown at its next panic, rather than how things are then.
    seen: Option<String>,
}

static ASKED: Lock<Vec<Asked>> = Lock::new(Vec::new());

fn has_asked(caller: u64) -> bool {
    ASKED.lock().iter().any(|it| it.caller == caller)
}

/// How things are now, if `caller` wants to see them when it panics. Waits; by the OS thread of the hub,
/// between two switches.
pub(crate) fn see(caller: u64, hub: &Worker) -> Option<String> {
    has_asked(caller).then(|| dump_of_hub(hub).to_string())
}

/// Has `seen` printed when `caller` panics, which it does next.
pub(crate) fn show(caller: u64, seen: Option<String>) {
    let mut asked = ASKED.lock();
    if let Some(it) = asked.iter_mut().find(|it| it.caller == caller) {
        it.seen = seen;
    }
}

fn take_seen(caller: u64) -> Option<String> {
    let mut asked = ASKED.lock();
    asked.iter_mut().find(|it| it.caller == caller)?.seen.take()
}

fn is_current(caller: u64) -> bool {
    // SAFETY: the slot of whoever runs is in use.
    let number = context::known_waiter().map(|it| unsafe { it.number() });
    number.is_some_and(|it| hub::caller_of(it) == caller)
}

/// Prints what was seen, or else a dump. Blocks the OS thread, as no green thread may wait in a
/// hook.
fn tell(seen: Option<String>) {
    let _blocks = context::hooks_off();
    let steps = Arc::new(AtomicU32::new(0));
    let printing = Printing(steps.clone());
    let print = move || {
        let text = seen.unwrap_or_else(|| dump().to_string());
        printing.advance();
        stderr::print(&text, || printing.advance());
    };
    // What can't be started can't be told either; then this drops `printing`, which ends the wait.
    drop(std::thread::Builder::new().spawn(print));
    wait_for(&steps);
}

/// The printing of a dump, which counts its steps until it ends, however it does.
struct Printing(Arc<AtomicU32>);

/// In place of the number of steps.
const ENDED: u32 = u32::MAX;
/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Printing {
    fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        futex::wake_one(&*self.0);
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        self.0.store(ENDED, Ordering::Relaxed);
        futex::wake_one(&*self.0);
    }
}

/// Waits until it has ended, or a step takes too long.
fn wait_for(steps: &AtomicU32) {
    let (mut step, mut deadline) = (0, clock::deadline(PATIENCE));
    while step != ENDED && clock::now() < deadline {
        futex::wait(steps, step, deadline);
        let now = steps.load(Ordering::Relaxed);
        if now != step {
            (step, deadline) = (now, clock::deadline(PATIENCE));
        }
    }
}
