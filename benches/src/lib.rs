//! Greenloop beside its peers: the same small programs on each runtime, and what is needed to measure them.
//!
//! | module | what it owns |
//! |---|---|
//! | [`micro`] | the micro benchmarks: one row, one runtime, one JSON line |
//! | [`echo`] | an echo server on each runtime |
//! | [`load`] | the load generator for them |
//! | [`sample`] | one measurement: a process of its own, or a server and its load |
//! | [`table`] | rounds of samples, their medians and ratios, as Markdown |
//! | [`report`] | what a benchmark measures of its own process |
//! | [`machine`] | which machine this is, and who else uses it |

pub mod echo;
pub mod load;
pub mod machine;
pub mod micro;
pub mod report;
pub mod sample;
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
}
