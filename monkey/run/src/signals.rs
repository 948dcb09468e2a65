//! The OS thread that handles the process's signals, all but those of faults.
//!
//! A handler that ran on a worker could interrupt the runtime while it holds a lock, and a green
//! thread that waits could not take a signal at all. So every OS thread blocks them but this one,
//! and only while it waits in `ppoll`: with the signals blocked that all threads of the program
//! block.

use crate::mask;
use greenloop_monkey::program::call;
use greenloop_runtime::foreign::{self, Lock, NEVER, Waker};
use libc::{c_int, c_long, pollfd, timespec};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering};

/// Counts what others want of this thread: a new mask, or word that all signals so far were
/// handled.
static ASKED: AtomicU32 = AtomicU32::new(0);
/// The value of `ASKED` that has been answered. Release pairs with Acquire: what handlers did is
/// seen.
static ANSWERED: AtomicU32 = AtomicU32::new(0);
/// The eventfd that says that `ASKED` has changed.
static BELL: AtomicI32 = AtomicI32::new(-1);
/// The last thread of the program has ended, `main` by `pthread_exit`.
static IS_END: AtomicBool = AtomicBool::new(false);
/// Counts the times that signals were handled.
static HANDLED: AtomicU32 = AtomicU32::new(0);
/// Who waits for `HANDLED` to change.
static WAITING: Lock<Vec<Waker>> = Lock::new(Vec::new());
/// The thread pointer of this thread.
static POINTER: AtomicUsize = AtomicUsize::new(0);

/// Makes what [`serve`] needs, on the thread that will call it.
pub(crate) fn prepare() -> io::Result<()> {
    // SAFETY: no memory is passed.
    let bell = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if bell < 0 {
        return Err(io::Error::last_os_error());
    }
    BELL.store(bell, Ordering::Relaxed);
    POINTER.store(foreign::thread_pointer(), Ordering::Relaxed);
    Ok(())
}

/// Handles signals, for ever.
pub(crate) fn serve() -> ! {
    loop {
        let asked = ASKED.load(Ordering::Acquire);
        if asked == ANSWERED.load(Ordering::Relaxed) {
            wait();
            continue;
        }
        if IS_END.load(Ordering::Relaxed) {
            // SAFETY: no other thread of the program is left.
            unsafe { libc::exit(0) };
        }
        while handle(None, Some(0)) {}
        ANSWERED.store(asked, Ordering::Release);
        // SAFETY: a wake-up by address.
        unsafe { futex(&ANSWERED, libc::FUTEX_WAKE, c_int::MAX as u32) };
    }
}

/// Waits for the bell, and handles signals meanwhile.
fn wait() {
    let mut bell = pollfd {
        fd: BELL.load(Ordering::Relaxed),
        events: libc::POLLIN,
        revents: 0,
    };
    if handle(Some(&mut bell), None) {
        return;
    }
    let mut count = 0u64;
    let words = [
        bell.fd as usize,
        (&raw mut count).expose_provenance(),
        size_of::<u64>(),
    ];
    // SAFETY: room for the count.
    let result = unsafe { call(libc::SYS_read, words) };
    if bell.revents & libc::POLLNVAL != 0 || result == -(libc::EBADF as isize) {
        foreign::abort(format_args!(
            "the program has closed a descriptor of greenloop-run's ({})",
            bell.fd
        ));
    }
}

/// Handles signals until the bell rings, or for some seconds; were there any?
fn handle(bell: Option<&mut pollfd>, seconds: Option<i64>) -> bool {
    let (place, count) = bell.map_or((0, 0), |bell| (ptr::from_mut(bell).expose_provenance(), 1));
    let time = timespec {
        tv_sec: seconds.unwrap_or(0),
        tv_nsec: 0,
    };
    let time = seconds.map_or(0, |_| (&raw const time).expose_provenance());
    let mask = mask::of_process();
    let mask = (&raw const mask).expose_provenance();
    // SAFETY: the descriptor, the time and the set of 64 signals stay valid; the handlers are the
    // program's, and interrupt nothing but this call.
    let result = unsafe {
        call(
            libc::SYS_ppoll,
            [place, count, time, mask, size_of::<u64>()],
        )
    };
    let handled = result == -(libc::EINTR as isize);
    if handled {
        HANDLED.fetch_add(1, Ordering::Release);
        let waiting = std::mem::take(&mut *WAITING.lock());
        waiting.into_iter().for_each(Waker::wake);
    }
    handled
}

/// Makes the thread take note of the mask, and handle what is pending, before this returns. Blocks
/// the worker for that time.
pub(crate) fn ask() {
    let asked = ASKED.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
    ring();
    loop {
        let answered = ANSWERED.load(Ordering::Acquire);
        // Somebody else may have asked later, and been answered.
        if answered.wrapping_sub(asked).cast_signed() >= 0 {
            return;
        }
        // SAFETY: the word lives for ever.
        unsafe { futex(&ANSWERED, libc::FUTEX_WAIT, answered) };
    }
}

fn ring() {
    let one = 1u64;
    let bell = BELL.load(Ordering::Relaxed) as usize;
    let words = [bell, (&raw const one).expose_provenance(), size_of::<u64>()];
    // SAFETY: the number is read; it can't fail but for a descriptor that was closed, which `wait`
    // finds out.
    unsafe { call(libc::SYS_write, words) };
}

/// # Safety
///
/// The contract of futex(2), for an operation without a time.
unsafe fn futex(word: &AtomicU32, operation: c_int, value: u32) {
    let operation = (operation | libc::FUTEX_PRIVATE_FLAG) as usize;
    let words = [
        word.as_ptr().expose_provenance(),
        operation,
        value as usize,
        0,
    ];
    // SAFETY: the caller's word.
    unsafe { call(libc::SYS_futex as c_long, words) };
}

/// Ends the process by `exit(0)`: its last thread has ended.
pub(crate) fn end_process() {
    IS_END.store(true, Ordering::Relaxed);
    ASKED.fetch_add(1, Ordering::Release);
    ring();
}

/// How often signals have been handled.
pub(crate) fn handled() -> u32 {
    HANDLED.load(Ordering::Acquire)
}

/// Waits until signals have been handled once more than `before`.
pub(crate) fn wait_for_one(before: u32) {
    while handled() == before {
        WAITING.lock().push(Waker::current());
        if handled() != before {
            return;
        }
        foreign::park(NEVER);
    }
}

/// Is the caller a handler of a signal, on this OS thread?
pub(crate) fn is_handler() -> bool {
    foreign::thread_pointer() == POINTER.load(Ordering::Relaxed)
}
