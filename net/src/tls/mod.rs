//! TLS by [`rustls`] over the streams of this crate: for clients, for servers, on any thread.
//!
//! A [`TlsConnector`] or a [`TlsAcceptor`] holds what all connections of a kind share:
//! certificates, versions, protocols, a deadline for the handshake. It wraps a connected stream
//! into a [`TlsStream`], which is read and written as that stream is, and waits as it does. The
//! handshake runs on the caller's thread, so a server accepts TLS on the green thread of each
//! connection:
//!
//! ```
//! use greenloop::net::tls::{Identity, Roots, TlsAcceptor, TlsConnector};
//! use greenloop::net::{TcpListener, TcpStream};
//! use std::io::{Read, Write};
//!
//! # let ca = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
//! # let (chain, key) = (ca.cert.pem(), ca.signing_key.serialize_pem());
//! let acceptor = TlsAcceptor::new(Identity::from_pem(&chain, &key)?)?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! greenloop::spawn(move || {
//!     for stream in listener.incoming().flatten() {
//!         let acceptor = acceptor.clone();
//!         greenloop::spawn(move || -> std::io::Result<()> {
//!             let mut stream = acceptor.accept(stream)?; // a slow client holds up nobody else
//!             stream.write_all(b"hello")?;
//!             stream.shutdown() // says that the end is no cut
//!         });
//!     }
//! });
//!
//! let connector = TlsConnector::builder().roots(Roots::from_pem(&chain)?).build()?;
//! let mut stream = connector.connect("localhost", TcpStream::connect(address)?)?;
//! let mut text = String::new();
//! stream.read_to_string(&mut text)?;
//! assert_eq!(text, "hello");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Errors
//!
//! | what happened | [`ErrorKind`](std::io::ErrorKind) |
//! |---|---|
//! | a certificate is refused; no version or ALPN protocol is shared | `InvalidData` |
//! | an alert came; the peer breaks the protocol, or does not speak TLS at all | `InvalidData` |
//! | the handshake's time is over | `TimedOut` |
//! | the connection ended in mid-handshake, or later unannounced | `UnexpectedEof` |
//! | a malformed name, PEM text or ALPN name, a key that is not the certificate's | `InvalidInput` |
//! | a write after one's own [`shutdown`](TlsStream::shutdown) | `BrokenPipe` |
//!
//! The text tells with whom and why; where rustls has found the fault, the [`rustls::Error`] is
//! the [`source`](std::error::Error::source) of the error inside
//! ([`get_ref`](std::io::Error::get_ref)).
//! All others are those of the stream beneath, its timeouts' `WouldBlock` among them.
//!
//! # Costs
//!
//! The cryptography is *ring*'s. A handshake computes for about a millisecond. It touches 16 to 20
//! KiB of its green thread's stack in a release build and 60 KiB in a debug build, of the 192 KiB
//! that there are. A connection that a server holds, and that waits to be read, takes 28 KiB in
//! all, the stack among them (measured on x86-64, 9,000 at once).

mod acceptor;
mod acceptor_builder;
mod connector;
mod connector_builder;
mod duplex;
mod failure;
mod handshake;
mod identity;
mod input;
mod names;
mod output;
mod pem;
mod roots;
mod session;
mod stream;
mod version;

pub use acceptor::TlsAcceptor;
pub use acceptor_builder::TlsAcceptorBuilder;
pub use connector::TlsConnector;
pub use connector_builder::TlsConnectorBuilder;
pub use duplex::Duplex;
pub use identity::Identity;
pub use roots::Roots;
pub use stream::TlsStream;
pub use version::TlsVersion;

/// The library underneath, for its configurations and certificates.
pub use rustls;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// Named at every use, since a program may link several and then has no default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
