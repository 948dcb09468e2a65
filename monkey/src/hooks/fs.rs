//! Files by their names and as a whole: on the blocking pool, if `patch_fs` has asked for it. Reads
//! and writes without a position are in `io.rs`.

use crate::observe;
use crate::offload::offload_c;
use crate::patch::{Group, waits};
use crate::real::hook;
use libc::{c_char, c_int, c_uint, c_void, iovec, mode_t, off_t, size_t, ssize_t};

/// Is it a call that waits for a disk more often than not?
const fn is_slow(call: &str) -> bool {
    matches!(
        call.as_bytes(),
        b"fsync" | b"fdatasync" | b"pread" | b"pread64" | b"preadv" | b"preadv64"
    )
}

/// Defines calls that return -1 and set `errno` when they fail.
macro_rules! on_pool {
    ($(
        $(#[$attribute:meta])*
        $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty;
    )*) => {$(
        hook! {
            $(#[$attribute])*
            $name(real; $($argument: $type),*) -> $result {
                // SAFETY: the caller's contract, which binds it to no thread.
                let call = || unsafe { real()($($argument),*) };
                if !waits(Group::Fs) {
                    if const { is_slow(stringify!($name)) } {
                        let why = "a regular file, and `patch_fs` was not called";
                        observe::blocks(stringify!($name), why);
                    }
                    return call();
                }
                // SAFETY: the pointers stay valid while the caller waits.
                unsafe { offload_c(call, |result| *result == -1) }
            }
        }
    )*};
}

// Those that are variadic in C have their last argument in the same place as a fixed one, on both
// processors; it is passed on even if there is none.
on_pool! {
    /// Opens a file; of a named pipe it waits for the other end.
    open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// Opens a file.
    open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// Opens a file below a directory.
    openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// Opens a file below a directory.
    openat64(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int;
    /// Writes what is cached of a file to its disk.
    fsync(fd: c_int) -> c_int;
    /// Writes what is cached of a file's data to its disk.
    fdatasync(fd: c_int) -> c_int;
    /// Describes a file.
    stat(path: *const c_char, out: *mut libc::stat) -> c_int;
    /// Describes a file.
    stat64(path: *const c_char, out: *mut libc::stat64) -> c_int;
    /// Describes a file that is open.
    fstat(fd: c_int, out: *mut libc::stat) -> c_int;
    /// Describes a file that is open.
    fstat64(fd: c_int, out: *mut libc::stat64) -> c_int;
    /// Describes a file or a link.
    lstat(path: *const c_char, out: *mut libc::stat) -> c_int;
    /// Describes a file or a link.
    lstat64(path: *const c_char, out: *mut libc::stat64) -> c_int;
    /// Describes a file below a directory.
    fstatat(directory: c_int, path: *const c_char, out: *mut libc::stat, flags: c_int) -> c_int;
    /// Describes a file below a directory.
    fstatat64(directory: c_int, path: *const c_char, out: *mut libc::stat64, flags: c_int) -> c_int;
    /// Describes a file below a directory.
    statx(
        directory: c_int, path: *const c_char, flags: c_int, mask: c_uint, out: *mut libc::statx
    ) -> c_int;
    /// Cuts a file, or extends it.
    ftruncate(fd: c_int, length: off_t) -> c_int;
    /// Cuts a file, or extends it.
    ftruncate64(fd: c_int, length: off_t) -> c_int;
    /// Renames a file.
    rename(from: *const c_char, to: *const c_char) -> c_int;
    /// Removes a file.
    unlink(path: *const c_char) -> c_int;
    /// Reads a file at a position.
    pread(fd: c_int, buffer: *mut c_void, length: size_t, offset: off_t) -> ssize_t;
    /// Reads a file at a position.
    pread64(fd: c_int, buffer: *mut c_void, length: size_t, offset: off_t) -> ssize_t;
    /// Writes to a file at a position.
    pwrite(fd: c_int, buffer: *const c_void, length: size_t, offset: off_t) -> ssize_t;
    /// Writes to a file at a position.
    pwrite64(fd: c_int, buffer: *const c_void, length: size_t, offset: off_t) -> ssize_t;
    /// Reads a file at a position into several buffers.
    preadv(fd: c_int, vectors: *const iovec, count: c_int, offset: off_t) -> ssize_t;
    /// Reads a file at a position into several buffers.
    preadv64(fd: c_int, vectors: *const iovec, count: c_int, offset: off_t) -> ssize_t;
    /// Writes several buffers to a file at a position.
    pwritev(fd: c_int, vectors: *const iovec, count: c_int, offset: off_t) -> ssize_t;
    /// Writes several buffers to a file at a position.
    pwritev64(fd: c_int, vectors: *const iovec, count: c_int, offset: off_t) -> ssize_t;
}
