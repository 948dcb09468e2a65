//! `offload`: calls that would hold up a worker, on the blocking pool.

use std::io;
use std::panic::resume_unwind;

use greenloop_runtime::cast::on_green_thread;
use greenloop_runtime::spawn_blocking;

use crate::deadline::Deadline;

/// Calls `f` on the blocking pool for a green thread, which fails with `TimedOut` after `deadline`;
/// in place for an OS thread.
///
/// A kill or timeout cuts the wait, not the call, which goes on without its waiter.
#[track_caller]
pub(crate) fn offload<T: Send + 'static>(
    deadline: Deadline,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if !on_green_thread() {
        return Ok(f()); // a job of the pool that waited for another one could wait for ever
    }
    let job = spawn_blocking(f);
    let outcome = match deadline.left()? {
        None => job.join(),
        Some(left) => job.join_timeout(left).map_err(|_| Deadline::error())?,
    };
    Ok(outcome.unwrap_or_else(|panic| resume_unwind(panic)))
}
