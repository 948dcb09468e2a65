//! Seeing what a running program does: every green thread, what it waits for and since when, where
//! it was spawned and by whom, where it is now, and how much of its stack it uses.
//!
//! [`dump`] and [`dump_with`] take a [`Dump`]; [`on_signal`] prints one whenever the process gets
//! `SIGQUIT` (Ctrl-\\ at a terminal), [`on_panic`] when the caller panics; [`measure_stacks`] and
//! [`stacks`] say how large stacks have to be.
//!
//! Green threads that wait for each other's locks or ends are always looked for: the log and
//! [`on_deadlock`] name all of them, and [`deadlocks`] keeps the last ones. [`monitor`] says who
//! holds a worker for too long, and where; [`assert_yields`] does so in a test. [`metrics`] counts
//! what workers have done.
//!
//! Nothing is stopped for a dump, and nothing is kept for it while none is taken. So it shows each
//! green thread as it was at some moment while the dump was taken: who was there all the time is
//! in it, who came or went meanwhile may be.
//!
//! # Examples
//!
//! ```
//! use greenloop::{Builder, inspect, thread};
//!
//! let parked = Builder::new().name("parked".into()).spawn(thread::park)?;
//! while !inspect::dump().to_string().contains("waiting to be unparked") {
//!     greenloop::yield_now();
//! }
//! let dump = inspect::dump();
//! let entry = dump.iter().find(|it| it.name() == Some("parked")).unwrap();
//! assert_eq!(entry.state(), inspect::State::Waiting);
//! parked.thread().unpark();
//! parked.join().unwrap();
//! # std::io::Result::Ok(())
//! ```

mod assert_yields;
mod callbacks;
mod census;
mod cycles;
mod deadlock;
mod descriptor;
mod dump;
mod entry;
mod frames;
mod holder;
#[cfg(feature = "json")]
mod json;
mod metrics;
mod monitor;
pub(crate) mod observer;
mod panic;
mod place;
pub(crate) mod printable;
#[cfg(feature = "metrics")]
mod prometheus;
mod questions;
mod search;
mod signal;
#[cfg(feature = "tracing")]
mod spans;
mod stacks;
mod stderr;
mod tree;
mod wait;
mod whose;
mod worker;

pub use self::assert_yields::assert_yields;
pub(crate) use self::census::jobs;
pub(crate) use self::deadlock::is_heard;
pub use self::deadlock::{Deadlock, Member, deadlocks, on_deadlock};
pub use self::descriptor::{Descriptor, Socket};
pub use self::dump::{Dump, Options, dump, dump_with};
pub use self::entry::{Backtrace, GreenThread, Kind, State};
pub use self::frames::Frames;
pub use self::holder::Holder;
pub use self::metrics::{Latencies, Metrics, WorkerMetrics, metrics};
pub(crate) use self::monitor::monitor_if_wanted;
pub use self::monitor::{Blocked, monitor, offences, on_blocked};
pub use self::observer::{Observed, Observer, observe};
pub use self::panic::on_panic;
pub(crate) use self::panic::{see, show};
pub use self::place::Place;
pub(crate) use self::search::{Looked, Search, YOUNG};
pub use self::signal::on_signal;
#[cfg(feature = "tracing")]
pub use self::spans::trace_spans;
pub use self::stacks::{SiteUse, measure_stacks, stacks};
pub use self::wait::Wait;
pub(crate) use self::wait::owner_verb;
pub use self::worker::{Activity, Worker};
pub use crate::reason::Thing;
