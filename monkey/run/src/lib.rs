//! What `greenloop-run` preloads into a program: its threads, `main` among them, become green
//! threads.
//!
//! Experimental. See the README for what it is, and for what it refuses. Loaded without the
//! command, it changes nothing.

#[cfg(patchable)]
mod attributes;
#[cfg(patchable)]
mod children;
#[cfg(patchable)]
mod create;
#[cfg(patchable)]
mod front;
#[cfg(patchable)]
mod handover;
#[cfg(patchable)]
mod identity;
#[cfg(patchable)]
mod jump;
#[cfg(patchable)]
mod mask;
#[cfg(patchable)]
mod shim;
#[cfg(patchable)]
mod signals;
#[cfg(patchable)]
mod start;
#[cfg(patchable)]
mod threads;
