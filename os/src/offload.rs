//! `offload`: calls that would hold up a worker, on the blocking pool.

use greenloop_runtime::cast::on_green_thread;
use greenloop_runtime::{JoinHandle, shield, spawn_blocking};
use std::panic::resume_unwind;

/// Calls `f` on the blocking pool for a green thread, and in place for an OS thread.
///
/// A kill or timeout cuts the wait, not the call, which goes on without its waiter.
#[track_caller]
pub(crate) fn offload<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    if !on_green_thread() {
        return f(); // a job of the pool that waited for another one could wait for ever
    }
    end_of(spawn_blocking(f))
}

/// [`offload`] for calls that end soon and whose result must not be lost: a kill or timeout waits
/// for the end.
#[track_caller]
pub(crate) fn offload_whole<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    if !on_green_thread() {
        return f();
    }
    let job = spawn_blocking(f);
    shield(|| end_of(job))
}

fn end_of<T>(job: JoinHandle<T>) -> T {
    job.join().unwrap_or_else(|panic| resume_unwind(panic))
}
