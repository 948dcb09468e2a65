//! Masks of signals: each green thread's own, and what of them holds for the process.

use crate::front::front;
use crate::signals;
use crate::threads::{self, Thread, current};
use greenloop_monkey::program::set_errno;
use greenloop_runtime::foreign::Lock;
use libc::{c_int, pid_t, sigset_t, sigval};
use std::sync::atomic::{AtomicU64, Ordering};

/// The signals that no thread of the program would take: those that all of them block.
static OF_PROCESS: AtomicU64 = AtomicU64::new(u64::MAX);
/// Held while `OF_PROCESS` changes.
static CHANGING: Lock<()> = Lock::new(());

/// The bit of a signal.
const fn bit(signal: c_int) -> u64 {
    1 << (signal - 1)
}

/// What a fault raises, on the OS thread that runs the faulty code.
const FAULTS: u64 = bit(libc::SIGSEGV)
    | bit(libc::SIGBUS)
    | bit(libc::SIGFPE)
    | bit(libc::SIGILL)
    | bit(libc::SIGTRAP)
    | bit(libc::SIGSYS)
    | bit(libc::SIGABRT);

/// The C library's own two, which its calls never block.
const OWN: u64 = bit(32) | bit(33);

/// What every OS thread blocks but the one that handles signals.
pub(crate) const OF_OS_THREADS: u64 = !(FAULTS | OWN);

/// What can't be blocked.
const NEVER_BLOCKED: u64 = bit(libc::SIGKILL) | bit(libc::SIGSTOP) | OWN;

/// What the thread that handles signals blocks while it waits for them: faults have no business
/// there, but one that is sent does.
pub(crate) fn of_process() -> u64 {
    OF_PROCESS.load(Ordering::Acquire)
}

/// Puts in force what all threads block, if that has changed.
pub(crate) fn apply() {
    let _one = CHANGING.lock();
    let mask = threads::blocked_by_all();
    if OF_PROCESS.swap(mask, Ordering::AcqRel) != mask {
        signals::ask();
    }
}

/// As [`apply`], before anybody handles signals.
pub(crate) fn apply_first() {
    OF_PROCESS.store(threads::blocked_by_all(), Ordering::Release);
}

/// Changes what `thread`, the caller, blocks.
///
/// # Safety
///
/// Both are null or point to sets.
unsafe fn change(
    thread: &Thread,
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
) -> Result<(), c_int> {
    let before = thread.mask();
    if !set.is_null() {
        // SAFETY: the caller's word. The kernel's 64 signals are the first word of a set.
        let set = unsafe { set.cast::<u64>().read_unaligned() };
        let mask = match how {
            libc::SIG_BLOCK => before | set,
            libc::SIG_UNBLOCK => before & !set,
            libc::SIG_SETMASK => set,
            _ => return Err(libc::EINVAL),
        };
        set_mask(thread, mask & !NEVER_BLOCKED);
    }
    if !old.is_null() {
        // SAFETY: the caller's word; zeros are an empty set.
        unsafe {
            old.write(std::mem::zeroed());
            old.cast::<u64>().write_unaligned(before);
        }
    }
    Ok(())
}

fn set_mask(thread: &Thread, mask: u64) {
    if thread.set_mask(mask) != mask {
        apply();
    }
}

fn minus_one(errno: c_int) -> c_int {
    set_errno(errno);
    -1
}

front! {
    /// Changes what the calling thread blocks. Returns an `errno`.
    pthread_sigmask(real; how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
        let Some(thread) = current() else {
            // SAFETY: the caller's contract.
            return unsafe { real()(how, set, old) };
        };
        // SAFETY: the caller's contract.
        unsafe { change(thread, how, set, old) }.err().unwrap_or(0)
    }
}

front! {
    /// Changes what the calling thread blocks.
    sigprocmask(real; how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
        let Some(thread) = current() else {
            // SAFETY: the caller's contract.
            return unsafe { real()(how, set, old) };
        };
        // SAFETY: the caller's contract.
        unsafe { change(thread, how, set, old) }.err().map_or(0, minus_one)
    }
}

/// BSD's way: the first signals of a mask as one number, and a failure has no name.
fn change_first(thread: &Thread, new: impl FnOnce(u64) -> u64) -> c_int {
    let before = thread.mask();
    set_mask(thread, new(before) & !NEVER_BLOCKED);
    before as c_int
}

front! {
    /// Blocks some of the first 32 signals, too.
    sigblock(real; mask: c_int) -> c_int {
        let Some(thread) = current() else {
            // SAFETY: the caller's contract.
            return unsafe { real()(mask) };
        };
        change_first(thread, |before| before | u64::from(mask.cast_unsigned()))
    }
}

front! {
    /// Blocks some of the first 32 signals, and no other.
    sigsetmask(real; mask: c_int) -> c_int {
        let Some(thread) = current() else {
            // SAFETY: the caller's contract.
            return unsafe { real()(mask) };
        };
        change_first(thread, |_| u64::from(mask.cast_unsigned()))
    }
}

/// Waits for a signal's handler, with another mask; false on a thread that is none of the program's.
pub(crate) fn suspend(set: u64) -> bool {
    let Some(thread) = current() else {
        return false;
    };
    let (before, handled) = (thread.mask(), signals::handled());
    set_mask(thread, set & !NEVER_BLOCKED);
    signals::wait_for_one(handled);
    set_mask(thread, before);
    true
}

/// Lets a signal that this process has sent to itself be handled before the call returns, as it is
/// by the thread that sends it.
fn settle(pid: pid_t, result: c_int) -> c_int {
    if result == 0 && current().is_some() && (pid <= 0 || pid as u32 == std::process::id()) {
        signals::ask();
    }
    result
}

front! {
    /// Sends a signal to processes.
    kill(real; pid: pid_t, signal: c_int) -> c_int {
        // SAFETY: the caller's contract.
        settle(pid, unsafe { real()(pid, signal) })
    }
}

front! {
    /// Sends a signal with a value to a process.
    sigqueue(real; pid: pid_t, signal: c_int, value: sigval) -> c_int {
        // SAFETY: the caller's contract.
        settle(pid, unsafe { real()(pid, signal, value) })
    }
}

/// Is it one that a fault raises?
pub(crate) fn is_fault(signal: c_int) -> bool {
    (1..=64).contains(&signal) && bit(signal) & FAULTS != 0
}

front! {
    /// Sends a signal to the calling thread.
    raise(real; signal: c_int) -> c_int {
        if current().is_none() || is_fault(signal) {
            // SAFETY: the caller's contract.
            return unsafe { real()(signal) };
        }
        // SAFETY: no memory is passed.
        unsafe { libc::kill(libc::getpid(), signal) }
    }
}
