//! The stress of `tests/it/stress.rs` alone, for a release build: building all tests so takes
//! minutes.
//!
//! `cargo test --release --test stress`. Without it, `cargo test` runs them with all others.
#![allow(dead_code, reason = "modules that other tests share")]

#[path = "../it/stress.rs"]
mod stress;
#[path = "../it/within.rs"]
mod within;
