//! `greenloop::sync`: std's and gevent's ways to share and to wait, for green threads and OS threads.
//!
//! Those of `std::sync` have its names, signatures, errors and poisoning, so that porting a program is a
//! change of `use` lines; what waits parks a green thread, and blocks an OS thread. The others are
//! gevent's and `threading`'s: [`Event`], [`AsyncResult`], [`Semaphore`], [`BoundedSemaphore`],
//! [`ReentrantMutex`] (`RLock`).
//!
//! Waking never yields, and whoever has waited longest is woken first. What is free is taken without a
//! wait, and without a yield. A kill or a [`timeout`](crate::timeout()) unwinds out of any of these
//! waits; what the victim had already been given goes to the next one. Locks are poisoned by panics,
//! never by a kill or timeout.

mod async_result;
mod barrier;
mod bounded_semaphore;
mod condvar;
mod event;
mod lazy_lock;
pub mod mpsc;
mod mutex;
mod once;
mod once_lock;
mod owned;
mod permits;
mod poison;
mod raw_rwlock;
mod reentrant;
mod rwlock;
mod semaphore;

pub use async_result::AsyncResult;
pub use barrier::{Barrier, BarrierWaitResult};
pub use bounded_semaphore::{BoundedSemaphore, BoundedSemaphorePermit, OverReleased};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use lazy_lock::LazyLock;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceState};
pub use once_lock::OnceLock;
pub use reentrant::{ReentrantMutex, ReentrantMutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Semaphore, SemaphorePermit};
pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};

use crate::clock;

/// A [`Once`] that has not been done.
#[deprecated(note = "replaced by `Once::new()`, as in std")]
#[expect(
    clippy::declare_interior_mutable_const,
    reason = "std's name, for statics"
)]
pub const ONCE_INIT: Once = Once::new();

/// Has `deadline` come? Without looking at the clock if it never does.
fn is_over(deadline: u64) -> bool {
    deadline != clock::NEVER && clock::now() >= deadline
}
