//! The futex: the system call under every wait of an OS thread.
//!
//! Called through `syscall`, never through the locks of std or of a library, because those
//! become cooperative under a monkey patch, while these must block the OS thread itself.

use crate::clock;
use crate::context;
use std::sync::atomic::AtomicU32;

/// Blocks the OS thread while `*word == expected`, until a wake-up or `deadline` (nanoseconds of
/// [`clock::now`]).
///
/// May return early for no reason: the caller looks again.
pub(crate) fn wait(word: *const AtomicU32, expected: u32, deadline: u64) {
    // A wait inside the runtime blocks the OS thread, whatever has been patched.
    let _own = context::hooks_off();
    let time = clock::timespec(deadline);
    let until: *const libc::timespec = if deadline == clock::NEVER {
        std::ptr::null()
    } else {
        &time
    };
    let operation = libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel checks the address of `word` itself (EFAULT); `until` is null or points to
    // a timespec that outlives the call. FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word,
            operation,
            expected,
            until,
            std::ptr::null::<u32>(),
            libc::FUTEX_BITSET_MATCH_ANY,
        )
    };
}

/// Wakes one OS thread that waits on `word`, if there is one. `word` may be gone already: the
/// address is only a key.
pub(crate) fn wake_one(word: *const AtomicU32) {
    wake(word, 1);
}

/// Wakes all OS threads that wait on `word`.
pub(crate) fn wake_all(word: *const AtomicU32) {
    wake(word, i32::MAX);
}

fn wake(word: *const AtomicU32, count: i32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: FUTEX_WAKE does not dereference the address of a private futex; a stale one wakes
    // nobody, or somebody for no reason, which every waiter allows for.
    unsafe { libc::syscall(libc::SYS_futex, word, operation, count) };
}
