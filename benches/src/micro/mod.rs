//! The micro benchmarks: their names and sizes, and who runs them.

mod async_fairness;
mod async_growth;
mod async_rows;
mod async_toolkit;
mod bare_rows;
mod fairness;
mod greenloop;
mod growth;
mod may;
mod os;
mod rows;
mod toolkit;

use crate::Runtime;
use crate::report::{self, Report};
use rows::Threads;

/// The names of all rows, in the order of the tables.
pub const NAMES: [&str; 23] = [
    "switch",
    "spawn_seq",
    "spawn_1k",
    "spawn_join_100k",
    "spawn_join_1m",
    "yield_2",
    "yield_1k",
    "yield_100k",
    "sleep_100k",
    "park_10k",
    "park_100k",
    "park_1m",
    "mutex",
    "mutex_1k",
    "mutex_1k_hold",
    "mpsc_1_1",
    "mpsc_4_1",
    "pingpong",
    "queue",
    "queue_across",
    "select_2",
    "select_2_1k",
    "pool_map",
];

/// How cost grows with the number after the sign.
pub const GROWTH: [&str; 16] = [
    "spawn@10",
    "spawn@1000",
    "spawn@100000",
    "spawn@1000000",
    "yield@10",
    "yield@1000",
    "yield@100000",
    "yield@1000000",
    "timer@10",
    "timer@1000",
    "timer@100000",
    "timer@1000000",
    "wake@10",
    "wake@1000",
    "wake@100000",
    "wake@1000000",
];

/// Fairness and balance.
pub const FAIRNESS: [&str; 4] = ["waiter_spinners", "waiter_busy", "balance_1k", "stuck_2s"];

/// The names of all that there are.
pub fn all() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(GROWTH).chain(FAIRNESS)
}

/// Spawns of `spawn_seq`.
const SPAWNS: usize = 200_000;
/// Rounds of `spawn_1k`, of a thousand spawns each.
const SPAWN_ROUNDS: usize = 300;
/// Yields of each `yield_*`, of all tasks together.
const YIELDS: usize = 2_000_000;
/// Tasks of `sleep_100k`.
const SLEEPERS: usize = 100_000;
/// Times that `mutex` locks and unlocks.
const LOCKS: usize = 20_000_000;
/// Those that share the mutex of `mutex_1k*`.
const LOCKERS: usize = 1000;
/// How often each of them locks it.
const MUTEX_ROUNDS: usize = 500;
const HOLD_ROUNDS: usize = 100;
/// Messages of `mpsc_*`, of all senders together, and the room for them.
const MESSAGES: usize = 2_000_000;
const CAPACITY: usize = 1024;
/// Round trips of `pingpong` and `queue*`.
const HANDOFFS: usize = 300_000;
/// Items that `select_2*` takes, of both together.
const SELECTED: usize = 1_000_000;
/// Jobs of `pool_map`, and how many of them run at once.
const JOBS: usize = 100_000;
const POOL: usize = 100;

/// A row and the number in its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Row {
    Switch,
    SpawnSeq,
    /// So many at a time, again and again.
    SpawnBatches(usize),
    SpawnJoin(usize),
    Yield(usize),
    Sleep,
    Park(usize),
    Tool(Tool),
    /// With so many at once.
    Grow(Growth, usize),
    Fair(Fairness),
}

/// What grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Growth {
    Spawn,
    Yield,
    Timer,
    Wake,
}

/// What is to be fair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fairness {
    /// One that waits for the network beside spinners. `busy`: they compute between their yields.
    Waiter { busy: bool },
    /// Connections that stay.
    Balance,
    /// Unstarted ones behind a computation.
    Stuck,
}

/// What is shared, in the rows of that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Tool {
    /// A mutex that nobody else wants.
    Lock,
    /// One that a thousand want. `holds`: also while its owner yields.
    Mutex {
        holds: bool,
    },
    /// A channel with so many senders.
    Mpsc(usize),
    Pingpong,
    /// The same by queues. `apart`: each side on a worker of its own.
    Queue {
        apart: bool,
    },
    /// Of two queues with room for so many.
    Select(usize),
    PoolMap,
}

impl Row {
    fn of(name: &str) -> Option<Row> {
        Some(match name {
            "switch" => Row::Switch,
            "spawn_seq" => Row::SpawnSeq,
            "spawn_1k" => Row::SpawnBatches(1000),
            "spawn_join_100k" => Row::SpawnJoin(100_000),
            "spawn_join_1m" => Row::SpawnJoin(1_000_000),
            "yield_2" => Row::Yield(2),
            "yield_1k" => Row::Yield(1000),
            "yield_100k" => Row::Yield(100_000),
            "sleep_100k" => Row::Sleep,
            "park_10k" => Row::Park(10_000),
            "park_100k" => Row::Park(100_000),
            "park_1m" => Row::Park(1_000_000),
            _ => return Row::of_other(name),
        })
    }

    fn of_other(name: &str) -> Option<Row> {
        Some(match name {
            "waiter_spinners" => Row::Fair(Fairness::Waiter { busy: false }),
            "waiter_busy" => Row::Fair(Fairness::Waiter { busy: true }),
            "balance_1k" => Row::Fair(Fairness::Balance),
            "stuck_2s" => Row::Fair(Fairness::Stuck),
            _ => match name.split_once('@') {
                Some((kind, count)) => Row::Grow(Growth::of(kind)?, count.parse().ok()?),
                None => Row::Tool(Tool::of(name)?),
            },
        })
    }

    /// Whether it means something on one thread only, or where each has its own.
    fn fits(self, setting: Setting) -> bool {
        match self {
            Row::Tool(Tool::Queue { apart: true }) => setting.has_two_threads(),
            Row::Fair(Fairness::Balance | Fairness::Stuck) => {
                setting.has_two_threads() && setting.runtime != Runtime::Threads
            }
            _ => true,
        }
    }
}

impl Growth {
    fn of(kind: &str) -> Option<Growth> {
        Some(match kind {
            "spawn" => Growth::Spawn,
            "yield" => Growth::Yield,
            "timer" => Growth::Timer,
            "wake" => Growth::Wake,
            _ => return None,
        })
    }
}

impl Tool {
    fn of(name: &str) -> Option<Tool> {
        Some(match name {
            "mutex" => Tool::Lock,
            "mutex_1k" => Tool::Mutex { holds: false },
            "mutex_1k_hold" => Tool::Mutex { holds: true },
            "mpsc_1_1" => Tool::Mpsc(1),
            "mpsc_4_1" => Tool::Mpsc(4),
            "pingpong" => Tool::Pingpong,
            "queue" => Tool::Queue { apart: false },
            "queue_across" => Tool::Queue { apart: true },
            "select_2" => Tool::Select(1),
            "select_2_1k" => Tool::Select(CAPACITY),
            "pool_map" => Tool::PoolMap,
            _ => return None,
        })
    }
}

/// On which threads of its own a runtime runs the rows.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub runtime: Runtime,
    /// None: as many as the runtime likes.
    pub workers: Option<usize>,
    /// Greenloop alone: inside `greenloop::run`.
    pub hub: bool,
}

impl Setting {
    fn has_two_threads(self) -> bool {
        self.runtime != Runtime::TokioCt && !self.hub && self.workers != Some(1)
    }
}

/// Runs the row `name`; none if the runtime does not have it. A limit that is met is a report too.
pub fn run(name: &'static str, setting: Setting) -> Option<Report> {
    let row = Row::of(name).filter(|row| row.fits(setting))?;
    let result = match setting.runtime {
        Runtime::Greenloop if row == Row::Switch => bare_rows::run(name, row),
        Runtime::Greenloop => greenloop::Green::run(name, row, setting),
        Runtime::May => may::May::run(name, row, setting),
        Runtime::Threads => os::Os::run(name, row, setting),
        Runtime::Tokio | Runtime::TokioCt => async_rows::run(name, row, setting),
        Runtime::Corosensei => bare_rows::run(name, row),
        Runtime::Epoll => return None,
    };
    result.unwrap_or_else(|why| Some(report::failure(name, &why)))
}

/// A report, none if there is no such row, or why a limit ended it.
type Outcome = Result<Option<Report>, String>;
