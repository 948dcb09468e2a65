//! The moment in which a descriptor is in non-blocking mode, for calls that have no other form that
//! does not block.
//!
//! `accept`, `connect`, and `read` and `write` of what knows no `RWF_NOWAIT`. The mode belongs to
//! the open file, which others may use in that moment. In this process they do so by a call of the
//! C library, which is ours: whoever asks for or changes the mode waits for the end of the moment,
//! and a plain call that failed because it began in it is made again. A listener may be shared with
//! processes of the same program: a record lock on it keeps them apart, since one that ended the
//! moment of another would make that one's `accept` block its worker. What does not know of all
//! this, a raw system call or another program that shares the file, may see `EAGAIN` for a
//! microsecond; so it is never done to the standard streams, and only when the call is likely to
//! succeed.
//!
//! Rejected: a listener in non-blocking mode for good, with the program's own mode kept aside. Each
//! process that shares it, before or after an exec, would find `accept` failing with `EAGAIN` for
//! ever, and so would raw system calls. Rejected: `poll` and then a plain `accept`, which blocks
//! the whole worker if another thread was faster. Rejected: io_uring, whose `accept` has a form
//! that does not block, but which many containers forbid.

use crate::descriptor::{self, Direction, WOULD_BLOCK};
use crate::kernel;
use crate::patch;
use greenloop_runtime::foreign::{self, Guard, Lock, NEVER};
use libc::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Held while a mode is changed for a moment.
static MOMENT: Lock<()> = Lock::new(());

/// There was such a moment.
static WAS_CHANGED: AtomicBool = AtomicBool::new(false);

/// Waits for the end of such a moment, and keeps the next one off. A signal handler must not find
/// itself shut out by the code that it interrupts.
struct Moment {
    signals: libc::sigset_t,
    _guard: Guard<'static, ()>,
}

impl Moment {
    /// None in a forked child, where whoever holds the lock does not exist.
    fn enter() -> Option<Moment> {
        if foreign::is_forked() {
            return None;
        }
        let signals = block_signals();
        Some(Moment {
            signals,
            _guard: MOMENT.lock(),
        })
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        set_signals(&self.signals);
    }
}

/// The kernel's own set of signals, which is shorter than the C library's.
const SIGNALS_SIZE: usize = 8;

fn block_signals() -> libc::sigset_t {
    let all = [u8::MAX; SIGNALS_SIZE];
    let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
    let words = [
        libc::SIG_BLOCK as usize,
        all.as_ptr().expose_provenance(),
        before.as_mut_ptr().expose_provenance(),
        SIGNALS_SIZE,
    ];
    // SAFETY: sets of that size at least.
    unsafe { kernel::call(libc::SYS_rt_sigprocmask, words) };
    // SAFETY: a set of bits, zeroed at first.
    unsafe { before.assume_init() }
}

fn set_signals(signals: &libc::sigset_t) {
    let words = [
        libc::SIG_SETMASK as usize,
        ptr::from_ref(signals).expose_provenance(),
        0,
        SIGNALS_SIZE,
    ];
    // SAFETY: a set of that size at least; the old one is not asked for.
    unsafe { kernel::call(libc::SYS_rt_sigprocmask, words) };
}

/// Makes a system call with `fd` in non-blocking mode.
pub(crate) fn without_blocking(fd: c_int, call: impl FnOnce() -> isize) -> isize {
    let _only = Moment::enter();
    change_for(fd, call)
}

fn change_for(fd: c_int, call: impl FnOnce() -> isize) -> isize {
    WAS_CHANGED.store(true, Ordering::Relaxed);
    if flags_say_nonblocking(fd) {
        return call();
    }
    let changed = set_nonblocking(fd, true);
    if changed < 0 {
        return changed;
    }
    let result = call();
    set_nonblocking(fd, false);
    result
}

/// [`without_blocking`] of a listener; `-EAGAIN` also while another process does the same.
pub(crate) fn without_blocking_shared(fd: c_int, call: impl FnOnce() -> isize) -> isize {
    let _only = Moment::enter();
    if !lock_file(fd, libc::F_WRLCK) {
        return WOULD_BLOCK;
    }
    let result = change_for(fd, call);
    lock_file(fd, libc::F_UNLCK);
    result
}

/// Locks a file, or unlocks it; false while another process has locked it. Files that can't be
/// locked are as if they were.
fn lock_file(fd: c_int, kind: c_int) -> bool {
    let lock = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let lock = (&raw const lock).expose_provenance();
    // SAFETY: the lock outlives the call.
    let result =
        unsafe { kernel::call(libc::SYS_fcntl, [fd as usize, libc::F_SETLK as usize, lock]) };
    !matches!(-result as c_int, libc::EAGAIN | libc::EACCES)
}

/// Has the program put it into non-blocking mode?
pub(crate) fn is_nonblocking(fd: c_int) -> bool {
    if !flags_say_nonblocking(fd) {
        return false;
    }
    if descriptor::is_listener(fd) {
        return listener_is_nonblocking(fd);
    }
    !was_changed() || settled(|| flags_say_nonblocking(fd))
}

/// How often a look at a listener is tried while another process has it: it is stopped then.
const TRIES: u32 = 1000;

fn listener_is_nonblocking(fd: c_int) -> bool {
    for _ in 0..TRIES {
        let _not_now = Moment::enter();
        if lock_file(fd, libc::F_WRLCK) {
            let result = flags_say_nonblocking(fd);
            lock_file(fd, libc::F_UNLCK);
            return result;
        }
        // SAFETY: no memory is passed.
        unsafe { kernel::call(libc::SYS_sched_yield, []) };
    }
    flags_say_nonblocking(fd)
}

pub(crate) fn was_changed() -> bool {
    WAS_CHANGED.load(Ordering::Relaxed)
}

fn flags_say_nonblocking(fd: c_int) -> bool {
    // SAFETY: no memory is passed.
    let flags = unsafe { kernel::call(libc::SYS_fcntl, [fd as usize, libc::F_GETFL as usize]) };
    flags >= 0 && flags as c_int & libc::O_NONBLOCK != 0
}

/// By `ioctl`, which changes nothing else.
fn set_nonblocking(fd: c_int, on: bool) -> isize {
    let on = c_int::from(on);
    let words = [
        fd as usize,
        libc::FIONBIO as usize,
        (&raw const on).expose_provenance(),
    ];
    // SAFETY: the number outlives the call.
    unsafe { kernel::call(libc::SYS_ioctl, words) }
}

/// Makes a call that looks at the mode, or changes it, outside of such moments.
pub(crate) fn settled<R>(call: impl FnOnce() -> R) -> R {
    let _not_now = patch::is_any().then(Moment::enter);
    call()
}

/// Makes the plain call of an OS thread, in the C library's way, again if it says `EAGAIN` for no
/// better reason than such a moment.
#[inline]
pub(crate) fn plain<R: Copy + TryInto<isize>>(
    fd: c_int,
    direction: Direction,
    mut call: impl FnMut() -> R,
) -> R {
    loop {
        let start = if was_changed() { foreign::now() } else { 0 };
        let result = call();
        let failed = matches!(result.try_into(), Ok(-1)) && kernel::errno() == libc::EAGAIN;
        if !failed || !was_changed() || is_meant(fd, direction, start) {
            return result;
        }
    }
}

/// Would a call that began at `start` say `EAGAIN` in any case? Leaves `errno` as it is.
fn is_meant(fd: c_int, direction: Direction, start: u64) -> bool {
    let timeout = descriptor::deadline(fd, direction);
    is_nonblocking(fd) || timeout != NEVER && timeout - start <= 2 * (foreign::now() - start)
}
