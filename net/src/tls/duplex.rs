//! `Duplex`: streams that one thread may read while another one writes.

use std::io::{Read, Write};

/// A stream that is read and written through references, as [`TcpStream`](crate::TcpStream) is.
///
/// Every such stream is one; there is nothing to implement. The trait stands in for the bound
/// `for<'a> &'a S: Read + Write`, by which the compiler would lose its way among streams within
/// streams.
///
/// # Examples
///
/// ```
/// use greenloop::net::tls::{Duplex, TlsStream};
/// use std::io;
///
/// /// Sends back what comes until the peer's end.
/// fn echo<S: Duplex>(stream: &TlsStream<S>) -> io::Result<()> {
///     io::copy(&mut &*stream, &mut &*stream)?;
///     stream.shutdown()
/// }
/// ```
pub trait Duplex {
    /// Returns a handle to read and write by.
    fn handle(&self) -> impl Read + Write;
}

impl<S> Duplex for S
where
    for<'a> &'a S: Read + Write,
{
    fn handle(&self) -> impl Read + Write {
        self
    }
}
