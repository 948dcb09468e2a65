//! `select`: three lists of descriptors, and which of them are ready.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use super::events::Events;
use super::wait;

/// Which descriptors are ready, by their numbers, in the order in which [`select`] was given them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    /// A read or an accept would not wait.
    pub readable: Vec<RawFd>,
    /// A write would not wait, or a connect has ended.
    pub writable: Vec<RawFd>,
    /// There is urgent data.
    pub exceptional: Vec<RawFd>,
}

impl Selected {
    /// Tells whether none is ready: the time is over.
    pub fn is_empty(&self) -> bool {
        self.readable.is_empty() && self.writable.is_empty() && self.exceptional.is_empty()
    }
}

/// Waits until one of the descriptors is ready, for `timeout` at most (`None`: for ever).
///
/// Python's `select.select`, without a limit on the descriptors' numbers: a descriptor that has
/// ended or failed counts as readable, one that has failed as writable. A zero timeout only looks.
/// All three lists empty is a sleep.
///
/// On a green thread it parks, on an OS thread it blocks; a green thread for which there is always
/// one ready yields now and then. A kill or timeout unwinds from the wait.
///
/// Each wait makes the descriptors known to the worker's reactor and unknown again, at two system
/// calls a descriptor: a [`Selector`](super::Selector) is for who waits for many again and again.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) that names a descriptor which is not open, or for
/// more descriptors than a process may open; whatever the system says if it can't wait for one.
///
/// # Examples
///
/// ```
/// use greenloop::net::{UdpSocket, select};
/// use std::os::fd::{AsFd, AsRawFd};
///
/// let [one, other] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
/// one.send_to(b"hello", other.local_addr()?)?;
/// let ready = select(&[one.as_fd(), other.as_fd()], &[], &[], None)?;
/// assert_eq!(ready.readable, [other.as_raw_fd()]);
/// # std::io::Result::Ok(())
/// ```
pub fn select(
    readable: &[BorrowedFd<'_>],
    writable: &[BorrowedFd<'_>],
    exceptional: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Selected> {
    let asked = [
        (readable, Events::READABLE),
        (writable, Events::WRITABLE),
        (exceptional, Events::URGENT),
    ];
    // Each once: poll(2) takes no more entries than a process may have descriptors.
    let mut wanted: BTreeMap<RawFd, (BorrowedFd<'_>, Events)> = BTreeMap::new();
    for (fds, events) in asked {
        for fd in fds {
            let (_, all) = wanted.entry(fd.as_raw_fd()).or_insert((*fd, events));
            *all |= events;
        }
    }
    let (numbers, wanted): (Vec<RawFd>, Vec<_>) = wanted.into_iter().unzip();
    let found = wait::wait(&wanted, timeout)?;
    for ((fd, _), found) in wanted.iter().zip(&found) {
        if found.contains(Events::INVALID) {
            return Err(wait::not_open(*fd));
        }
    }
    let found: BTreeMap<RawFd, Events> = numbers.into_iter().zip(found).collect();
    let which = |fds: &[BorrowedFd<'_>], is_met: fn(Events) -> bool| -> Vec<RawFd> {
        let numbers = fds.iter().map(AsRawFd::as_raw_fd);
        numbers.filter(|number| is_met(found[number])).collect()
    };
    Ok(Selected {
        readable: which(readable, Events::is_readable),
        writable: which(writable, Events::is_writable),
        exceptional: which(exceptional, |events| events.contains(Events::URGENT)),
    })
}
