//! Green threads in the way of Python's gevent: plain blocking-style code, thousands at once, on
//! every core.
//!
//! A green thread is a closure with a stack of its own. Where an OS thread would block (a socket, a
//! sleep, a join), a green thread steps aside and its OS thread runs another one. There is no
//! `async`, no attribute on `main` and no second colour of function: every call here works on a
//! green thread, which it parks, and on an ordinary OS thread, which it blocks.
//!
//! ```
//! use greenloop::net::{TcpListener, TcpStream};
//! use greenloop::{joinall, spawn};
//! use std::io::{Read, Write};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! spawn(move || {
//!     for stream in listener.incoming() {
//!         let mut stream = stream.unwrap();
//!         spawn(move || std::io::copy(&mut stream.try_clone()?, &mut stream));
//!     }
//! });
//!
//! let clients = (0..100).map(|n| spawn(move || -> std::io::Result<String> {
//!     let mut stream = TcpStream::connect(address)?;
//!     write!(stream, "I am client {n}")?;
//!     stream.shutdown(std::net::Shutdown::Write)?;
//!     let mut echo = String::new();
//!     stream.read_to_string(&mut echo)?;
//!     Ok(echo)
//! }));
//! for (n, echo) in joinall(clients).into_iter().enumerate() {
//!     assert_eq!(echo.unwrap()?, format!("I am client {n}"));
//! }
//! # std::io::Result::Ok(())
//! ```
//!
//! # Spawning
//!
//! [`spawn`] takes what `std::thread::spawn` takes and returns a [`JoinHandle`]; [`joinall`] waits
//! for many; [`scope`] lets them borrow; [`Builder`] gives a name and a stack size, and an
//! [`std::io::Error`] instead of a panic when the machine's limits are met;
//! [`spawn_later`] delays; [`spawn_blocking`] runs a call that would hold up a worker on an OS
//! thread. Whoever ports a program finds std's names in [`thread`] and [`net`]: it is a change of
//! `use` lines.
//!
//! A spawned closure never runs at once: it goes to the end of a queue, as do yields and wake-ups,
//! and a queue is served in strict order. A green thread runs until it waits: a long computation
//! holds up the green threads that have started on the same worker (those that have not, go
//! elsewhere), and wants [`spawn_blocking`] or a [`yield_now`] now and then.
//!
//! # Where they run
//!
//! By default there is a worker (an OS thread) a core, started at the first spawn.
//! `GREENLOOP_WORKERS` and [`Runtime::builder`] say otherwise. A green thread stays on the worker
//! that first ran it, so what its stack holds need not be `Send`: an `Rc`, a `RefCell`, a lock's
//! guard may live across a wait.
//!
//! [`run`] is gevent exactly: it makes the calling thread a hub, on which everything spawned inside
//! stays. Nothing runs in parallel, code between two waits is atomic, and [`spawn_local`] takes
//! closures that are not `Send`.
//!
//! # Ending, waiting, sharing
//!
//! [`timeout`] bounds the time of any code that waits, and [`JoinHandle::kill`] ends a green thread
//! where it waits: both unwind it, so that destructors run, and nothing that was handed over is
//! lost. [`shield`] holds them back. [`sync`] has std's locks and channels and gevent's semaphores
//! and events; [`queue`] gevent's queues; [`Select`] waits for several of them; [`pool`] bounds how
//! many run at once; [`green_local!`] is a green thread's own `thread_local!`; [`block_on`] and
//! awaiting a handle are the bridge to async code.
//!
//! # What to mind
//!
//! * Only waits that go through this crate step aside. `std::thread::sleep`, std's sockets, and C
//!   libraries block the worker.
//! * A `std::sync::Mutex` that is held across a wait, and wanted by another green thread of the
//!   same worker, blocks that worker for good.
//! * Green threads of one worker share its thread-locals. A wait inside `LocalKey::with` lets
//!   another one in: a borrowed `RefCell` there panics, and a scoped-TLS crate may even be made
//!   unsafe by it. So may std itself by a wait inside a `thread_local!`'s initialiser: never wait
//!   there. What is to be a green thread's own is a [`green_local!`].
//! * Do not wait inside of a panic hook: std counts hooks per OS thread.
//! * When `main` returns, the process ends, and green threads with it. Join what matters.
//!
//! # Stacks
//!
//! Each green thread has 192 KiB of stack unless [`Builder::stack_size`] or `GREENLOOP_STACK_SIZE`
//! (in bytes) says otherwise, of which only the pages that it touches take memory: most often one
//! of 4 KiB. Below it lies a guard. A green thread that runs into it ends the process with `green
//! thread 'NAME' (spawned at FILE:LINE) has overflowed its stack (N KiB)`.
//!
//! # Seeing what it does
//!
//! [`inspect::dump`] tells of every green thread what it waits for and since when, where it was
//! spawned and by whom, how much of its stack it uses, and where it is now; and of every worker
//! what it runs, and whether it hangs. [`inspect::on_signal`] prints that on `SIGQUIT`.
//!
//! A cycle of green threads that wait for each other's locks or ends is a WARN in the log, which
//! names each with its lock and the place where it was spawned ([`inspect::on_deadlock`]); a [`run`]
//! whose green threads can never go on panics with the list of them, and a [`run_strict`] unwinds
//! its first one, by gevent's rule. [`inspect::monitor`], or `GREENLOOP_MONITOR=1`, says who holds a
//! worker for longer than 100 ms, and where; [`inspect::metrics`] counts.
//!
//! # Panics
//!
//! A panic ends its green thread and goes to whoever joins, with its payload, as with std's
//! threads. It harms no other.
//!
//! # Log
//!
//! Through the [`log`](https://docs.rs/log) crate. WARN: something that the program should know of,
//! but that was dealt with (a green thread that did not end with its `run`, a thread that could not
//! be started), or that only the program can deal with: green threads that wait for each other's
//! locks or ends, with who holds what ([`inspect::on_deadlock`]). DEBUG: the start of the runtime.
//! ERROR is not used; the fault of a peer is never logged.

pub mod inspect;

#[cfg(feature = "monkey")]
pub use greenloop_monkey as monkey;
pub use greenloop_net as net;
pub use greenloop_os::{fs, io, prefork, process, signal};
pub use greenloop_runtime::{
    Builder, Elapsed, Generator, GetFrom, IWait, JoinFuture, JoinHandle, Joinable, Killed,
    LocalJoinHandle, LoopExit, PutInto, Runtime, RuntimeBuilder, Scope, ScopedJoinHandle, Select,
    Source, Timer, Waitable, Yielder, block_on, green_local, iwait, joinall, joinall_timeout,
    killall, run, run_strict, scope, shield, sleep, spawn, spawn_blocking, spawn_later,
    spawn_local, timeout, wait, wait_any, yield_now,
};
#[doc(hidden)]
pub use greenloop_runtime::{are_hooks_off, force_mprotect_guards};
pub use greenloop_runtime::{locals, pool, queue, sync, thread};

/// The README, whose examples are compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
