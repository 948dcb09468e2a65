//! Names and addresses of hosts: on the blocking pool, since the C library's own calls in there
//! can't be replaced.
//!
//! The pool's thread writes into its caller's memory, so a kill waits for the answer. `errno` and
//! `h_errno` are carried over; what `gethostbyname` returns lies in memory of the green thread's
//! own. The options of `_res` are those of the pool's thread.

use crate::kernel;
use crate::offload::{offload, offload_c};
use crate::own::{self, Host};
use crate::patch::{Group, waits};
use crate::real::hook;
use libc::{addrinfo, c_char, c_int, c_uchar, c_void, hostent, size_t, sockaddr, socklen_t};
use std::ptr;

unsafe extern "C" {
    safe fn __h_errno_location() -> *mut c_int;
}

/// <netdb.h>: what the server said, it will say again.
const NO_RECOVERY: c_int = 3;

fn h_errno() -> c_int {
    // SAFETY: the calling thread's own, always valid.
    unsafe { *__h_errno_location() }
}

fn set_h_errno(error: c_int) {
    // SAFETY: the calling thread's own, always valid.
    unsafe { *__h_errno_location() = error };
}

hook! {
    /// Finds the addresses of a host and a service.
    getaddrinfo(
        real; node: *const c_char, service: *const c_char, hints: *const addrinfo,
        found: *mut *mut addrinfo
    ) -> c_int {
        // SAFETY: the caller's contract, which binds it to no thread.
        let call = || unsafe { real()(node, service, hints, found) };
        if !waits(Group::Dns) {
            return call();
        }
        // SAFETY: the pointers stay valid while the caller waits.
        unsafe { offload_c(call, |result| *result == libc::EAI_SYSTEM) }
    }
}

hook! {
    /// Finds the names of an address.
    getnameinfo(
        real;
        address: *const sockaddr, length: socklen_t, host: *mut c_char, host_length: socklen_t,
        service: *mut c_char, service_length: socklen_t, flags: c_int
    ) -> c_int {
        // SAFETY: the caller's contract, which binds it to no thread.
        let call = || unsafe {
            real()(address, length, host, host_length, service, service_length, flags)
        };
        if !waits(Group::Dns) {
            return call();
        }
        // SAFETY: the pointers stay valid while the caller waits.
        unsafe { offload_c(call, |result| *result == libc::EAI_SYSTEM) }
    }
}

hook! {
    /// Finds a host by its name, into the caller's buffer.
    gethostbyname_r(
        real; name: *const c_char, entry: *mut hostent, buffer: *mut c_char, length: size_t,
        found: *mut *mut hostent, error: *mut c_int
    ) -> c_int {
        // SAFETY: the caller's contract, which binds it to no thread.
        let call = || unsafe { real()(name, entry, buffer, length, found, error) };
        if !waits(Group::Dns) {
            return call();
        }
        // SAFETY: the pointers stay valid while the caller waits.
        unsafe { offload_c(call, |result| *result != 0) }
    }
}

hook! {
    /// Finds a host of an address family by its name, into the caller's buffer.
    gethostbyname2_r(
        real; name: *const c_char, family: c_int, entry: *mut hostent, buffer: *mut c_char,
        length: size_t, found: *mut *mut hostent, error: *mut c_int
    ) -> c_int {
        // SAFETY: the caller's contract, which binds it to no thread.
        let call = || unsafe { real()(name, family, entry, buffer, length, found, error) };
        if !waits(Group::Dns) {
            return call();
        }
        // SAFETY: the pointers stay valid while the caller waits.
        unsafe { offload_c(call, |result| *result != 0) }
    }
}

hook! {
    /// Finds a host by its address, into the caller's buffer.
    gethostbyaddr_r(
        real; address: *const c_void, size: socklen_t, family: c_int, entry: *mut hostent,
        buffer: *mut c_char, length: size_t, found: *mut *mut hostent, error: *mut c_int
    ) -> c_int {
        // SAFETY: the caller's contract, which binds it to no thread.
        let call = || unsafe { real()(address, size, family, entry, buffer, length, found, error) };
        if !waits(Group::Dns) {
            return call();
        }
        // SAFETY: the pointers stay valid while the caller waits.
        unsafe { offload_c(call, |result| *result != 0) }
    }
}

/// What all `_r` calls end with: entry, buffer, its length, what was found, `h_errno`.
type Place<'a> = (
    *mut hostent,
    *mut c_char,
    size_t,
    &'a mut *mut hostent,
    &'a mut c_int,
);

/// Calls `find` with room in the green thread's own memory, until it is enough.
fn into_own(mut find: impl FnMut(Place<'_>) -> c_int) -> *mut hostent {
    own::with_host(|host| look_up(host, &mut find)).unwrap_or_else(|| {
        set_h_errno(NO_RECOVERY);
        ptr::null_mut()
    })
}

fn look_up(host: &mut Host, find: &mut dyn FnMut(Place<'_>) -> c_int) -> *mut hostent {
    // SAFETY: plain data, for which zeros are valid.
    let empty = || Box::new(unsafe { std::mem::zeroed::<hostent>() });
    let entry: *mut hostent = &raw mut **host.entry.get_or_insert_with(empty);
    let (mut found, mut error) = (ptr::null_mut(), 0);
    loop {
        let length = (2 * host.buffer.len()).max(1024);
        host.buffer.resize(length, 0);
        let buffer = host.buffer.as_mut_ptr().cast();
        let result = find((entry, buffer, length, &mut found, &mut error));
        if result != libc::ERANGE {
            break;
        }
    }
    if found.is_null() {
        set_h_errno(error);
    }
    found
}

hook! {
    /// Finds a host by its name.
    gethostbyname(real; name: *const c_char) -> *mut hostent {
        if !waits(Group::Dns) {
            // SAFETY: the caller's contract.
            return unsafe { real()(name) };
        }
        // SAFETY: the caller's contract; the place is valid for the call.
        into_own(|(entry, buffer, length, found, error)| unsafe {
            gethostbyname_r(name, entry, buffer, length, found, error)
        })
    }
}

hook! {
    /// Finds a host of an address family by its name.
    gethostbyname2(real; name: *const c_char, family: c_int) -> *mut hostent {
        if !waits(Group::Dns) {
            // SAFETY: the caller's contract.
            return unsafe { real()(name, family) };
        }
        // SAFETY: the caller's contract; the place is valid for the call.
        into_own(|(entry, buffer, length, found, error)| unsafe {
            gethostbyname2_r(name, family, entry, buffer, length, found, error)
        })
    }
}

hook! {
    /// Finds a host by its address.
    gethostbyaddr(real; address: *const c_void, size: socklen_t, family: c_int) -> *mut hostent {
        if !waits(Group::Dns) {
            // SAFETY: the caller's contract.
            return unsafe { real()(address, size, family) };
        }
        // SAFETY: the caller's contract; the place is valid for the call.
        into_own(|(entry, buffer, length, found, error)| unsafe {
            gethostbyaddr_r(address, size, family, entry, buffer, length, found, error)
        })
    }
}

/// Runs a query of the resolver on the pool, and brings its errors back.
///
/// # Safety
///
/// As for [`offload`].
unsafe fn query(call: impl FnOnce() -> c_int) -> c_int {
    // SAFETY: the caller's word.
    let (result, errno, error) = unsafe {
        offload(|| {
            let result = call();
            (result, kernel::errno(), h_errno())
        })
    };
    if result < 0 {
        kernel::set_errno(errno);
        set_h_errno(error);
    }
    result
}

/// Defines calls of the resolver, which return a length, or -1 and set `h_errno`.
macro_rules! queries {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty),* $(,)?);)*) => {$(
        hook! {
            $(#[$attribute])*
            $name(real; $($argument: $type),*) -> c_int {
                // SAFETY: the caller's contract, which binds it to no thread.
                let call = || unsafe { real()($($argument),*) };
                if !waits(Group::Dns) {
                    return call();
                }
                // SAFETY: the pointers stay valid while the caller waits.
                unsafe { query(call) }
            }
        }
    )*};
}

queries! {
    /// Asks for the records of a name.
    res_query(name: *const c_char, class: c_int, kind: c_int, answer: *mut c_uchar, length: c_int);
    /// Asks for the records of a name, in the domains of the search list.
    res_search(name: *const c_char, class: c_int, kind: c_int, answer: *mut c_uchar, length: c_int);
    /// Asks for the records of a name in a domain.
    res_querydomain(
        name: *const c_char, domain: *const c_char, class: c_int, kind: c_int, answer: *mut c_uchar,
        length: c_int
    );
    /// Sends a query.
    res_send(message: *const c_uchar, size: c_int, answer: *mut c_uchar, length: c_int);
    /// Asks for the records of a name, by a state of the caller's.
    res_nquery(
        state: *mut c_void, name: *const c_char, class: c_int, kind: c_int, answer: *mut c_uchar,
        length: c_int
    );
    /// Asks for the records of a name in the domains of the search list, by a state of its own.
    res_nsearch(
        state: *mut c_void, name: *const c_char, class: c_int, kind: c_int, answer: *mut c_uchar,
        length: c_int
    );
    /// Asks for the records of a name in a domain, by a state of the caller's.
    res_nquerydomain(
        state: *mut c_void, name: *const c_char, domain: *const c_char, class: c_int, kind: c_int,
        answer: *mut c_uchar, length: c_int
    );
    /// Sends a query, by a state of the caller's.
    res_nsend(
        state: *mut c_void, message: *const c_uchar, size: c_int, answer: *mut c_uchar,
        length: c_int
    );
}
