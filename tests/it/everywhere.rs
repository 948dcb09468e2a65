//! `everywhere`: one body on every kind of thread.

use greenloop::{run, spawn, spawn_blocking};

use crate::within::{LONG, within};

/// Runs `f` on an OS thread, on a worker, in a hub, and on the blocking pool.
pub(crate) fn everywhere(f: fn()) {
    within(LONG, f);
    within(LONG, move || spawn(f).join().unwrap());
    within(LONG, move || run(f));
    within(LONG, move || spawn_blocking(f).join().unwrap());
}
