//! `read`, `write` and their families: of sockets, pipes, terminals, and whatever else there is to
//! wait for.
//!
//! A socket is tried as such, by one call. Of all others it is asked what they are: regular files
//! and block devices are left to the plain call, and so is what would make the program's standard
//! output or error wait, since a sibling may need them meanwhile. A socket is none of those, be its
//! number 1 or 2.

use super::socket::{self, AGAIN, MAX_VECTORS};
use crate::descriptor::{Direction, is_ready, option, retry, transfer};
use crate::kernel::{self, to_c};
use crate::mode;
use crate::observe;
use crate::offload::offload_c;
use crate::patch::{Group, waits};
use crate::real::hook;
use crate::vectors::{after, total};
use libc::{c_int, c_void, iovec, msghdr, off_t, size_t, ssize_t, stat};
use std::mem::MaybeUninit;
use std::{ptr, slice};

const NOT_A_SOCKET: isize = -(libc::ENOTSOCK as isize);
const UNSUPPORTED: isize = -(libc::EOPNOTSUPP as isize);
const UNKNOWN_CALL: isize = -(libc::ENOSYS as isize);
const INVALID: isize = -(libc::EINVAL as isize);

/// A file that is not a socket, and that there is something to wait for.
pub(super) struct File {
    fd: c_int,
}

/// What `fd` is; none if it isn't open.
fn status(fd: c_int) -> Option<stat> {
    let mut status = MaybeUninit::<stat>::zeroed();
    let words = [fd as usize, status.as_mut_ptr().expose_provenance()];
    // SAFETY: room for the status.
    let result = unsafe { kernel::call(libc::SYS_fstat, words) };
    // SAFETY: numbers, zeroed at first.
    (result == 0).then(|| unsafe { status.assume_init() })
}

/// Is it always ready, as a regular file is? The answer for pipes and terminals is the fastest.
pub(super) fn is_storage(fd: c_int) -> bool {
    let words = [fd as usize, 0, libc::SEEK_CUR as usize];
    // SAFETY: no memory is passed.
    let is_seekable = unsafe { kernel::call(libc::SYS_lseek, words) } >= 0;
    let is_kind = |status: stat| {
        let kind = status.st_mode & libc::S_IFMT;
        matches!(kind, libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK)
    };
    is_seekable && status(fd).is_some_and(is_kind)
}

/// Is it the program's standard output or error? A socket is neither.
pub(crate) fn is_output(fd: c_int) -> bool {
    option::<c_int>(fd, libc::SO_TYPE).is_err() && File { fd }.is_output()
}

impl File {
    /// None if it never waits: the plain call is right.
    pub(super) fn of(fd: c_int) -> Option<File> {
        (!is_storage(fd)).then_some(File { fd })
    }

    /// Is it the same as one of those?
    fn is_one_of(&self, fds: impl IntoIterator<Item = c_int>) -> bool {
        let identity = |fd| status(fd).map(|file| (file.st_dev, file.st_ino, file.st_rdev));
        let own = identity(self.fd);
        fds.into_iter()
            .filter_map(identity)
            .any(|other| Some(other) == own)
    }

    /// The program's standard output or error.
    pub(super) fn is_output(&self) -> bool {
        self.is_one_of([libc::STDOUT_FILENO, libc::STDERR_FILENO])
    }

    /// Other programs are likely to share it.
    fn is_standard(&self) -> bool {
        self.is_one_of(libc::STDIN_FILENO..=libc::STDERR_FILENO)
    }

    /// Reads or writes what is possible without blocking.
    ///
    /// # Safety
    ///
    /// The contract of preadv2(2) or pwritev2(2), by `direction`.
    unsafe fn attempt(&self, direction: Direction, vectors: &[iovec], flags: c_int) -> isize {
        let number = match direction {
            Direction::Read => libc::SYS_preadv2,
            Direction::Write => libc::SYS_pwritev2,
        };
        let flags = flags | libc::RWF_NOWAIT;
        let position = usize::MAX; // -1: the file's own
        let words = [
            self.fd as usize,
            vectors.as_ptr().expose_provenance(),
            vectors.len(),
            position,
            position,
            flags as usize,
        ];
        // SAFETY: the caller's contract.
        match unsafe { kernel::call(number, words) } {
            // SAFETY: as above.
            result @ (UNSUPPORTED | UNKNOWN_CALL | INVALID) => unsafe {
                self.attempt_by_mode(direction, vectors, result)
            },
            result => result,
        }
    }

    /// [`File::attempt`] where `RWF_NOWAIT` has failed.
    ///
    /// # Safety
    ///
    /// The contract of readv(2) or writev(2), by `direction`.
    unsafe fn attempt_by_mode(
        &self,
        direction: Direction,
        vectors: &[iovec],
        error: isize,
    ) -> isize {
        // SAFETY: the caller's contract.
        let call = || unsafe { self.call(direction, vectors) };
        // An argument may be wrong; then the call itself says so, ready or not.
        if error != INVALID && !is_ready(self.fd, direction) {
            return AGAIN;
        }
        if !self.is_standard() {
            return mode::without_blocking(self.fd, call);
        }
        if is_ready(self.fd, direction) {
            call()
        } else {
            AGAIN
        }
    }

    /// The call as it is: it may block.
    ///
    /// # Safety
    ///
    /// The contract of readv(2) or writev(2), by `direction`.
    unsafe fn call(&self, direction: Direction, vectors: &[iovec]) -> isize {
        let number = match direction {
            Direction::Read => libc::SYS_readv,
            Direction::Write => libc::SYS_writev,
        };
        let words = [
            self.fd as usize,
            vectors.as_ptr().expose_provenance(),
            vectors.len(),
        ];
        // SAFETY: the caller's contract.
        unsafe { kernel::call(number, words) }
    }

    /// # Safety
    ///
    /// The contract of preadv2(2).
    unsafe fn read(&self, vectors: &[iovec], flags: c_int) -> Option<isize> {
        // SAFETY: the caller's contract.
        retry(self.fd, Direction::Read, || unsafe {
            self.attempt(Direction::Read, vectors, flags)
        })
    }

    /// All of it, as a blocking write does.
    ///
    /// # Safety
    ///
    /// The contract of pwritev2(2).
    unsafe fn write(&self, vectors: &[iovec], flags: c_int) -> Option<isize> {
        transfer(self.fd, Direction::Write, total(vectors), |done| {
            let rest;
            let vectors = if done == 0 {
                vectors
            } else {
                rest = after(vectors, done);
                &rest
            };
            // SAFETY: the caller's contract; what is left is a part of it.
            match unsafe { self.attempt(Direction::Write, vectors, flags) } {
                // SAFETY: as above.
                AGAIN if self.is_output() => unsafe { self.call(Direction::Write, vectors) },
                result => result,
            }
        })
    }
}

/// readv(2), waiting on the green thread; none if the plain call is right.
///
/// # Safety
///
/// The contract of readv(2).
unsafe fn read_vectors(fd: c_int, vectors: &[iovec]) -> Option<isize> {
    let mut message = message_of(vectors);
    let attempt = || {
        let words = [
            fd as usize,
            (&raw mut message).expose_provenance(),
            libc::MSG_DONTWAIT as usize,
        ];
        // SAFETY: the caller's contract; nothing but data is asked for.
        unsafe { kernel::call(libc::SYS_recvmsg, words) }
    };
    match retry(fd, Direction::Read, attempt) {
        // SAFETY: the caller's contract.
        Some(NOT_A_SOCKET) => unsafe { File::of(fd)?.read(vectors, 0) },
        result => result,
    }
}

/// A message of nothing but data.
fn message_of(vectors: &[iovec]) -> msghdr {
    // SAFETY: all zeroes are a valid message, an empty one.
    let empty: msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    msghdr {
        msg_iov: vectors.as_ptr().cast_mut(),
        msg_iovlen: vectors.len() as _,
        ..empty
    }
}

/// read(2) as [`read_vectors`].
///
/// # Safety
///
/// The contract of read(2).
unsafe fn read_one(fd: c_int, buffer: *mut c_void, length: usize) -> Option<isize> {
    let words = [
        fd as usize,
        buffer.expose_provenance(),
        length,
        libc::MSG_DONTWAIT as usize,
        0,
        0,
    ];
    // SAFETY: the caller's contract.
    let attempt = || unsafe { kernel::call(libc::SYS_recvfrom, words) };
    match retry(fd, Direction::Read, attempt) {
        Some(NOT_A_SOCKET) => {
            let vector = iovec {
                iov_base: buffer,
                iov_len: length,
            };
            // SAFETY: the caller's contract.
            unsafe { File::of(fd)?.read(&[vector], 0) }
        }
        result => result,
    }
}

/// The flags that make a send of a write, if it is to a socket.
fn flags_of_write(fd: c_int) -> Option<c_int> {
    match option::<c_int>(fd, libc::SO_TYPE).ok()? {
        libc::SOCK_SEQPACKET => Some(libc::MSG_EOR),
        _ => Some(0),
    }
}

/// writev(2), waiting on the green thread; none if the plain call is right.
///
/// # Safety
///
/// The contract of writev(2).
pub(super) unsafe fn write_vectors(fd: c_int, vectors: &[iovec]) -> Option<isize> {
    match flags_of_write(fd) {
        // SAFETY: the caller's contract.
        Some(flags) => unsafe { socket::transmit_message(fd, &message_of(vectors), flags) },
        // SAFETY: as above.
        None => unsafe { File::of(fd)?.write(vectors, 0) },
    }
}

/// write(2) as [`write_vectors`].
///
/// # Safety
///
/// The contract of write(2).
pub(super) unsafe fn write_one(fd: c_int, buffer: *const c_void, length: usize) -> Option<isize> {
    if let Some(flags) = flags_of_write(fd) {
        // SAFETY: the caller's contract; there is no address.
        return unsafe { socket::transmit(fd, (buffer, length), flags, (ptr::null(), 0)) };
    }
    let vector = iovec {
        iov_base: buffer.cast_mut(),
        iov_len: length,
    };
    // SAFETY: the caller's contract; it is only read.
    unsafe { File::of(fd)?.write(&[vector], 0) }
}

/// The plain call, where there is nothing to wait for: of a regular file on the blocking pool, if
/// `patch_fs` has asked for it.
fn plainly(
    name: &'static str,
    fd: c_int,
    direction: Direction,
    call: impl FnMut() -> ssize_t,
) -> ssize_t {
    let is_output = || direction == Direction::Write && File { fd }.is_output();
    if waits(Group::Fs) && is_storage(fd) && !is_output() {
        // SAFETY: the pointers of the call stay valid while its caller waits, and it is bound to no
        // thread.
        return unsafe { offload_c(call, |result| *result == -1) };
    }
    // A logger that writes to a file may hold a lock of its own while it does.
    if waits(Group::Socket) && direction == Direction::Read {
        observe::blocks(name, "a regular file, and `patch_fs` was not called");
    }
    mode::plain(fd, direction, call)
}

/// The vectors of a call, if it is one that could wait.
///
/// # Safety
///
/// The contract of readv(2).
unsafe fn slice_of<'a>(vectors: *const iovec, count: c_int) -> Option<&'a [iovec]> {
    let count = usize::try_from(count).ok()?;
    if vectors.is_null() || count == 0 || count > MAX_VECTORS {
        return None;
    }
    // SAFETY: the caller's contract.
    let vectors = unsafe { slice::from_raw_parts(vectors, count) };
    (total(vectors) > 0).then_some(vectors)
}

hook! {
    /// Reads.
    read(real; fd: c_int, buffer: *mut c_void, length: size_t) -> ssize_t {
        // SAFETY: the caller's contract.
        let call = || unsafe { real()(fd, buffer, length) };
        let plain = || plainly("read", fd, Direction::Read, call);
        if !waits(Group::Socket) {
            return plain();
        }
        if length == 0 {
            return call();
        }
        // SAFETY: the caller's contract.
        match unsafe { read_one(fd, buffer, length) } {
            Some(result) => to_c(result),
            None => plain(),
        }
    }
}

hook! {
    /// `read` for a buffer whose size the compiler knew (`_FORTIFY_SOURCE`).
    __read_chk(real; fd: c_int, buffer: *mut c_void, length: size_t, room: size_t) -> ssize_t {
        if length > room {
            // SAFETY: the caller's contract: it ends the process.
            return unsafe { real()(fd, buffer, length, room) };
        }
        // SAFETY: the caller's contract.
        unsafe { read(fd, buffer, length) }
    }
}

hook! {
    /// Reads into several buffers.
    readv(real; fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
        // SAFETY: the caller's contract.
        let call = || unsafe { real()(fd, vectors, count) };
        let plain = || plainly("readv", fd, Direction::Read, call);
        if !waits(Group::Socket) {
            return plain();
        }
        // SAFETY: the caller's contract.
        let result = unsafe { slice_of(vectors, count).and_then(|all| read_vectors(fd, all)) };
        result.map_or_else(plain, to_c)
    }
}

hook! {
    /// Writes.
    write(real; fd: c_int, buffer: *const c_void, length: size_t) -> ssize_t {
        // SAFETY: the caller's contract.
        let call = || unsafe { real()(fd, buffer, length) };
        let plain = || plainly("write", fd, Direction::Write, call);
        if !waits(Group::Socket) {
            return plain();
        }
        // SAFETY: the caller's contract.
        match unsafe { write_one(fd, buffer, length) } {
            Some(result) => to_c(result),
            None => plain(),
        }
    }
}

hook! {
    /// Writes several buffers.
    writev(real; fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
        // SAFETY: the caller's contract.
        let call = || unsafe { real()(fd, vectors, count) };
        let plain = || plainly("writev", fd, Direction::Write, call);
        if !waits(Group::Socket) {
            return plain();
        }
        // SAFETY: the caller's contract.
        let result = unsafe { slice_of(vectors, count).and_then(|all| write_vectors(fd, all)) };
        result.map_or_else(plain, to_c)
    }
}

/// The file of a `preadv2` or `pwritev2` that may wait.
fn positioned(fd: c_int, offset: off_t, flags: c_int) -> Option<File> {
    (waits(Group::Socket) && offset == -1 && flags & libc::RWF_NOWAIT == 0)
        .then(|| File::of(fd))
        .flatten()
}

/// Defines `preadv2` or `pwritev2`.
macro_rules! positioned_hook {
    ($name:ident, $method:ident) => {
        hook! {
            /// Reads or writes several buffers, with flags; by the file's own position if the
            /// offset is -1.
            $name(
                real;
                fd: c_int,
                vectors: *const iovec,
                count: c_int,
                offset: off_t,
                flags: c_int,
            ) -> ssize_t {
                // SAFETY: the caller's contract.
                let plain = || unsafe { real()(fd, vectors, count, offset, flags) };
                let Some(file) = positioned(fd, offset, flags) else {
                    return plain();
                };
                // SAFETY: the caller's contract.
                let result = unsafe {
                    slice_of(vectors, count).and_then(|all| file.$method(all, flags))
                };
                result.map_or_else(plain, to_c)
            }
        }
    };
}
positioned_hook!(preadv2, read);
positioned_hook!(preadv64v2, read);
positioned_hook!(pwritev2, write);
positioned_hook!(pwritev64v2, write);
