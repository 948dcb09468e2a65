//! Processes, signals, files and standard streams, for green threads and OS threads alike.
//!
//! [`process`], [`fs`] and [`io`] have the names, signatures and [error
//! kinds](std::io::ErrorKind) of std's modules, so that porting a program is a change of `use`
//! lines; [`signal`] and [`prefork`] are what std lacks. What waits parks a green thread, so that
//! its worker runs the others, and blocks an OS thread.
//!
//! ```
//! use greenloop::process::Command;
//! use greenloop::{fs, spawn};
//!
//! let listing = spawn(|| Command::new("ls").output()); // a process
//! let manifest = spawn(|| fs::read_to_string("Cargo.toml")); // a file
//! assert!(listing.join().unwrap()?.status.success());
//! assert!(manifest.join().unwrap()?.contains("[package]"));
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]

mod descriptor;
pub mod fs;
pub mod io;
mod offload;
pub mod prefork;
pub mod process;
pub mod signal;
