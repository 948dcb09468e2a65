//! Monkey patching: unmodified blocking code, Rust or C, waits on green threads. Use it through the
//! `greenloop` crate, as `greenloop::monkey` (feature `monkey`).
//!
//! This crate defines the C library's blocking calls in the program itself, so that std and every C
//! library that the program links resolve to them. Nothing is patched until [`patch_all`] (or one of
//! the others) is called; until then, and on every OS thread and light green thread afterwards, they
//! are the plain calls.

#[cfg(patchable)]
mod block;
#[cfg(patchable)]
mod check;
#[cfg(not(patchable))]
#[path = "elsewhere.rs"]
mod check;
#[cfg(patchable)]
mod descriptor;
#[cfg(patchable)]
mod destructors;
mod error;
#[cfg(patchable)]
mod hooks;
#[cfg(patchable)]
mod image;
#[cfg(patchable)]
mod kernel;
#[cfg(patchable)]
mod lot;
#[cfg(patchable)]
mod mode;
#[cfg(patchable)]
mod observe;
#[cfg(patchable)]
mod offload;
#[cfg(patchable)]
mod own;
#[cfg_attr(not(patchable), allow(dead_code))] // nobody calls a hook there
mod patch;
#[cfg(patchable)]
mod probe;
#[cfg(patchable)]
#[doc(hidden)]
pub mod program;
#[cfg(patchable)]
mod real;
#[cfg(patchable)]
mod rseq;
#[cfg(patchable)]
mod vectors;

pub use error::{PatchError, PatchErrorKind};
pub use patch::{
    Group, Patched, is_patched, patch_all, patch_dns, patch_fs, patch_process, patch_socket,
    patch_sync, patch_time,
};

/// Ends the process for a reason that is no bug of this crate's.
#[cfg(patchable)]
#[cold]
fn abort(why: std::fmt::Arguments<'_>) -> ! {
    greenloop_runtime::foreign::abort(why)
}
