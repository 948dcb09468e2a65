//! The atomics of the protocols between threads, named in one place so that the loom models can put
//! loom's in theirs.
//!
//! `runtime/tests/loom.rs` compiles the files that run (`word.rs`, `inbox.rs`, `idle.rs`, and those
//! under locks, queues and channels) against loom's types.

pub(crate) use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
