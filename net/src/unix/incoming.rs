//! `Incoming`: a Unix listener's connections, one after another.

use std::io;
use std::iter::FusedIterator;

use super::{UnixListener, UnixStream};

/// An iterator over the connections of a listener, from [`UnixListener::incoming`].
///
/// It calls [`UnixListener::accept`] for each item and never returns `None`.
///
/// # Examples
///
/// ```
/// use greenloop::net::unix::{Incoming, UnixListener, UnixStream};
///
/// fn first(mut incoming: Incoming<'_>) -> std::io::Result<UnixStream> {
///     incoming.next().expect("it never ends")
/// }
///
/// let listener = UnixListener::bind("")?; // a name of the system's choice
/// let client = UnixStream::connect_addr(&listener.local_addr()?)?;
/// first(listener.incoming())?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Incoming<'a> {
    pub(super) listener: &'a UnixListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedIterator for Incoming<'_> {}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}
