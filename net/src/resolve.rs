//! `lookup_host` and `each_addr`: from whatever names an address to its addresses, and to the first
//! of them that works. Names are looked up on the blocking pool, because the C library's resolver
//! blocks its thread.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::vec;

use greenloop_runtime::cast::host_and_port;

use crate::deadline::Deadline;
use crate::offload::offload;

/// Looks up a host, and returns its addresses, in the order of the system's preference.
///
/// `host` names a port as well, as it does for [`TcpStream::connect`](crate::TcpStream::connect);
/// 0 will do for who only wants the addresses. A name is looked up on the blocking pool when a
/// green thread calls, which waits; a kill or timeout of it ends the wait at once, and leaves the
/// lookup behind to end by itself. An OS thread looks up in place. An address needs no lookup.
///
/// # Errors
///
/// `InvalidInput` if `host` is malformed; the resolver's own error, of a kind that has no name, if
/// there is no such host.
///
/// # Examples
///
/// ```
/// use greenloop::net::lookup_host;
///
/// let mut addrs = lookup_host(("localhost", 80))?;
/// assert!(addrs.all(|addr| addr.ip().is_loopback() && addr.port() == 80));
/// assert_eq!(lookup_host("127.0.0.1:80")?.next(), "127.0.0.1:80".parse().ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn lookup_host<A: ToSocketAddrs>(host: A) -> io::Result<vec::IntoIter<SocketAddr>> {
    lookup_until(&host, Deadline::NEVER)
}

/// Looks up a host as `lookup_host`, but fails with `TimedOut` after `deadline` on a green thread.
#[track_caller]
pub(crate) fn lookup_until<A: ToSocketAddrs>(
    host: &A,
    deadline: Deadline,
) -> io::Result<vec::IntoIter<SocketAddr>> {
    match name_to_look_up(host) {
        Some((name, port)) => lookup(name.to_owned(), port, deadline)
            .map_err(|error| io::Error::new(error.kind(), format!("looking up '{name}': {error}"))),
        None => Ok(host.to_socket_addrs()?.collect::<Vec<_>>().into_iter()),
    }
}

/// Calls `f` with each address of `addr` until it succeeds; else the last error counts.
#[track_caller]
pub(crate) fn each_addr<A: ToSocketAddrs, T>(
    addr: A,
    f: impl FnMut(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    match name_to_look_up(&addr) {
        Some((host, port)) => first_success(lookup(host.to_owned(), port, Deadline::NEVER)?, f),
        None => first_success(addr.to_socket_addrs()?, f),
    }
}

/// Returns the first address of `addr`, if it has one.
#[track_caller]
pub(crate) fn first_addr<A: ToSocketAddrs>(addr: A) -> io::Result<Option<SocketAddr>> {
    match name_to_look_up(&addr) {
        Some((host, port)) => Ok(lookup(host.to_owned(), port, Deadline::NEVER)?.next()),
        None => Ok(addr.to_socket_addrs()?.next()),
    }
}

fn name_to_look_up<A>(addr: &A) -> Option<(&str, u16)> {
    host_and_port(addr).and_then(|(text, port)| host_to_look_up(text, port))
}

/// Returns the name and port that need a resolver; literals and malformed addresses need none.
fn host_to_look_up(text: &str, port: Option<u16>) -> Option<(&str, u16)> {
    let (host, port) = match port {
        Some(port) => (text, port),
        None if text.parse::<SocketAddr>().is_ok() => return None,
        None => {
            let (host, port) = text.rsplit_once(':')?;
            (host, port.parse().ok()?)
        }
    };
    host.parse::<IpAddr>().is_err().then_some((host, port))
}

#[track_caller]
fn lookup(host: String, port: u16, deadline: Deadline) -> io::Result<vec::IntoIter<SocketAddr>> {
    offload(deadline, move || (host.as_str(), port).to_socket_addrs())?
}

fn first_success<T>(
    addrs: impl Iterator<Item = SocketAddr>,
    mut f: impl FnMut(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    for addr in addrs {
        match f(&addr) {
            Ok(value) => return Ok(value),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(no_addresses))
}

pub(crate) fn no_addresses() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "could not resolve to any addresses",
    )
}

#[cfg(test)]
mod tests {
    use super::host_to_look_up;

    #[test]
    fn only_names_are_looked_up() {
        assert_eq!(
            host_to_look_up("example.org:80", None),
            Some(("example.org", 80))
        );
        assert_eq!(
            host_to_look_up("example.org", Some(80)),
            Some(("example.org", 80))
        );
        assert_eq!(host_to_look_up("127.0.0.1:80", None), None);
        assert_eq!(host_to_look_up("[::1]:80", None), None);
        assert_eq!(host_to_look_up("::1:80", None), None);
        assert_eq!(host_to_look_up("::1", Some(80)), None);
    }

    #[test]
    fn malformed_addresses_are_left_to_std() {
        assert_eq!(host_to_look_up("example.org", None), None);
        assert_eq!(host_to_look_up("example.org:http", None), None);
        assert_eq!(host_to_look_up("example.org:65536", None), None);
    }
}
