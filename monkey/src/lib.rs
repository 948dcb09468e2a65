//! Monkey patching: unmodified blocking code, Rust or C, waits on green threads. Use it through the
//! `greenloop` crate, as `greenloop::monkey` (feature `monkey`).
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//!
//! greenloop::monkey::patch_all()?; // std::net below now yields
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = greenloop::spawn(move || listener.accept()?.0.write_all(b"hello"));
//! let client = greenloop::spawn(move || {
//!     let mut text = String::new();
//!     TcpStream::connect(address)?.read_to_string(&mut text)?;
//!     std::io::Result::Ok(text)
//! });
//! assert_eq!(client.join().unwrap()?, "hello");
//! server.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate defines the C library's blocking calls in the program itself, so that std and every C
//! library that the program links resolve to them. Nothing is patched until [`patch_all`] (or one
//! of the others) is called; until then, and on every OS thread and light green thread afterwards,
//! a wait is the plain call. Call it first thing in `main`, before there are other threads.
//!
//! # Two kinds of green threads
//!
//! From the first patch on, spawned green threads are *full* ones: each has a block of thread-local
//! storage of its own, so that to any library it is a thread, with `thread_local!`s, `errno` and a
//! `thread::current()` of its own. Their destructors run at its end, on its own stack. A full one
//! costs a sleeping kernel thread, about 13 KiB and 16 KiB of kernel stack, and a switch of some 40
//! instead of 10 ns; blocks are used again. `Builder::own_tls(false)` makes a *light* one, for code
//! that waits through `greenloop` alone. Light ones share the thread-locals of their worker, and
//! hooks never wait on them: to let two of them into a library that keeps state per thread (tokio,
//! rayon, parking_lot) would not be sound.
//!
//! # What yields, on a full green thread
//!
//! | calls | |
//! |---|---|
//! | `read`, `recv`, `write`, `send`, `accept`, `connect` and their families, `splice`, `sendfile` | a blocking `send` sends all; `SO_RCVTIMEO` and `SO_SNDTIMEO` hold, `SO_RCVLOWAT` does not; a non-blocking descriptor keeps `EAGAIN`; not with `MSG_FASTOPEN`, nor `recvmmsg` of a stream with `MSG_WAITALL`: those block |
//! | `poll`, `select`, `epoll_wait` and their families | not with a mask of signals: that blocks |
//! | `sleep`, `nanosleep`, `clock_nanosleep`, … | not by a clock of processor time: that blocks |
//! | `getaddrinfo` and the other look-ups | on the blocking pool |
//! | `waitpid` and its family, `sigwait` and its family, `system` | signals are looked for every 16 ms at least; `sigsuspend` blocks |
//! | mutexes, conditions, reader-writer locks, semaphores, barriers, `pthread_once`, `pthread_join`, and futexes by `syscall`: so all of `std::sync` and `std::thread` | shared between processes: looked at every 5 ms |
//! | `flock`, `lockf`, `fcntl` locks, opening a named pipe | |
//! | regular files | with [`patch_fs`] only: on the blocking pool |
//!
//! Joins of OS threads, `system` and named pipes may wait for what another green thread does. So
//! they take no place in the blocking pool: each that waits has a helper thread beside it. Calls
//! that go through without a wait let the other green threads run now and then.
//!
//! Waking calls (unlocking, signalling, closing) act from every thread. `close`, `dup2` and
//! `close_range` wake those who wait for the descriptor, with `EBADF`.
//!
//! # Kills and timeouts
//!
//! A wait in a hook never unwinds, as there may be frames of C above it. An I/O call or `poll` that
//! is cut returns `ECANCELED`, while the kill is pending; `greenloop::timeout` around it is
//! `Err(Elapsed)`. Waits without a usable error (locks, joins, sleeps, look-ups) are not cut: the
//! kill takes effect at the next wait that can be. Calls are not ended by signals (`EINTR`).
//!
//! # What does not yield
//!
//! * Standard output and error, unless they are sockets: a yield there would let others into their
//!   locks.
//! * Code that spins without a call; the C library's calls within itself (`fread`, `getaddrinfo`'s
//!   own sockets); libraries opened with `RTLD_DEEPBIND`; `io_uring`; system calls that a crate
//!   makes by the bare instruction (rustix).
//! * A lock that is held by a full green thread and wanted by a light one, or by a worker's own
//!   code (a logger), blocks that worker.
//! * A signal handler on the alternate stack (`SA_ONSTACK`) blocks its worker. One on the stack of
//!   the green thread that it has interrupted can't be told from it: it must make no call that
//!   waits, even one that is safe in handlers elsewhere, since others would run while it has
//!   interrupted an allocator or greenloop itself, with its signal blocked. Nor may it post a
//!   semaphore or end a descriptor that a green thread waits for.
//!
//! What a hook could not wait for, it says through `log` at DEBUG, target `greenloop::monkey`, with
//! the call and the green thread's name: that is how to see what was missed.
//!
//! # What is refused
//!
//! [`PatchError`] says why nothing was patched: another system, a symbol that does not resolve to
//! this crate (a library in `LD_PRELOAD`, a `cdylib` in a foreign program, a statically linked C
//! library), a self-check that did not go through, or an allocator that does not bear it (one that
//! uses restartable sequences, as Google's tcmalloc, or takes the C library's mutexes, as
//! jemalloc). After the patch, `setuid` and its family fail with `EPERM` while there are other full
//! green threads: change ids first. `pthread_cancel` of a green thread fails with `ESRCH`; an OS
//! thread is cancelled in the same calls as ever. After `fork`, only `exec` or `_exit` may follow
//! in the child.
//!
//! | system | |
//! |---|---|
//! | Linux, glibc, x86_64 | tested with glibc 2.36 on Linux 6.18; without `FSGSBASE` a switch costs a system call |
//! | Linux, glibc, aarch64 | compiles; was not run |
//! | any other | compiles; every patch function is an error that says so |

#[cfg(patchable)]
mod block;
#[cfg(patchable)]
mod check;
#[cfg(not(patchable))]
#[path = "elsewhere.rs"]
mod check;
#[cfg(patchable)]
mod descriptor;
#[cfg(patchable)]
mod destructors;
mod error;
#[cfg(patchable)]
mod hooks;
#[cfg(patchable)]
mod image;
#[cfg(patchable)]
mod kernel;
#[cfg(patchable)]
mod lot;
#[cfg(patchable)]
mod mode;
#[cfg(patchable)]
mod observe;
#[cfg(patchable)]
mod offload;
#[cfg(patchable)]
mod own;
#[cfg_attr(not(patchable), allow(dead_code))] // nobody calls a hook there
mod patch;
#[cfg(patchable)]
mod probe;
#[cfg(patchable)]
#[doc(hidden)]
pub mod program;
#[cfg(patchable)]
mod real;
#[cfg(patchable)]
mod robust;
#[cfg(patchable)]
mod rseq;
#[cfg(patchable)]
mod vectors;

pub use error::{PatchError, PatchErrorKind};
pub use patch::{
    Group, Patched, is_patched, patch_all, patch_dns, patch_fs, patch_process, patch_socket,
    patch_sync, patch_time,
};

/// Ends the process for a reason that is no bug of this crate's.
#[cfg(patchable)]
#[cold]
fn abort(why: std::fmt::Arguments<'_>) -> ! {
    greenloop_runtime::foreign::abort(why)
}
