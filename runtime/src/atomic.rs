//! The atomics of the lock-free protocols, named in one place so that the loom models can put
//! loom's in theirs.
//!
//! `runtime/tests/loom.rs` compiles `word.rs`, `inbox.rs` and `idle.rs`, the files that run,
//! against loom's types.

pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
