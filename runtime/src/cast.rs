//! What the crates beside the runtime need of it: conversions that take `unsafe`, which they
//! forbid, and the kind of the current thread.

use std::ptr;

use crate::context;

/// Returns the text, and the port if it stands apart, of an address that is one of std's textual
/// implementors of `ToSocketAddrs` (`str` and `String`, alone or paired with a port, by value or by
/// reference); `None` for every other type.
///
/// `A` is neither `'static` nor `Send`, so it cannot travel to another thread itself; its text can.
pub fn host_and_port<'a, A>(addr: &'a A) -> Option<(&'a str, Option<u16>)> {
    // SAFETY: every target below names its lifetimes `'a`, the lifetime of the argument.
    unsafe {
        None.or_else(|| reinterpret::<A, &'a str>(addr).map(|text| (*text, None)))
            .or_else(|| reinterpret::<A, String>(addr).map(|text| (text.as_str(), None)))
            .or_else(|| reinterpret::<A, &'a String>(addr).map(|text| (text.as_str(), None)))
            .or_else(|| reinterpret::<A, &'a &'a str>(addr).map(|text| (**text, None)))
            .or_else(|| reinterpret::<A, (&'a str, u16)>(addr).map(|(h, p)| (*h, Some(*p))))
            .or_else(|| reinterpret::<A, (String, u16)>(addr).map(|(h, p)| (&**h, Some(*p))))
            .or_else(|| reinterpret::<A, &'a (&'a str, u16)>(addr).map(|(h, p)| (*h, Some(*p))))
            .or_else(|| reinterpret::<A, &'a (String, u16)>(addr).map(|(h, p)| (&**h, Some(*p))))
    }
}

/// Returns `value` as a `B` if `A` and `B` are one type but for their lifetimes.
///
/// # Safety
///
/// `B` must be covariant in its lifetimes, and none of them may be longer than the argument's.
unsafe fn reinterpret<A, B>(value: &A) -> Option<&B> {
    // SAFETY: equal ids mean that the types differ in lifetimes only, which layout does not depend
    // on, so the pointer is aligned and points to a valid `B`. All lifetimes inside `A` outlive the
    // reference to it; so by the caller's promise those in `B` are only shorter.
    (typeid::of::<A>() == typeid::of::<B>()).then(|| unsafe { &*ptr::from_ref(value).cast::<B>() })
}

/// Says whether a green thread calls, which must not block; code on an OS thread may.
pub fn on_green_thread() -> bool {
    context::green().is_some()
}

/// Implements `FromRawFd` for a type that implements `From<OwnedFd>`.
///
/// The trait's method is an unsafe function, and its contract is `OwnedFd::from_raw_fd`'s own; here
/// it is written down once, so that the crates that own sockets can forbid `unsafe`.
#[doc(hidden)]
#[macro_export]
macro_rules! impl_from_raw_fd {
    ($owner:ty) => {
        impl ::std::os::fd::FromRawFd for $owner {
            unsafe fn from_raw_fd(fd: ::std::os::fd::RawFd) -> Self {
                // SAFETY: the caller makes this function's promise, that `fd` is open and owned by
                // nobody else, which is the one that the callee asks for.
                Self::from(unsafe {
                    <::std::os::fd::OwnedFd as ::std::os::fd::FromRawFd>::from_raw_fd(fd)
                })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::host_and_port;
    use std::net::SocketAddr;

    #[test]
    fn textual_addresses_are_recognised_whatever_their_lifetime() {
        let owned = String::from("example.org:80");
        let text = owned.as_str();
        assert_eq!(host_and_port(&text), Some(("example.org:80", None)));
        assert_eq!(host_and_port(&&text), Some(("example.org:80", None)));
        assert_eq!(host_and_port(&owned), Some(("example.org:80", None)));
        assert_eq!(host_and_port(&&owned), Some(("example.org:80", None)));
        let (text, owned) = ((text, 1_u16), (owned.clone(), 2_u16));
        assert_eq!(host_and_port(&text), Some(("example.org:80", Some(1))));
        assert_eq!(host_and_port(&&text), Some(("example.org:80", Some(1))));
        assert_eq!(host_and_port(&owned), Some(("example.org:80", Some(2))));
        assert_eq!(host_and_port(&&owned), Some(("example.org:80", Some(2))));
    }

    #[test]
    fn other_types_are_not() {
        let addr = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(host_and_port(&addr), None);
        assert_eq!(host_and_port(&[addr].as_slice()), None);
        assert_eq!(host_and_port(&("host", 1_u32)), None);
        assert_eq!(host_and_port(&Some("host:1")), None);
    }
}
