//! Sockets with the shape of [`std::net`], for green threads and OS threads alike.
//!
//! A program is ported by a change of `use std::net::…` into `use greenloop::net::…`: names,
//! signatures, options and [error kinds](std::io::ErrorKind) are std's on this platform. [`unix`]
//! has the types of `std::os::unix::net`. Beyond std there are [`TcpListener::builder`],
//! [`TcpStream::builder`] and [`lookup_host`]; and [`select`], [`poll`], [`Selector`] and
//! [`wait_readable`], which wait for descriptors of any kind.
//!
//! ```
//! use greenloop::net::{TcpListener, TcpStream};
//! use std::io::{Read, Write};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let addr = listener.local_addr()?;
//! let server = greenloop::spawn(move || -> std::io::Result<()> {
//!     let (mut stream, _) = listener.accept()?; // parks this green thread alone
//!     stream.write_all(b"hello")
//! });
//!
//! let mut text = String::new();
//! TcpStream::connect(addr)?.read_to_string(&mut text)?; // blocks this OS thread alone
//! assert_eq!(text, "hello");
//! server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What waits
//!
//! [`TcpStream::connect`], [`read`](std::io::Read::read), [`write`](std::io::Write::write),
//! [`TcpListener::accept`], and what peeks, sends or receives wait: on a green thread they let the
//! others of its worker run, and on an OS thread they block it. Each tries its system call first,
//! so a socket that is ready costs that call and nothing else; a green thread that never has to
//! wait yields now and then, so that it starves nobody. Host names are looked up on the blocking
//! pool. Everything else is one quick system call.
//!
//! # Timeouts and errors
//!
//! | what happened | [`ErrorKind`](std::io::ErrorKind) |
//! |---|---|
//! | a read or write timeout ended | `WouldBlock` |
//! | the timeout of [`connect_timeout`](TcpStream::connect_timeout) or a builder ended | `TimedOut` |
//! | a zero timeout, a malformed address, a name without addresses | `InvalidInput` |
//! | a call that would wait, after `set_nonblocking(true)` | `WouldBlock` |
//! | the connection itself timed out (`ETIMEDOUT`) | `TimedOut` |
//!
//! A green thread that is killed or timed out in any of these calls unwinds from it; its sockets
//! are closed as they are dropped, and nothing stays behind.
#![forbid(unsafe_code)]

mod backoff;
mod builder;
mod connect;
mod deadline;
mod descriptor;
mod failures;
mod incoming;
mod inherited;
mod listener;
mod listening;
mod offload;
mod options;
mod poll;
mod race;
mod resolve;
mod server;
mod socket;
mod stream;
mod stream_builder;
#[cfg(feature = "tls")]
pub mod tls;
mod transfer;
mod udp;
pub mod unix;

pub use builder::TcpListenerBuilder;
pub use incoming::{Incoming, IntoIncoming};
pub use inherited::Inherited;
pub use listener::TcpListener;
pub use poll::{
    Events, PollFd, Selected, Selector, SelectorKey, poll, select, wait_readable, wait_writable,
};
pub use resolve::lookup_host;
pub use server::{
    Datagram, DatagramServer, Handler, Listen, Receive, ServerBuilder, ServerHandle, StreamServer,
    Wrapped,
};
pub use stream::TcpStream;
pub use stream_builder::TcpStreamBuilder;
pub use udp::UdpSocket;

#[doc(no_inline)]
pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
    ToSocketAddrs,
};
