//! Models of the lock-free protocols (parking, delivery, sleeping), run by loom through their
//! interleavings.
//!
//! The logic they check is the logic that runs: `word.rs`, `inbox.rs` and `idle.rs` are compiled
//! here from the runtime's own sources, with loom's atomics behind `crate::atomic`. What surrounds
//! them there (worker, scheduler, join handle) is imitated line by line in the models, as it needs
//! stacks and descriptors that loom does not know. Loom takes SeqCst accesses for AcqRel ones and
//! knows SeqCst fences only: what holds here leans on fences alone.
//!
//! Where a model says `Some(n)` it is explored with at most `n` preemptions in one execution; else
//! in full.

/// What `runtime/src/atomic.rs` is to the runtime.
mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
}

#[path = "../src/idle.rs"]
mod idle;
#[path = "../src/inbox.rs"]
mod inbox;
#[allow(dead_code, reason = "a futex is imitated, not called")]
#[path = "../src/word.rs"]
mod word;

#[path = "loom/computer.rs"]
mod computer;
#[path = "loom/delivery.rs"]
mod delivery;
#[path = "loom/ending.rs"]
mod ending;
#[path = "loom/parking.rs"]
mod parking;
#[path = "loom/pool.rs"]
mod pool;
#[path = "loom/sleeping.rs"]
mod sleeping;
#[path = "loom/stand_in.rs"]
mod stand_in;

/// Runs `model` through its interleavings, those with at most `preemptions` if that is given.
fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}
