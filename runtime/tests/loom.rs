//! Models of the protocols between threads (parking, delivery, sleeping, ending, waiting in line or
//! for one of several things, belonging to a pool), run by loom through their interleavings.
//!
//! The logic they check is the logic that runs: `word.rs`, `inbox.rs`, `idle.rs`, `wait_queue.rs`,
//! `waitable.rs`, `select.rs`, `members.rs`, and the files under the locks, the queues and the
//! channels are compiled here from the runtime's own sources, with loom's atomics behind
//! `crate::atomic`. What surrounds the first three there (worker, scheduler, join handle) is
//! imitated line by line in the models, as it needs stacks and descriptors that loom does not know;
//! beneath the others there are a lock and a park of loom's making. Loom takes SeqCst accesses for
//! AcqRel ones and knows SeqCst fences only: what holds here leans on fences alone.
//!
//! Where a model says `Some(n)` it is explored with at most `n` preemptions in one execution; else
//! in full.

/// What `runtime/src/atomic.rs` is to the runtime.
mod atomic {
    pub(crate) use crate::late::{AtomicBool, AtomicU8, AtomicUsize};
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
}

#[path = "../src/idle.rs"]
mod idle;
#[allow(dead_code, reason = "a hint for dumps is not modelled")]
#[path = "../src/inbox.rs"]
mod inbox;
#[allow(dead_code, reason = "dumps are not modelled")]
#[path = "../src/owner.rs"]
mod owner;
#[path = "../src/ready.rs"]
mod ready;
#[allow(dead_code, unreachable_pub, reason = "only written")]
#[path = "../src/reason.rs"]
mod reason;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "parts of the face are not modelled"
)]
#[path = "../src/select.rs"]
mod select;
#[path = "../src/wait_queue.rs"]
mod wait_queue;
#[allow(dead_code, unreachable_pub, reason = "as for `select.rs`")]
#[path = "../src/waitable.rs"]
mod waitable;
#[allow(dead_code, reason = "a futex is imitated, not called")]
#[path = "../src/word.rs"]
mod word;

#[path = "loom/chance.rs"]
mod chance;
#[path = "loom/clock.rs"]
mod clock;
#[allow(dead_code, reason = "nobody asks whether it is a member")]
#[path = "loom/context.rs"]
mod context;
#[allow(dead_code, reason = "as for `context.rs`")]
#[path = "loom/header.rs"]
mod header;
#[path = "loom/interrupt.rs"]
mod interrupt;
#[path = "loom/late.rs"]
mod late;
#[path = "loom/lock.rs"]
mod lock;
#[path = "loom/park.rs"]
mod park;

#[path = "loom/suspicion.rs"]
mod suspicion;

#[path = "loom/computer.rs"]
mod computer;
#[path = "loom/delivery.rs"]
mod delivery;
#[path = "loom/ending.rs"]
mod ending;
#[path = "loom/lining_up.rs"]
mod lining_up;
#[path = "loom/membership.rs"]
mod membership;
#[path = "loom/mpsc.rs"]
mod mpsc;
#[path = "loom/parking.rs"]
mod parking;
#[path = "loom/pool.rs"]
mod pool;
#[path = "loom/queue.rs"]
mod queue;
#[path = "loom/several.rs"]
mod several;
#[path = "loom/sleeping.rs"]
mod sleeping;
#[path = "loom/stand_in.rs"]
mod stand_in;
#[path = "loom/sync.rs"]
mod sync;

/// Runs `model` through its interleavings, those with at most `preemptions` if that is given.
fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || late::with_heap(|| park::with_parkers(&model)));
}
