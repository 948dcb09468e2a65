//! The kernel's calls themselves: past every interposed symbol, and without `errno`.

use libc::{c_int, c_long};
use std::io;
use std::time::Duration;

/// Makes the call `number` with up to six words. The result is the kernel's: `-errno` of a failure.
///
/// # Safety
///
/// What the call itself demands.
#[inline]
pub unsafe fn call<const N: usize>(number: c_long, words: [usize; N]) -> isize {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    // SAFETY: the caller's word; words that a call does not take are ignored.
    let result = unsafe {
        syscalls::raw::syscall6(
            number as usize,
            word(0),
            word(1),
            word(2),
            word(3),
            word(4),
            word(5),
        )
    };
    result.cast_signed()
}

/// The C library's way to return what [`call`] returns: -1, and `errno`.
#[inline]
pub(crate) fn to_c(result: isize) -> isize {
    if result < 0 {
        set_errno(-result as c_int);
        return -1;
    }
    result
}

/// Sets this thread's `errno`.
#[inline]
pub fn set_errno(errno: c_int) {
    // SAFETY: the calling thread's own, always valid.
    unsafe { *libc::__errno_location() = errno };
}

/// This thread's `errno`.
#[inline]
pub fn errno() -> c_int {
    // SAFETY: the calling thread's own, always valid.
    unsafe { *libc::__errno_location() }
}

/// `-errno` of an error of the runtime's.
pub(crate) fn code(error: &io::Error) -> isize {
    -(error.raw_os_error().unwrap_or(libc::EIO) as isize)
}

/// The time that a valid `timespec` says; none of an invalid one (`EINVAL`).
pub(crate) fn duration(time: &libc::timespec) -> Option<Duration> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u32::try_from(time.tv_nsec).ok()?;
    (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
}
