//! Sockets: `recv`, `send` and their families.

use crate::descriptor::{self, Direction, WOULD_BLOCK, has_failed, option, retry, transfer};
use crate::kernel::{self, to_c};
use crate::observe;
use crate::patch::{Group, waits};
use crate::real::hook;
use crate::vectors::{after, total};
use greenloop_runtime::foreign;
use libc::{
    c_int, c_uint, c_void, iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec,
};
use std::ptr;

/// Calls with one of these do not wait.
const NO_WAIT: c_int = libc::MSG_DONTWAIT | libc::MSG_ERRQUEUE;

/// The kernel's limit for the vectors, and the messages, of one call (`UIO_MAXIOV`).
pub(super) const MAX_VECTORS: usize = 1024;

/// What ends a transfer that is done in part: the next call says what has happened.
const STOP: isize = -(libc::EIO as isize);

/// Does `MSG_WAITALL` mean anything to it?
fn is_stream(fd: c_int) -> bool {
    option::<c_int>(fd, libc::SO_TYPE) == Ok(libc::SOCK_STREAM)
}

/// What a blocking receive has to fill.
fn wanted(fd: c_int, length: usize, flags: c_int) -> usize {
    let all = flags & libc::MSG_WAITALL != 0 && is_stream(fd);
    if all { length } else { 0 }
}

/// recvfrom(2), waiting on the green thread; none if there is no waiting for `fd`.
///
/// # Safety
///
/// The contract of recvfrom(2).
unsafe fn receive(
    fd: c_int,
    (buffer, length): (*mut c_void, usize),
    flags: c_int,
    (address, size): (*mut sockaddr, *mut socklen_t),
) -> Option<isize> {
    let attempt = |done: usize| {
        let words = [
            fd as usize,
            buffer.expose_provenance() + done,
            length - done,
            (flags | libc::MSG_DONTWAIT) as usize,
            address.expose_provenance(),
            size.expose_provenance(),
        ];
        // SAFETY: the caller's contract; what is done lies within the buffer.
        unsafe { kernel::call(libc::SYS_recvfrom, words) }
    };
    let wanted = wanted(fd, length, flags);
    if wanted > 0 && flags & libc::MSG_PEEK != 0 {
        return peek_all(fd, wanted, || attempt(0));
    }
    transfer(fd, Direction::Read, wanted, |done| {
        unless_failed(fd, done, || attempt(done))
    })
}

/// The error of a socket is left for the next call, if something was transferred by this one.
fn unless_failed(fd: c_int, done: usize, attempt: impl FnOnce() -> isize) -> isize {
    if done > 0 && has_failed(fd) {
        return STOP;
    }
    attempt()
}

/// A look at all of `length` bytes, which come without an event of their own.
fn peek_all(fd: c_int, length: usize, mut attempt: impl FnMut() -> isize) -> Option<isize> {
    let deadline = descriptor::deadline(fd, Direction::Read);
    let mut round = 0;
    loop {
        let seen = retry(fd, Direction::Read, &mut attempt)?;
        let is_over = seen <= 0 || seen.cast_unsigned() >= length || has_ended(fd);
        if is_over || foreign::now() >= deadline || foreign::is_interrupted() {
            return Some(seen);
        }
        if descriptor::pause(fd, round, deadline).is_err() {
            return Some(seen);
        }
        round += 1;
    }
}

/// Will nothing more come?
fn has_ended(fd: c_int) -> bool {
    let mut entry = libc::pollfd {
        fd,
        events: libc::POLLRDHUP,
        revents: 0,
    };
    // SAFETY: one valid entry.
    unsafe { descriptor::poll_now_at(&mut entry, 1) != 0 }
}

hook! {
    /// Receives from a socket.
    recv(real; fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
        if !waits(Group::Socket) || flags & NO_WAIT != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, buffer, length, flags) };
        }
        // SAFETY: the caller's contract; no address is asked for.
        match unsafe { receive(fd, (buffer, length), flags, (ptr::null_mut(), ptr::null_mut())) } {
            Some(result) => to_c(result),
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, buffer, length, flags) },
        }
    }
}

hook! {
    /// Receives from a socket, and says from whom.
    recvfrom(
        real;
        fd: c_int,
        buffer: *mut c_void,
        length: size_t,
        flags: c_int,
        address: *mut sockaddr,
        size: *mut socklen_t,
    ) -> ssize_t {
        if !waits(Group::Socket) || flags & NO_WAIT != 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, buffer, length, flags, address, size) };
        }
        // SAFETY: the caller's contract.
        match unsafe { receive(fd, (buffer, length), flags, (address, size)) } {
            Some(result) => to_c(result),
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, buffer, length, flags, address, size) },
        }
    }
}

hook! {
    /// `recv` for a buffer whose size the compiler knew (`_FORTIFY_SOURCE`).
    __recv_chk(
        real;
        fd: c_int,
        buffer: *mut c_void,
        length: size_t,
        room: size_t,
        flags: c_int,
    ) -> ssize_t {
        if length > room {
            // SAFETY: the caller's contract: it ends the process.
            return unsafe { real()(fd, buffer, length, room, flags) };
        }
        // SAFETY: the caller's contract.
        unsafe { recv(fd, buffer, length, flags) }
    }
}

hook! {
    /// `recvfrom` for a buffer whose size the compiler knew (`_FORTIFY_SOURCE`).
    __recvfrom_chk(
        real;
        fd: c_int,
        buffer: *mut c_void,
        length: size_t,
        room: size_t,
        flags: c_int,
        address: *mut sockaddr,
        size: *mut socklen_t,
    ) -> ssize_t {
        if length > room {
            // SAFETY: the caller's contract: it ends the process.
            return unsafe { real()(fd, buffer, length, room, flags, address, size) };
        }
        // SAFETY: the caller's contract.
        unsafe { recvfrom(fd, buffer, length, flags, address, size) }
    }
}

/// recvmsg(2) as [`receive`].
///
/// # Safety
///
/// The contract of recvmsg(2).
unsafe fn receive_message(fd: c_int, message: *mut msghdr, flags: c_int) -> Option<isize> {
    if flags & libc::MSG_WAITALL != 0 && is_stream(fd) {
        // SAFETY: the caller's contract.
        return unsafe { receive_whole_message(fd, message, flags) };
    }
    // SAFETY: the caller's contract.
    retry(fd, Direction::Read, || unsafe {
        try_receive_message(fd, message, flags)
    })
}

/// # Safety
///
/// The contract of recvmsg(2).
unsafe fn try_receive_message(fd: c_int, message: *mut msghdr, flags: c_int) -> isize {
    let flags = (flags | libc::MSG_DONTWAIT) as usize;
    let words = [fd as usize, message.expose_provenance(), flags];
    // SAFETY: the caller's contract.
    unsafe { kernel::call(libc::SYS_recvmsg, words) }
}

/// With `MSG_WAITALL`, of a stream: until all is there, or control data has come, which belongs to
/// what it came with.
///
/// # Safety
///
/// The contract of recvmsg(2).
unsafe fn receive_whole_message(fd: c_int, message: *mut msghdr, flags: c_int) -> Option<isize> {
    // SAFETY: the caller's contract: a valid message, whose vectors are valid.
    let (asked, vectors) = unsafe { (*message, vectors_of(&*message)) };
    let length = total(vectors);
    if flags & libc::MSG_PEEK != 0 {
        return peek_all(fd, length, || {
            // SAFETY: the caller's contract; each attempt begins with the message as it was.
            unsafe {
                *message = asked;
                try_receive_message(fd, message, flags)
            }
        });
    }
    let mut has_control = false;
    transfer(fd, Direction::Read, length, |done| {
        if has_control {
            return STOP;
        }
        let mut rest = after(vectors, done);
        let mut part = msghdr {
            msg_iov: rest.as_mut_ptr(),
            msg_iovlen: rest.len() as _,
            ..asked
        };
        let result = unless_failed(fd, done, || {
            // SAFETY: the caller's contract; the vectors are parts of the caller's.
            unsafe { try_receive_message(fd, &mut part, flags) }
        });
        if result >= 0 {
            has_control = part.msg_controllen > 0;
            // SAFETY: the caller's contract: what the kernel would say in it.
            unsafe {
                (*message).msg_namelen = part.msg_namelen;
                (*message).msg_controllen = part.msg_controllen;
                (*message).msg_flags = part.msg_flags;
            }
        }
        result
    })
}

/// The vectors of a message.
///
/// # Safety
///
/// The message is valid.
unsafe fn vectors_of(message: &msghdr) -> &[iovec] {
    if message.msg_iov.is_null() || message.msg_iovlen > MAX_VECTORS {
        return &[];
    }
    // SAFETY: the caller's word.
    unsafe { std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen) }
}

hook! {
    /// Receives a message with its control data.
    recvmsg(real; fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
        if !waits(Group::Socket) || flags & NO_WAIT != 0 || message.is_null() {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, message, flags) };
        }
        // SAFETY: the caller's contract, and it is not null.
        match unsafe { receive_message(fd, message, flags) } {
            Some(result) => to_c(result),
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, message, flags) },
        }
    }
}

/// recvmmsg(2). As its manual says, the time is looked at after each message, and does not end a
/// wait.
///
/// # Safety
///
/// The contract of recvmmsg(2).
unsafe fn receive_messages(
    fd: c_int,
    (messages, count): (*mut mmsghdr, usize),
    flags: c_int,
    deadline: u64,
) -> Option<isize> {
    let mut done = 0;
    while done < count {
        let attempt = || {
            let words = [
                fd as usize,
                // SAFETY: it lies within the caller's array.
                unsafe { messages.add(done) }.expose_provenance(),
                count - done,
                (flags | libc::MSG_DONTWAIT) as usize,
                0,
            ];
            // SAFETY: the caller's contract.
            unsafe { kernel::call(libc::SYS_recvmmsg, words) }
        };
        match retry(fd, Direction::Read, attempt) {
            Some(some) if some > 0 => done += some.cast_unsigned(),
            result if done == 0 => return result,
            _ => break,
        }
        let is_last = flags & libc::MSG_WAITFORONE != 0 || foreign::now() >= deadline;
        if is_last || done < count && foreign::is_interrupted() {
            break;
        }
    }
    Some(done.cast_signed())
}

/// Has each message to be filled? That is left to the kernel.
fn blocks_for_all(fd: c_int, flags: c_int) -> bool {
    let all = flags & libc::MSG_WAITALL != 0 && is_stream(fd);
    if all {
        observe::blocks("recvmmsg", "it is to fill each message (MSG_WAITALL)");
    }
    all
}

hook! {
    /// Receives several messages.
    recvmmsg(
        real;
        fd: c_int,
        messages: *mut mmsghdr,
        count: c_uint,
        flags: c_int,
        time: *mut timespec,
    ) -> c_int {
        if !waits(Group::Socket) || flags & NO_WAIT != 0 || blocks_for_all(fd, flags) {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, messages, count, flags, time) };
        }
        // SAFETY: the caller's contract.
        let Some(deadline) = (unsafe { super::poll::deadline_of(time) }) else {
            kernel::set_errno(libc::EINVAL);
            return -1;
        };
        let messages_asked = (messages, (count as usize).min(MAX_VECTORS));
        // SAFETY: the caller's contract.
        let result = unsafe { receive_messages(fd, messages_asked, flags, deadline) };
        // SAFETY: the caller's contract.
        unsafe { super::poll::say_rest(time, deadline) };
        match result {
            Some(result) => to_c(result) as c_int,
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, messages, count, flags, time) },
        }
    }
}

/// The flags of an attempt at what is left: the signal of a broken pipe is for the next call.
fn sending(flags: c_int, done: usize) -> usize {
    let quiet = if done > 0 { libc::MSG_NOSIGNAL } else { 0 };
    (flags | libc::MSG_DONTWAIT | quiet) as usize
}

/// sendto(2), waiting on the green thread; none if there is no waiting for `fd`.
///
/// # Safety
///
/// The contract of sendto(2).
pub(super) unsafe fn transmit(
    fd: c_int,
    (buffer, length): (*const c_void, usize),
    flags: c_int,
    (address, size): (*const sockaddr, socklen_t),
) -> Option<isize> {
    transfer(fd, Direction::Write, length, |done| {
        let words = [
            fd as usize,
            buffer.expose_provenance() + done,
            length - done,
            sending(flags, done),
            address.expose_provenance(),
            size as usize,
        ];
        // SAFETY: the caller's contract; what is done lies within the buffer.
        unless_failed(fd, done, || unsafe {
            kernel::call(libc::SYS_sendto, words)
        })
    })
}

/// Is it the plain call? A send that opens its connection has to wait for that in the kernel.
fn is_plain_send(name: &'static str, flags: c_int) -> bool {
    if !waits(Group::Socket) || flags & libc::MSG_DONTWAIT != 0 {
        return true;
    }
    let opens = flags & libc::MSG_FASTOPEN != 0;
    if opens {
        observe::blocks(name, "it opens its connection (MSG_FASTOPEN)");
    }
    opens
}

hook! {
    /// Sends to a socket.
    send(real; fd: c_int, buffer: *const c_void, length: size_t, flags: c_int) -> ssize_t {
        if is_plain_send("send", flags) {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, buffer, length, flags) };
        }
        // SAFETY: the caller's contract; there is no address.
        match unsafe { transmit(fd, (buffer, length), flags, (ptr::null(), 0)) } {
            Some(result) => to_c(result),
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, buffer, length, flags) },
        }
    }
}

hook! {
    /// Sends to a socket, or by it to an address.
    sendto(
        real;
        fd: c_int,
        buffer: *const c_void,
        length: size_t,
        flags: c_int,
        address: *const sockaddr,
        size: socklen_t,
    ) -> ssize_t {
        if is_plain_send("sendto", flags) {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, buffer, length, flags, address, size) };
        }
        // SAFETY: the caller's contract.
        match unsafe { transmit(fd, (buffer, length), flags, (address, size)) } {
            Some(result) => to_c(result),
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, buffer, length, flags, address, size) },
        }
    }
}

/// sendmsg(2) as [`transmit`]. Control data goes with the first part.
///
/// # Safety
///
/// The contract of sendmsg(2).
pub(super) unsafe fn transmit_message(fd: c_int, message: &msghdr, flags: c_int) -> Option<isize> {
    // SAFETY: the caller's contract.
    let vectors = unsafe { vectors_of(message) };
    transfer(fd, Direction::Write, total(vectors), |done| {
        if done == 0 {
            // SAFETY: the caller's contract.
            return unsafe { try_send_message(fd, message, sending(flags, done)) };
        }
        let mut rest = after(vectors, done);
        let part = msghdr {
            msg_iov: rest.as_mut_ptr(),
            msg_iovlen: rest.len() as _,
            msg_control: ptr::null_mut(),
            msg_controllen: 0,
            ..*message
        };
        unless_failed(fd, done, || {
            // SAFETY: the caller's contract; the vectors are parts of the caller's.
            unsafe { try_send_message(fd, &part, sending(flags, done)) }
        })
    })
}

/// # Safety
///
/// The contract of sendmsg(2).
unsafe fn try_send_message(fd: c_int, message: &msghdr, flags: usize) -> isize {
    let words = [
        fd as usize,
        ptr::from_ref(message).expose_provenance(),
        flags,
    ];
    // SAFETY: the caller's contract.
    unsafe { kernel::call(libc::SYS_sendmsg, words) }
}

hook! {
    /// Sends a message with its control data.
    sendmsg(real; fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
        if is_plain_send("sendmsg", flags) || message.is_null() {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, message, flags) };
        }
        // SAFETY: the caller's contract, and it is not null.
        match unsafe { transmit_message(fd, &*message, flags) } {
            Some(result) => to_c(result),
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, message, flags) },
        }
    }
}

/// sendmmsg(2): one message after the other. None if there is no waiting for `fd`.
///
/// # Safety
///
/// The contract of sendmmsg(2).
unsafe fn transmit_messages(fd: c_int, messages: &mut [mmsghdr], flags: c_int) -> Option<isize> {
    let mut done = 0;
    for message in messages {
        // SAFETY: the caller's contract.
        match unsafe { transmit_message(fd, &message.msg_hdr, flags) } {
            Some(sent) if sent >= 0 => message.msg_len = sent as c_uint,
            result if done == 0 => return result,
            _ => break,
        }
        done += 1;
        // SAFETY: the caller's contract.
        if (message.msg_len as usize) < total(unsafe { vectors_of(&message.msg_hdr) }) {
            break;
        }
    }
    Some(done)
}

hook! {
    /// Sends several messages.
    sendmmsg(real; fd: c_int, messages: *mut mmsghdr, count: c_uint, flags: c_int) -> c_int {
        if is_plain_send("sendmmsg", flags) || messages.is_null() || count == 0 {
            // SAFETY: the caller's contract.
            return unsafe { real()(fd, messages, count, flags) };
        }
        let length = (count as usize).min(MAX_VECTORS);
        // SAFETY: the caller's contract, and it is not null.
        let result = unsafe {
            transmit_messages(fd, std::slice::from_raw_parts_mut(messages, length), flags)
        };
        match result {
            Some(result) => to_c(result) as c_int,
            // SAFETY: the caller's contract.
            None => unsafe { real()(fd, messages, count, flags) },
        }
    }
}

/// Would it block if nothing else is the matter?
pub(super) const AGAIN: isize = WOULD_BLOCK;
