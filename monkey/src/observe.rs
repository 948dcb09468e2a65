//! Saying which calls could not wait cooperatively, and held up a worker.

use crate::own;
use crate::program;
use greenloop_runtime::{foreign, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};

const TARGET: &str = "greenloop::monkey";

/// Says that `call` of a full green thread blocks its worker since it is of a `kind` that can't be
/// waited for; once for each call and green thread, and of other callers nothing.
#[cold]
pub(crate) fn blocks(call: &'static str, kind: &'static str) {
    let heard = || log::log_enabled!(target: TARGET, log::Level::Debug);
    if !foreign::may_wait() || !heard() || !own::is_news(call) {
        return;
    }
    let green = thread::current();
    let name = green.name().unwrap_or("<unnamed>");
    // A logger's panic must not unwind through C.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        log::debug!(target: TARGET, "{call} of green thread '{name}' blocks its worker: {kind}");
    }));
}

/// Says that a call was refused, and why. A program that never heard of greenloop does not go on.
#[cold]
pub(crate) fn refused(call: &'static str, why: &'static str) {
    if program::registered().is_some() {
        crate::abort(format_args!("{call}: {why}"));
    }
    let _ = catch_unwind(AssertUnwindSafe(|| {
        log::error!(target: TARGET, "{call} was refused: {why}");
    }));
}
