//! Monkey patching: unmodified blocking code, Rust or C, waits on green threads. Use it through the
//! `greenloop` crate, as `greenloop::monkey` (feature `monkey`).
//!
//! This crate defines the C library's blocking calls in the program itself, so that std and every C
//! library that the program links resolve to them. Nothing is patched until [`patch_all`] (or one of
//! the others) is called; until then, and on every OS thread and light green thread afterwards, they
//! are the plain calls.

#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod block;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod descriptor;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod destructors;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod hooks;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod image;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod kernel;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod lot;
mod patch;
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod real;

pub use patch::{Group, PatchError, Patched, is_patched, patch_all};

/// Ends the process for a reason that is no bug of this crate's.
#[cold]
fn abort(why: std::fmt::Arguments<'_>) -> ! {
    greenloop_runtime::foreign::abort(why)
}
