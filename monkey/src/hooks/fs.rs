//! Files by their names and as a whole: on the blocking pool, if `patch_fs` has asked for it. Reads
//! and writes without a position are in `io.rs`.

use crate::kernel;
use crate::observe;
use crate::offload::{offload_c, offload_wait_c};
use crate::patch::{Group, waits};
use crate::real::hook;
use libc::{c_char, c_int, c_uint, c_void, iovec, mode_t, off_t, size_t, ssize_t};
use std::mem::MaybeUninit;

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

on_pool! {
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

/// Does opening it wait for the other end? So it is with a named pipe, and the other end may be for
/// a green thread of the same worker.
///
/// # Safety
///
/// `path` is a C string.
unsafe fn is_pipe(directory: c_int, path: *const c_char, flags: c_int) -> bool {
    if flags & (libc::O_NONBLOCK | libc::O_PATH) != 0 || flags & libc::O_ACCMODE == libc::O_RDWR {
        return false;
    }
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    let words = [
        directory as usize,
        path.expose_provenance(),
        status.as_mut_ptr().expose_provenance(),
        0,
    ];
    // SAFETY: the caller's word, and there is room for the status.
    let result = unsafe { kernel::call(libc::SYS_newfstatat, words) };
    // SAFETY: numbers, zeroed at first.
    result == 0 && unsafe { status.assume_init() }.st_mode & libc::S_IFMT == libc::S_IFIFO
}

/// No descriptor, nor a failure: it is a named pipe, which was not opened.
const IS_PIPE: c_int = -2;

/// Opens by `call`: on the blocking pool if it may be slow, and on a helper if it may wait for the
/// other end.
///
/// # Safety
///
/// As of [`is_pipe`], and `call` may be made on another thread.
unsafe fn open_by(
    (directory, path, flags): (c_int, *const c_char, c_int),
    call: impl Fn() -> c_int,
) -> c_int {
    // SAFETY: the caller's word.
    let is_pipe = || unsafe { is_pipe(directory, path, flags) };
    let unless_pipe = || if is_pipe() { IS_PIPE } else { call() };
    let opened = if waits(Group::Fs) {
        // SAFETY: the path stays valid while the caller waits.
        unsafe { offload_c(unless_pipe, |result| *result == -1) }
    } else if waits(Group::Socket) {
        unless_pipe()
    } else {
        call()
    };
    if opened != IS_PIPE {
        return opened;
    }
    // SAFETY: as above.
    unsafe { offload_wait_c(call, |result| *result == -1) }
}

// They are variadic in C. The last argument lies where a fixed one does, on both processors; it is
// passed on even if there is none.
hook! {
    /// Opens a file; of a named pipe it waits for the other end.
    open(real; path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        let place = (libc::AT_FDCWD, path, flags);
        // SAFETY: the caller's contract, which binds it to no thread.
        unsafe { open_by(place, || real()(path, flags, mode)) }
    }
}

hook! {
    /// `open` by its other name.
    open64(real; path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        let place = (libc::AT_FDCWD, path, flags);
        // SAFETY: the caller's contract, which binds it to no thread.
        unsafe { open_by(place, || real()(path, flags, mode)) }
    }
}

hook! {
    /// Opens a file below a directory.
    openat(real; directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        let place = (directory, path, flags);
        // SAFETY: the caller's contract, which binds it to no thread.
        unsafe { open_by(place, || real()(directory, path, flags, mode)) }
    }
}

hook! {
    /// `openat` by its other name.
    openat64(real; directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
        let place = (directory, path, flags);
        // SAFETY: the caller's contract, which binds it to no thread.
        unsafe { open_by(place, || real()(directory, path, flags, mode)) }
    }
}
