//! `everywhere`: one body on every kind of thread; `in_hub`: in a hub, where it is known who is next.

use greenloop::{run, spawn, spawn_blocking};

use crate::within::{LONG, within};

/// Runs `f` on an OS thread, on a worker, in a hub, and on the blocking pool.
pub(crate) fn everywhere(f: fn()) {
    within(LONG, f);
    within(LONG, move || spawn(f).join().unwrap());
    within(LONG, move || run(f));
    within(LONG, move || spawn_blocking(f).join().unwrap());
}

/// Runs `f` in a hub.
pub(crate) fn in_hub<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    within(LONG, move || run(f))
}
