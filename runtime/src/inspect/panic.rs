//! `on_panic`: a dump on standard error when the thread that asked for it panics.

use super::dump::dump;
use super::signal::print;
use crate::context;
use crate::thread;
use std::panic;

/// Prints a dump to standard error, after the panic's message, whenever the calling thread panics:
/// `main`, as a rule, whose end takes all others along.
///
/// The dump is taken by an OS thread of its own, for which the panicking one waits; a hub or worker
/// that panics is told as hung therefore. It is a panic hook in front of the one that there is: call
/// it after whatever sets another.
///
/// # Examples
///
/// ```
/// greenloop::inspect::on_panic();
/// ```
pub fn on_panic() {
    let who = thread::current_number();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        before(info);
        if is_caller(who.get()) {
            // No green thread may wait in a hook. What can't be started can't be told either.
            let dump = std::thread::Builder::new().spawn(|| print(&dump()));
            let _ = dump.map(std::thread::JoinHandle::join);
        }
    }));
}

fn is_caller(number: u64) -> bool {
    // SAFETY: the slot of whoever runs is in use.
    context::known_waiter().is_some_and(|it| unsafe { it.number() } == number)
}
