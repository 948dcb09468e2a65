//! `Events`: what a descriptor is to be ready for, and what it turned out to be ready for.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

use rustix::event::PollFlags;

/// A set of the events of poll(2).
///
/// [`READABLE`](Events::READABLE), [`WRITABLE`](Events::WRITABLE), [`URGENT`](Events::URGENT) and
/// [`READ_CLOSED`](Events::READ_CLOSED) are asked for; [`HUNG_UP`](Events::HUNG_UP),
/// [`ERROR`](Events::ERROR) and [`INVALID`](Events::INVALID) are told without being asked for.
///
/// # Examples
///
/// ```
/// use greenloop::net::Events;
///
/// let both = Events::READABLE | Events::WRITABLE;
/// assert!(both.contains(Events::READABLE) && !both.is_empty());
/// assert_eq!(both - Events::READABLE, Events::WRITABLE);
/// assert!(Events::HUNG_UP.is_readable(), "a read does not wait: it finds the end");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Events(PollFlags);

impl Events {
    /// There is something to read or to accept, or the end of it (`POLLIN`).
    pub const READABLE: Events = Events(PollFlags::IN);
    /// There is room for something to be written, or a connect has ended (`POLLOUT`).
    pub const WRITABLE: Events = Events(PollFlags::OUT);
    /// Exceptional: there is urgent data of a TCP stream, among other things (`POLLPRI`).
    pub const URGENT: Events = Events(PollFlags::PRI);
    /// The peer of a stream will write no more, although there may be things to read (`POLLRDHUP`).
    pub const READ_CLOSED: Events = Events(PollFlags::RDHUP);
    /// The other side is gone altogether; there may be things to read (`POLLHUP`).
    pub const HUNG_UP: Events = Events(PollFlags::HUP);
    /// It has failed: the next call, or `take_error`, says how (`POLLERR`).
    pub const ERROR: Events = Events(PollFlags::ERR);
    /// It is not open (`POLLNVAL`).
    pub const INVALID: Events = Events(PollFlags::NVAL);

    /// Returns the set of no events: a descriptor that is polled for them is waited for until it
    /// hangs up or fails.
    pub const fn empty() -> Events {
        Events(PollFlags::empty())
    }

    /// Tells whether there are no events in it.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether all of `other` are in it.
    pub const fn contains(self, other: Events) -> bool {
        self.0.contains(other.0)
    }

    /// Tells whether some of `other` are in it.
    pub const fn intersects(self, other: Events) -> bool {
        self.0.intersects(other.0)
    }

    /// Tells whether a read would not wait, since there is something, an end, or a failure.
    pub const fn is_readable(self) -> bool {
        const NO_WAIT: PollFlags = PollFlags::IN
            .union(PollFlags::RDHUP)
            .union(PollFlags::HUP)
            .union(PollFlags::ERR)
            .union(PollFlags::NVAL);
        self.0.intersects(NO_WAIT)
    }

    /// Tells whether a write would not wait, since there is room, or a failure.
    pub const fn is_writable(self) -> bool {
        const NO_WAIT: PollFlags = PollFlags::OUT.union(PollFlags::ERR).union(PollFlags::NVAL);
        self.0.intersects(NO_WAIT)
    }

    pub(crate) fn of(flags: PollFlags) -> Events {
        Events(flags)
    }

    pub(crate) fn flags(self) -> PollFlags {
        self.0
    }
}

impl Default for Events {
    fn default() -> Events {
        Events::empty()
    }
}

impl BitOr for Events {
    type Output = Events;

    fn bitor(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }
}

impl BitOrAssign for Events {
    fn bitor_assign(&mut self, other: Events) {
        self.0 |= other.0;
    }
}

impl BitAnd for Events {
    type Output = Events;

    fn bitand(self, other: Events) -> Events {
        Events(self.0 & other.0)
    }
}

impl Sub for Events {
    type Output = Events;

    fn sub(self, other: Events) -> Events {
        Events(self.0 - other.0)
    }
}

const NAMES: [(Events, &str); 7] = [
    (Events::READABLE, "READABLE"),
    (Events::WRITABLE, "WRITABLE"),
    (Events::URGENT, "URGENT"),
    (Events::READ_CLOSED, "READ_CLOSED"),
    (Events::HUNG_UP, "HUNG_UP"),
    (Events::ERROR, "ERROR"),
    (Events::INVALID, "INVALID"),
];

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.iter().filter(|(event, _)| self.contains(*event));
        let names: Vec<&str> = named.map(|(_, name)| *name).collect();
        write!(f, "Events({})", names.join(" | "))
    }
}
