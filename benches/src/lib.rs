//! Greenloop beside its peers: the same small programs on each runtime, and what measures them.
//!
//! | module | what it owns |
//! |---|---|
//! | [`micro`] | the micro benchmarks: one row, one runtime, one JSON line |
//! | [`serve`] | an echo and an HTTP server on each runtime |
//! | [`load`] | the load generator for them |
//! | [`peers`] | those that are no Rust programs, and whether they are installed |
//! | [`sample`] | one measurement in a process of its own |
//! | [`server`] | one measurement of a server: its load, its memory, its system calls |
//! | [`table`] | rounds of samples, their medians and ratios, as Markdown |
//! | [`plot`] | the same as pictures |
//! | [`soak`] | minutes of everything at once, with exact counts and flat memory |
//! | [`hot`] | the hot paths, so many times: their instructions are counted |
//! | [`report`] | what a benchmark measures of its own process |
//! | [`suite`] | who runs which rows: what `compare` prints and draws |
//! | [`machine`] | which machine this is, and who else uses it |

pub mod hot;
pub mod load;
pub mod machine;
pub mod micro;
pub mod peers;
pub mod plot;
pub mod report;
pub mod sample;
pub mod serve;
pub mod server;
pub mod soak;
pub mod suite;
pub mod table;

use clap::ValueEnum;

/// Whose threads are measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Runtime {
    Greenloop,
    /// Tasks on tokio's workers.
    Tokio,
    /// Tasks on tokio's current-thread scheduler.
    TokioCt,
    May,
    /// std's threads.
    Threads,
    /// Switches of corosensei's coroutines, with nothing around them: the limit.
    Corosensei,
    /// A loop over epoll, with nothing around it: the limit for servers.
    Epoll,
}
