//! Waiting for descriptors of any kind, many at once: `poll`, and what is built on the same loop.

mod events;
mod poll_fd;
mod select;
mod selector;
mod wait;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::deadline::Deadline;

pub use events::Events;
pub use poll_fd::PollFd;
pub use select::{Selected, select};
pub use selector::{Selector, SelectorKey};

/// Waits until one of `fds` is ready, for `timeout` at most (`None`: for ever); returns how many
/// are, and leaves in each what it is ready for.
///
/// poll(2) in all: readiness is a level, not an edge, so what is left unread is ready again; a
/// descriptor may be there twice; files are always ready; one that is not open is ready for
/// [`Events::INVALID`]. A zero timeout only looks. No descriptors at all is a sleep.
///
/// On a green thread it parks, on an OS thread it blocks; a green thread for which there is always
/// one ready yields now and then. A kill or timeout unwinds from the wait. Any number of threads
/// may wait for one descriptor, which may be a socket of this crate.
///
/// Each wait makes the descriptors known to the worker's reactor and unknown again, at two system
/// calls a descriptor: a [`Selector`] is for who waits for many again and again.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) for more descriptors than a process may open;
/// whatever the system says if it can't wait for one.
///
/// # Examples
///
/// ```
/// use greenloop::net::{Events, PollFd, poll};
/// use std::io::{Write, pipe};
/// use std::time::Duration;
///
/// let (receiver, mut sender) = pipe()?;
/// let mut fds = [PollFd::new(&receiver, Events::READABLE)];
/// assert_eq!(poll(&mut fds, Some(Duration::from_millis(1)))?, 0);
///
/// sender.write_all(b"hello")?;
/// assert_eq!(poll(&mut fds, None)?, 1);
/// assert_eq!(fds[0].revents(), Events::READABLE);
/// # std::io::Result::Ok(())
/// ```
pub fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let wanted: Vec<_> = fds.iter().map(|fd| (fd.fd(), fd.events())).collect();
    let found = wait::wait(&wanted, timeout)?;
    for (fd, found) in fds.iter_mut().zip(&found) {
        fd.set_revents(*found);
    }
    Ok(found.iter().filter(|found| !found.is_empty()).count())
}

/// Waits until a read of `fd` would not wait: there is something, it has ended, or it has failed.
///
/// For a library with a descriptor of its own (a database's client, a device), whose calls do not
/// wait: call, and wait here in between. On a green thread it parks, on an OS thread it blocks. A
/// kill or timeout unwinds from the wait.
///
/// # Errors
///
/// [`TimedOut`](io::ErrorKind::TimedOut) after `timeout` (`None`: never; zero: at once);
/// [`InvalidInput`](io::ErrorKind::InvalidInput) that names a descriptor which is not open;
/// whatever the system says if it can't wait for such a one.
///
/// # Examples
///
/// ```
/// use greenloop::net::wait_readable;
/// use std::io::{ErrorKind, Write, pipe};
/// use std::time::Duration;
///
/// let (receiver, mut sender) = pipe()?;
/// let early = wait_readable(&receiver, Some(Duration::from_millis(1)));
/// assert_eq!(early.unwrap_err().kind(), ErrorKind::TimedOut);
///
/// let waiter = greenloop::spawn(move || wait_readable(&receiver, None));
/// sender.write_all(b"hello")?;
/// waiter.join().unwrap()?;
/// # std::io::Result::Ok(())
/// ```
pub fn wait_readable(fd: impl AsFd, timeout: Option<Duration>) -> io::Result<()> {
    wait_one(fd, Events::READABLE | Events::READ_CLOSED, timeout)
}

/// Waits until a write to `fd` would not wait: there is room, or it has failed.
///
/// [`wait_readable`] for the other direction.
///
/// # Errors
///
/// As for [`wait_readable`].
///
/// # Examples
///
/// ```
/// use greenloop::net::wait_writable;
///
/// let (_receiver, sender) = std::io::pipe()?;
/// wait_writable(&sender, None)?;
/// # std::io::Result::Ok(())
/// ```
pub fn wait_writable(fd: impl AsFd, timeout: Option<Duration>) -> io::Result<()> {
    wait_one(fd, Events::WRITABLE, timeout)
}

fn wait_one(fd: impl AsFd, events: Events, timeout: Option<Duration>) -> io::Result<()> {
    let fd = fd.as_fd();
    match wait::wait(&[(fd, events)], timeout)?[0] {
        found if found.contains(Events::INVALID) => Err(wait::not_open(fd)),
        found if found.is_empty() => Err(Deadline::error()),
        _ => Ok(()),
    }
}
