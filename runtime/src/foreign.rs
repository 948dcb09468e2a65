//! `foreign`: what code that interposes the C library's calls needs of the runtime.
//!
//! For the crate greenloop-monkey; no part of the public interface. Here a wait never unwinds, since
//! there may be frames of C above it: it says that it was interrupted.

use crate::abort;
use crate::blocking;
use crate::clock;
use crate::context;
use crate::interrupt;
use crate::park::{self, Unparker};
use crate::readiness::Place;
use crate::reason::Wait;
use crate::remote;
use crate::stack;
use crate::thread_pointer;
use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ops::{Range, RangeInclusive};
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

pub use crate::lock::{Guard, Lock};
pub use crate::storage::{Block, Maker, make_default, offer};

/// A deadline that never comes.
pub const NEVER: u64 = clock::NEVER;

/// The moment that lies `after` from now, in nanoseconds of the monotonic clock.
pub fn deadline(after: Duration) -> u64 {
    clock::deadline(after)
}

/// The time of the monotonic clock, in nanoseconds.
pub fn now() -> u64 {
    clock::now()
}

/// Is the caller a full green thread, and not inside of the runtime's own system calls? Then it may
/// wait in a hook; but not in a signal handler on its OS thread's alternate stack, which the next
/// handler will want.
#[inline]
pub fn may_wait() -> bool {
    context::may_wait_in_hooks() && (stack().is_some() || !is_on_alternate_stack())
}

/// Asked of code that is on no green thread's stack: a handler, or one that has switched stacks.
#[cold]
fn is_on_alternate_stack() -> bool {
    let mut now = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: room for the answer, and nothing is changed.
    let result = unsafe { libc::sigaltstack(ptr::null(), now.as_mut_ptr()) };
    // SAFETY: numbers and a pointer, zeroed at first.
    result == 0 && unsafe { now.assume_init() }.ss_flags & libc::SS_ONSTACK != 0
}

/// Where the thread-local storage of the running code lies.
pub fn thread_pointer() -> usize {
    thread_pointer::get()
}

/// Wakes one thread, green or not; one that comes too late does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Waker(Unparker);

impl Waker {
    /// The waker of the code that calls this.
    pub fn current() -> Waker {
        Waker(Unparker::current())
    }

    /// Makes the thread's current or next [`park`] return.
    pub fn wake(self) {
        self.0.unpark();
    }
}

/// Ends the process, and says why, past every interposed call.
pub fn abort(why: std::fmt::Arguments<'_>) -> ! {
    abort::abort(why)
}

/// Says how long a wait may last, at most until `deadline`; none if it is not to begin, since its
/// green thread was killed or has timed out: then others have run meanwhile.
pub fn before_wait(deadline: u64) -> Option<u64> {
    interrupt::check(deadline)
}

/// Was the caller killed, or has it timed out? Its next [`before_wait`] says so once more.
pub fn is_interrupted() -> bool {
    interrupt::is_due()
}

/// Waits for a [`Waker`] or `deadline`, on an OS thread too. May return early. Kills have to wait.
pub fn park(deadline: u64) {
    park::park_uncancellable(deadline, Wait::UNPARK);
}

/// Lets all others of this worker run first.
pub fn give_way() {
    park::give_way();
}

/// Counts a call of a green thread that may go through without a wait. True if there were so many
/// since it began to run that it ought to [`give_way`].
pub fn spend_budget() -> bool {
    context::green().is_some_and(|(worker, _)| worker.spend_budget())
}

/// A descriptor, and what it is to be ready for.
#[derive(Clone, Copy, Debug)]
pub struct Interest {
    pub fd: RawFd,
    pub read: bool,
    pub write: bool,
}

/// Parks a green thread until one of the descriptors may be ready, a [`Waker`], or `deadline`; may
/// return early. Kills have to wait.
///
/// # Errors
///
/// What the system says of a descriptor that can't be waited for: `EPERM` of one that is always
/// ready, such as a regular file; `EBADF`.
pub fn wait_ready(interests: &[Interest], deadline: u64) -> io::Result<()> {
    if interests.len() <= 2 {
        let mut places = [const { None }; 4];
        wait_in(&mut places[..2 * interests.len()], interests, deadline)
    } else {
        let mut places: Vec<_> = std::iter::repeat_with(|| None)
            .take(2 * interests.len())
            .collect();
        wait_in(&mut places, interests, deadline)
    }
}

/// Two of `places` for each of `interests`.
fn wait_in(
    places: &mut [Option<Place<'static>>],
    interests: &[Interest],
    deadline: u64,
) -> io::Result<()> {
    let (worker, _) = context::green().expect("only green threads wait in hooks");
    for (interest, places) in interests.iter().zip(places.chunks_exact_mut(2)) {
        mark_adopted(interest.fd);
        let adopted = worker.remote().reactor.adopt(worker.index(), interest.fd)?;
        // SAFETY: registrations live for ever.
        let adopted: &'static _ = unsafe { adopted.as_ref() };
        // SAFETY: the registration is of this worker, and the places stay in the caller's array.
        unsafe {
            if interest.read {
                Place::enter(&mut places[0], &adopted.readers);
            }
            if interest.write {
                Place::enter(&mut places[1], &adopted.writers);
            }
        }
    }
    let _counted = worker.reactor().waiting();
    park::park_uncancellable(deadline, why(interests));
    Ok(())
}

fn why(interests: &[Interest]) -> Wait {
    match interests {
        [only] if !only.write => Wait::read(only.fd),
        [only] if !only.read => Wait::write(only.fd),
        _ => Wait::ANY,
    }
}

const BITS: usize = u64::BITS as usize;
const WORDS: usize = 1024;

/// The descriptors that a reactor may have adopted, a bit each, so that closing any other is cheap.
/// Of those too great for it only the greatest is known; they all count.
static ADOPTED: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
static GREATEST: AtomicUsize = AtomicUsize::new(0);

fn mark_adopted(fd: RawFd) {
    let Ok(fd) = usize::try_from(fd) else {
        return;
    };
    if let Some(word) = ADOPTED.get(fd / BITS) {
        word.fetch_or(1 << (fd % BITS), Ordering::Relaxed);
    } else {
        GREATEST.fetch_max(fd, Ordering::Relaxed);
    }
}

/// Makes all reactors forget `fds`, which are about to be closed.
pub fn forget(fds: RangeInclusive<RawFd>) {
    let (first, last) = (*fds.start().max(&0) as usize, *fds.end() as usize);
    let words = ADOPTED.iter().enumerate().take(last / BITS + 1);
    for (index, word) in words.skip(first / BITS) {
        let from = first.saturating_sub(index * BITS).min(BITS);
        let until = (last + 1 - index * BITS).min(BITS);
        let ours = (from..until).fold(0, |mask, bit| mask | 1 << bit);
        if word.load(Ordering::Relaxed) & ours == 0 {
            continue;
        }
        let mut found = word.fetch_and(!ours, Ordering::Relaxed) & ours;
        while found != 0 {
            forget_one((index * BITS) as RawFd + found.trailing_zeros() as RawFd);
            found &= found - 1;
        }
    }
    for fd in first.max(WORDS * BITS)..=last.min(GREATEST.load(Ordering::Relaxed)) {
        forget_one(fd as RawFd);
    }
}

fn forget_one(fd: RawFd) {
    remote::for_each(|remote| remote.reactor.forget(fd));
}

/// Runs `job` on a thread of the blocking pool. It is dropped without being run if there can be no
/// such thread, which may become known only later.
///
/// # Errors
///
/// There is no memory, or no thread could be started.
pub fn submit(job: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    blocking::submit(job)
}

/// [`submit`], of a job that may wait for what other green threads do: it gets a thread whatever
/// the pool's bound, and takes none from others.
///
/// # Errors
///
/// As of [`submit`].
pub fn submit_wait(job: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    blocking::submit_wait(job)
}

/// The stack of the green thread that calls this: the bytes that it may use. None on an OS thread.
pub fn stack() -> Option<Range<usize>> {
    let here = 0u8;
    stack::around((&raw const here).addr())
}

/// Is the caller a green thread, be it light or full?
pub fn is_green() -> bool {
    context::green().is_some()
}

/// Calls `f(data)` with the thread pointer of the worker's own OS thread, if the caller is a full
/// green thread: for calls of the C library that look for the thread that runs them. Hooks are off
/// meanwhile.
///
/// Never inlined, and it touches no thread-local in between: the compiler may keep an address of
/// one.
///
/// # Safety
///
/// `f(data)` is sound to call. It neither waits nor unwinds, and uses no thread-local's address from
/// before.
#[inline(never)]
pub unsafe fn on_workers_storage(f: unsafe extern "C" fn(*mut c_void), data: *mut c_void) {
    let _off = context::hooks_off();
    let own = thread_pointer::get();
    let workers = context::workers_storage().unwrap_or(own);
    // SAFETY: this OS thread's own, which nobody else uses; set back below, as `f` does not unwind.
    // What `f` is asked for is the caller's word.
    unsafe {
        thread_pointer::set(workers);
        f(data);
        thread_pointer::set(own);
    }
}

/// This process was forked off: it has neither workers nor green threads.
static FORKED: AtomicBool = AtomicBool::new(false);

/// To be called in a forked child, on its only thread: from now on hooks are plain calls, a wait
/// aborts, and a spawn fails.
pub fn end_in_child() {
    FORKED.store(true, Ordering::Relaxed);
    context::leave();
}

/// Was this process forked off after it was patched?
pub fn is_forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

pub(crate) fn deny_after_fork() {
    if is_forked() {
        abort::abort(
            "a wait of greenloop in a forked child process, which has no workers: \
             only exec or _exit may follow a fork",
        );
    }
}
