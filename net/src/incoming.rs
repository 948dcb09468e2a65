//! `Incoming` and `IntoIncoming`: a listener's connections, one after another.

use std::io;
use std::iter::FusedIterator;

use crate::{TcpListener, TcpStream};

/// An iterator over the connections of a listener, from [`TcpListener::incoming`].
///
/// It calls [`TcpListener::accept`] for each item and never returns `None`.
///
/// # Examples
///
/// ```
/// use greenloop::net::{Incoming, TcpListener, TcpStream};
///
/// fn first(mut incoming: Incoming<'_>) -> std::io::Result<TcpStream> {
///     incoming.next().expect("it never ends")
/// }
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// assert_eq!(first(listener.incoming())?.peer_addr()?, client.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Incoming<'a> {
    pub(crate) listener: &'a TcpListener,
}

/// An iterator over the connections of the listener that it owns, from
/// [`TcpListener::into_incoming`].
///
/// It calls [`TcpListener::accept`] for each item and never returns `None`.
///
/// # Examples
///
/// ```
/// use greenloop::net::{IntoIncoming, TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let mut incoming: IntoIncoming = listener.into_incoming();
/// let server = incoming.next().expect("it never ends")?;
/// assert_eq!(server.peer_addr()?, client.local_addr()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct IntoIncoming {
    pub(crate) listener: TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl Iterator for IntoIncoming {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
impl FusedIterator for IntoIncoming {}
