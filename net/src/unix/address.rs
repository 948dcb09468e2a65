//! The addresses of Unix sockets, from std's type and to it.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;

use rustix::net::{AddressFamily, SocketAddrAny, SocketAddrUnix};

/// `struct sockaddr_un`, and the part of it before the path.
const WHOLE: u32 = 110;
const HEAD: u32 = 2;

/// Returns the address for a system call.
pub(super) fn from_std(addr: &SocketAddr) -> io::Result<SocketAddrUnix> {
    let addr = match (addr.as_pathname(), addr.as_abstract_name()) {
        (Some(path), _) => SocketAddrUnix::new(path)?,
        (None, Some(name)) => SocketAddrUnix::new_abstract_name(name)?,
        (None, None) => SocketAddrUnix::new_unnamed(),
    };
    Ok(addr)
}

/// Returns a sender's address, which is another kind of one only if the descriptor is.
pub(crate) fn to_std(from: Option<SocketAddrAny>) -> io::Result<SocketAddr> {
    let Some(from) = from else {
        return unnamed();
    };
    if from.address_family() != AddressFamily::UNIX {
        let what = "file descriptor did not correspond to a Unix socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    // A path of 108 bytes leaves no room for the zero at its end, and the kernel counts one more
    // than there are. Neither library takes it apart, and std makes no such address.
    if from.addr_len() <= HEAD || from.addr_len() > WHOLE {
        return unnamed();
    }
    let from = SocketAddrUnix::try_from(from)?;
    match (from.path_bytes(), from.abstract_name()) {
        (Some(path), _) => SocketAddr::from_pathname(OsStr::from_bytes(path)),
        (None, Some(name)) => SocketAddr::from_abstract_name(name),
        (None, None) => unnamed(),
    }
}

pub(super) fn unnamed() -> io::Result<SocketAddr> {
    SocketAddr::from_pathname("")
}
