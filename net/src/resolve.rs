//! `each_addr`: from whatever names an address to the first of its addresses that works. Names are
//! looked up on the blocking pool, because the C library's resolver blocks its thread.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::resume_unwind;
use std::vec;

use greenloop_runtime::cast::{host_and_port, on_green_thread};
use greenloop_runtime::spawn_blocking;

/// Calls `f` with each address of `addr` until it succeeds; else the last error counts.
pub(crate) fn each_addr<A: ToSocketAddrs, T>(
    addr: A,
    f: impl FnMut(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    match host_and_port(&addr).and_then(|(text, port)| host_to_look_up(text, port)) {
        Some((host, port)) => first_success(lookup(host.to_owned(), port)?, f),
        None => first_success(addr.to_socket_addrs()?, f),
    }
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

fn lookup(host: String, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    let look_up = move || (host.as_str(), port).to_socket_addrs();
    if !on_green_thread() {
        return look_up(); // a job of the pool that waited for another one could wait for ever
    }
    spawn_blocking(look_up)
        .join()
        .unwrap_or_else(|panic| resume_unwind(panic))
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

fn no_addresses() -> io::Error {
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
