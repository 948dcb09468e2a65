//! The runtime of greenloop: scheduler, coroutines, stacks, reactor, timers.
//!
//! Use it through the `greenloop` crate, whose documentation is the guide. How it works is told in
//! `ARCHITECTURE.md`.

mod abort;
mod atomic;
mod birth;
mod blocking;
#[doc(hidden)]
pub mod cast;
mod chance;
mod clock;
mod config;
mod context;
mod coroutine;
mod delayed;
mod extra;
mod fifo;
#[doc(hidden)]
pub mod foreign;
mod futex;
mod future;
mod generator;
mod header;
mod hub;
mod idle;
mod inbox;
pub mod inspect;
mod interrupt;
mod join;
mod joinall;
mod killed;
mod latency;
mod link;
pub mod locals;
mod lock;
mod loop_exit;
mod owner;
mod panic_count;
mod park;
pub mod pool;
pub mod queue;
mod reactor;
#[doc(hidden)]
pub mod readiness;
mod ready;
mod reason;
mod remote;
mod request;
mod sample;
mod scheduler;
mod scope;
mod select;
mod source;
mod spawn;
mod stack;
mod storage;
mod suspicion;
pub mod sync;
pub mod thread;
mod thread_pointer;
mod timeout;
mod timer;
mod wait_queue;
mod waitable;
mod word;
mod worker;

pub use blocking::spawn_blocking;
pub use config::{Runtime, RuntimeBuilder};
#[doc(hidden)]
pub use context::are_hooks_off;
pub use delayed::Timer;
pub use future::{JoinFuture, block_on};
pub use generator::{Generator, Yielder};
pub use hub::run;
pub use interrupt::shield;
pub use join::{JoinHandle, LocalJoinHandle};
pub use joinall::{Joinable, joinall, joinall_timeout, killall};
pub use killed::Killed;
pub use loop_exit::{LoopExit, run_strict};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use select::{GetFrom, PutInto, Select};
pub use source::Source;
#[doc(hidden)]
pub use spawn::spread_next_spawn;
pub use spawn::{Builder, spawn, spawn_later, spawn_local, yield_now};
#[doc(hidden)]
pub use stack::force_mprotect_guards;
pub use thread::sleep;
pub use timeout::{Elapsed, timeout};
pub use waitable::{IWait, Waitable, iwait, wait, wait_any};
