//! The servers that are measured: echo servers and a plain-text HTTP server on each runtime.

pub mod echo;
pub mod http;
mod raw;
pub mod udp;

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// As long as the kernel lets it be by default, so that a burst of connections finds room.
const BACKLOG: i32 = 4096;
/// What a connection reads into.
const BUFFER: usize = 4096;

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// For those that take a listener of std's.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&local(port).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One of several listeners on a port, among which the kernel divides the connections.
fn listen_together(port: u16) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&local(port).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
