//! Connections: `accept` and `connect`, which have no form that does not block.

use crate::descriptor::{self, Direction, WOULD_BLOCK, is_ready, option, retry};
use crate::kernel::{self, to_c};
use crate::mode;
use crate::patch::{Group, waits};
use crate::real::hook;
use greenloop_runtime::foreign;
use libc::{c_int, sockaddr, socklen_t};

/// accept4(2), if it does not block.
///
/// # Safety
///
/// The contract of accept4(2).
unsafe fn try_accept(
    fd: c_int,
    (address, size): (*mut sockaddr, *mut socklen_t),
    flags: c_int,
) -> isize {
    let words = [
        fd as usize,
        address.expose_provenance(),
        size.expose_provenance(),
        flags as usize,
    ];
    // SAFETY: the caller's contract.
    let accept = || unsafe { kernel::call(libc::SYS_accept4, words) };
    let is_valid = flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) == 0;
    if !is_valid || !descriptor::is_listener(fd) {
        return accept(); // it fails, and says why
    }
    if is_ready(fd, Direction::Read) {
        mode::without_blocking_shared(fd, accept)
    } else {
        WOULD_BLOCK
    }
}

hook! {
    /// Takes a connection from a listener.
    accept(real; fd: c_int, address: *mut sockaddr, size: *mut socklen_t) -> c_int {
        // SAFETY: the caller's contract.
        let plain = || unsafe { real()(fd, address, size) };
        if !waits(Group::Socket) {
            return mode::plain(fd, Direction::Read, plain);
        }
        // SAFETY: the caller's contract.
        let attempt = || unsafe { try_accept(fd, (address, size), 0) };
        match retry(fd, Direction::Read, attempt) {
            Some(result) => to_c(result) as c_int,
            None => plain(),
        }
    }
}

hook! {
    /// Takes a connection from a listener, with flags for it.
    accept4(real; fd: c_int, address: *mut sockaddr, size: *mut socklen_t, flags: c_int) -> c_int {
        // SAFETY: the caller's contract.
        let plain = || unsafe { real()(fd, address, size, flags) };
        if !waits(Group::Socket) {
            return mode::plain(fd, Direction::Read, plain);
        }
        // SAFETY: the caller's contract.
        let attempt = || unsafe { try_accept(fd, (address, size), flags) };
        match retry(fd, Direction::Read, attempt) {
            Some(result) => to_c(result) as c_int,
            None => plain(),
        }
    }
}

const IN_PROGRESS: isize = -(libc::EINPROGRESS as isize);
const ALREADY: isize = -(libc::EALREADY as isize);
const IS_CONNECTED: isize = -(libc::EISCONN as isize);

/// A socket whose `connect` may block.
fn may_block(fd: c_int) -> bool {
    let kind = option::<c_int>(fd, libc::SO_TYPE);
    matches!(kind, Ok(kind) if kind != libc::SOCK_DGRAM) && !mode::is_nonblocking(fd)
}

/// Connects by `call`, waiting on the green thread.
fn connect_by(fd: c_int, is_internet: bool, call: impl Fn() -> isize) -> isize {
    let call = || mode::without_blocking(fd, &call);
    let first = call();
    let deadline = match first {
        IN_PROGRESS | ALREADY | WOULD_BLOCK => descriptor::deadline(fd, Direction::Write),
        done => return done,
    };
    let mut round = 0;
    loop {
        let waited = match first {
            // A full backlog of a Unix socket, of which there is no event.
            WOULD_BLOCK => descriptor::pause(fd, round, deadline),
            _ => descriptor::wait_one(fd, Direction::Write, deadline),
        };
        if let Err(code) = waited {
            return code;
        }
        match outcome(fd, first, is_internet, call) {
            Some(done) => return done,
            None if foreign::now() >= deadline => return first,
            None => round += 1,
        }
    }
}

/// How it ended that began with `first`; none if it goes on.
fn outcome(fd: c_int, first: isize, is_internet: bool, call: impl Fn() -> isize) -> Option<isize> {
    if first == WOULD_BLOCK {
        return Some(call()).filter(|result| *result != WOULD_BLOCK);
    }
    if !is_ready(fd, Direction::Write) {
        return None;
    }
    if !is_internet {
        return Some(
            option::<c_int>(fd, libc::SO_ERROR).map_or_else(|code| code, |error| -(error as isize)),
        );
    }
    // A second call says how the first one ended, and leaves the socket as that would.
    match call() {
        ALREADY | IN_PROGRESS => None,
        IS_CONNECTED => Some(0),
        done => Some(done),
    }
}

hook! {
    /// Connects a socket.
    connect(real; fd: c_int, address: *const sockaddr, size: socklen_t) -> c_int {
        if !waits(Group::Socket) || address.is_null() || size < 2 || !may_block(fd) {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, address, size) };
        }
        let words = [fd as usize, address.expose_provenance(), size as usize];
        // SAFETY: the caller's contract; the family is the first part of every address.
        let family = c_int::from(unsafe { (*address).sa_family });
        let is_internet = family == libc::AF_INET || family == libc::AF_INET6;
        // SAFETY: the caller's contract.
        let call = || unsafe { kernel::call(libc::SYS_connect, words) };
        to_c(connect_by(fd, is_internet, call)) as c_int
    }
}
