//! Green threads in the way of Python's gevent.

pub use greenloop_net as net;
pub use greenloop_runtime::thread;
pub use greenloop_runtime::{
    Builder, JoinHandle, Joinable, Killed, LocalJoinHandle, Runtime, RuntimeBuilder, Scope,
    ScopedJoinHandle, Source, joinall, run, scope, sleep, spawn, spawn_blocking, spawn_later,
    spawn_local, yield_now,
};
