//! What is tried before anything is patched: full green threads, std's waits, the allocator.
//!
//! It happens in a `run` on an OS thread of its own, whose green threads are the only full ones,
//! and the only ones for which hooks wait. Where a test of the symbols sees who would be called, this
//! sees what happens.

use crate::error::{PatchError, PatchErrorKind};
use crate::patch;
use greenloop_runtime::foreign;
use greenloop_runtime::{Builder, LocalJoinHandle};
use libc::{c_int, pid_t, pthread_t};
use std::cell::Cell;
use std::hint::black_box;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The OS thread of the probe that runs; 0 if none does. Written under the lock of `patch`.
static PROBER: AtomicI32 = AtomicI32::new(0);

/// Does this OS thread run the probe?
pub(crate) fn is_caller() -> bool {
    PROBER.load(Ordering::Relaxed) == thread_id()
}

/// How many mutexes of the C library's the probe has unlocked.
static UNLOCKED: AtomicUsize = AtomicUsize::new(0);

/// Counts a mutex that was unlocked, if the probe did it.
#[inline]
pub(crate) fn note_unlock() {
    if PROBER.load(Ordering::Relaxed) != 0 && is_caller() {
        UNLOCKED.fetch_add(1, Ordering::Relaxed);
    }
}

fn thread_id() -> pid_t {
    // SAFETY: without arguments.
    unsafe { libc::gettid() }
}

pub(crate) fn run() -> Result<(), PatchError> {
    let _probing = patch::probe();
    let name = "greenloop-probe".to_owned();
    let helper = thread::Builder::new().name(name).spawn(|| {
        PROBER.store(thread_id(), Ordering::Relaxed);
        greenloop_runtime::run(try_all)
    });
    let helper = helper.map_err(|error| system(&error))?;
    let result = helper.join();
    // If it has panicked, too.
    PROBER.store(0, Ordering::Relaxed);
    result.unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> PatchError {
    let why = "the self-check has panicked, with the message above".into();
    PatchError::new(PatchErrorKind::System, why)
}

fn system(error: &io::Error) -> PatchError {
    let why = format!("the self-check could not be made: {error}");
    PatchError::new(PatchErrorKind::System, why)
}

fn failed(why: &str) -> PatchError {
    PatchError::new(PatchErrorKind::Probe, why.into())
}

fn try_all() -> Result<(), PatchError> {
    allocator()?;
    allocator_locks()?;
    let shared = Identity::here();
    let full = spawn(true, move || shared.differs().and_then(|()| waits()))?;
    full.join().unwrap_or_else(|_| Err(panicked()))
}

fn spawn<T: 'static>(
    full: bool,
    f: impl FnOnce() -> T + 'static,
) -> Result<LocalJoinHandle<T>, PatchError> {
    let builder = Builder::new().name("greenloop-probe".into()).own_tls(full);
    builder.spawn_local(f).map_err(|error| system(&error))
}

/// What tells one thread from another.
struct Identity {
    pointer: usize,
    pthread: pthread_t,
    errno: *mut c_int,
    std: ThreadId,
}

impl Identity {
    fn here() -> Identity {
        Identity {
            pointer: foreign::thread_pointer(),
            // SAFETY: without arguments.
            pthread: unsafe { libc::pthread_self() },
            // SAFETY: without arguments.
            errno: unsafe { libc::__errno_location() },
            std: thread::current().id(),
        }
    }

    /// Does the caller have another one, in all respects?
    fn differs(&self) -> Result<(), PatchError> {
        let own = Identity::here();
        let same = [
            (self.pointer == own.pointer, "the thread pointer"),
            (self.pthread == own.pthread, "`pthread_self`"),
            (self.errno == own.errno, "`errno`"),
            (self.std == own.std, "`std::thread::current().id()`"),
        ];
        match same.iter().find(|(same, _)| *same) {
            None => Ok(()),
            Some((_, what)) => Err(failed(&format!(
                "{what} of a green thread with thread-locals of its own is that of its worker"
            ))),
        }
    }
}

/// Long enough for a wait that is one.
const MOMENT: Duration = Duration::from_millis(1);

fn waits() -> Result<(), PatchError> {
    lets_others_run("std::thread::sleep", "clock_nanosleep", || {
        thread::sleep(MOMENT);
    })?;
    lets_others_run("std::thread::park_timeout", "syscall", || {
        thread::park_timeout(MOMENT);
    })
}

/// Does another green thread run while this one waits?
fn lets_others_run(what: &str, symbol: &str, wait: impl FnOnce()) -> Result<(), PatchError> {
    let ran = Rc::new(Cell::new(false));
    let witness = Rc::clone(&ran);
    let other = spawn(false, move || witness.set(true))?;
    wait();
    let cooperative = ran.get();
    // Its end says nothing that `ran` does not say.
    let _ = other.join();
    if cooperative {
        return Ok(());
    }
    Err(failed(&format!(
        "`{what}` does not reach greenloop's `{symbol}`, and would block a worker"
    )))
}

/// Allocators that find their processor's cache by restartable sequences (rseq) take the area that
/// the kernel knows for the thread's own, which is not true of a full green thread.
fn allocator() -> Result<(), PatchError> {
    for _ in 0..64 {
        drop(black_box(Vec::<u8>::with_capacity(black_box(100))));
        if crate::rseq::is_in_use() {
            let why = "something, most likely the allocator (Google's tcmalloc?), uses restartable \
                       sequences (rseq), which full green threads break. Use another allocator";
            return Err(PatchError::new(PatchErrorKind::Allocator, why.into()));
        }
    }
    Ok(())
}

/// An allocator that takes mutexes of the C library's would wait in our hooks: a green thread of the
/// runtime's would be parked inside of an allocation that the runtime makes.
fn allocator_locks() -> Result<(), PatchError> {
    const BLOCKS: usize = 512;
    let before = UNLOCKED.load(Ordering::Relaxed);
    // Small, large and many, so that a cache of the thread's own does not do.
    for size in [16, 100, 1000, 10_000, 100_000, 4 << 20] {
        let count = BLOCKS.min((64 << 20) / size);
        let blocks = (0..count).map(|_| Vec::<u8>::with_capacity(black_box(size)));
        drop(black_box(blocks.collect::<Vec<_>>()));
    }
    if UNLOCKED.load(Ordering::Relaxed) == before {
        return Ok(());
    }
    let why = "the allocator takes mutexes of the C library's (jemalloc does), at which green \
               threads would wait in the middle of an allocation. Use another allocator";
    Err(PatchError::new(PatchErrorKind::Allocator, why.into()))
}
