//! `PollFd`: one of the descriptors that `poll` waits for.

use std::os::fd::{AsFd, BorrowedFd};

use super::events::Events;

/// A descriptor, what it is to be ready for, and what [`poll`](super::poll) found.
#[derive(Clone, Copy, Debug)]
pub struct PollFd<'fd> {
    fd: BorrowedFd<'fd>,
    events: Events,
    revents: Events,
}

impl<'fd> PollFd<'fd> {
    /// Asks for `events` of `fd`.
    pub fn new(fd: &'fd impl AsFd, events: Events) -> PollFd<'fd> {
        PollFd::from_borrowed_fd(fd.as_fd(), events)
    }

    /// Asks for `events` of `fd`.
    pub fn from_borrowed_fd(fd: BorrowedFd<'fd>, events: Events) -> PollFd<'fd> {
        PollFd {
            fd,
            events,
            revents: Events::empty(),
        }
    }

    /// Returns what is asked for.
    pub fn events(&self) -> Events {
        self.events
    }

    /// Changes what is asked for.
    pub fn set_events(&mut self, events: Events) {
        self.events = events;
    }

    /// Returns what the last [`poll`](super::poll) found: nothing if it was not ready, nor before
    /// the first one.
    pub fn revents(&self) -> Events {
        self.revents
    }

    pub(crate) fn set_revents(&mut self, revents: Events) {
        self.revents = revents;
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'fd> {
        self.fd
    }
}

impl AsFd for PollFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}
