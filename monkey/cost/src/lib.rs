//! What the monkey patch costs: the samples that `cost` compares, each a process of its own.
//!
//! Nothing here names the `greenloop` crate, so that `plain` is a program without the crate that
//! defines libc's calls: `linked` is the same program with it.
//!
//! | module | what it owns |
//! |---|---|
//! | [`program`] | the command line of a sample |
//! | [`calls`] | the C library's calls |
//! | [`green`] | what green threads do: yields, parks, spawns, memory |
//! | [`echo`] | an echo server |
//! | [`place`] | what a sample runs on |

pub mod calls;
pub mod echo;
pub mod green;
#[path = "../../../benches/src/machine.rs"]
pub mod machine;
pub mod place;
pub mod program;
#[path = "../../../benches/src/report.rs"]
pub mod report;
