//! The futex: the system call under every wait of an OS thread.
//!
//! Called by the bare instruction, never through the locks of std or of a library, nor through
//! libc's `syscall`: those become cooperative under a monkey patch, while these must block the OS
//! thread itself.

use crate::clock;
use std::sync::atomic::AtomicU32;
use syscalls::raw::{syscall3, syscall6};

/// Blocks the OS thread while `*word == expected`, until a wake-up or `deadline` (nanoseconds of
/// [`clock::now`]).
///
/// May return early for no reason: the caller looks again.
pub(crate) fn wait(word: *const AtomicU32, expected: u32, deadline: u64) {
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
        syscall6(
            libc::SYS_futex as usize,
            word.expose_provenance(),
            operation as usize,
            expected as usize,
            until.expose_provenance(),
            0,
            libc::FUTEX_BITSET_MATCH_ANY as u32 as usize,
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
    unsafe {
        syscall3(
            libc::SYS_futex as usize,
            word.expose_provenance(),
            operation as usize,
            count as usize,
        )
    };
}
