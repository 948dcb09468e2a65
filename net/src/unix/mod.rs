//! Unix sockets with the shape of `std::os::unix::net`, for green threads and OS threads alike.
//!
//! A program is ported by a change of `use std::os::unix::net::…` into
//! `use greenloop::net::unix::…`. An address is a path, an abstract name, or none; its type is
//! std's.
//!
//! ```
//! use greenloop::net::unix::{SocketAddr, SocketAddrExt, UnixListener, UnixStream};
//! use std::io::{Read, Write};
//!
//! let name = format!("greenloop example {}", std::process::id());
//! let addr = SocketAddr::from_abstract_name(name)?;
//! let listener = UnixListener::bind_addr(&addr)?;
//! let server = greenloop::spawn(move || -> std::io::Result<()> {
//!     let (mut stream, _) = listener.accept()?; // parks this green thread alone
//!     stream.write_all(b"hello")
//! });
//!
//! let mut text = String::new();
//! UnixStream::connect_addr(&addr)?.read_to_string(&mut text)?;
//! assert_eq!(text, "hello");
//! server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What waits, timeouts and errors are those of [`greenloop::net`](crate).

pub(crate) mod address;
mod connect;
mod datagram;
mod incoming;
mod listener;
mod room;
mod stream;

pub use datagram::UnixDatagram;
pub use incoming::Incoming;
pub use listener::UnixListener;
pub use stream::UnixStream;

#[doc(no_inline)]
pub use std::os::linux::net::SocketAddrExt;
#[doc(no_inline)]
pub use std::os::unix::net::SocketAddr;
