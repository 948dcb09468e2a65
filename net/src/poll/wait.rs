//! The one loop of all these calls: look at the descriptors, wait until one may be ready, look
//! again. What poll(2) says is what they are; an event only says when to ask it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use greenloop_runtime::Source;
use greenloop_runtime::readiness::{self, Interest};
use rustix::event::{PollFd as Entry, Timespec};

use super::events::Events;
use crate::deadline::Deadline;

/// Waits until one of the descriptors is ready, and says of each what it is; all empty after
/// `timeout`.
pub(crate) fn wait(
    wanted: &[(BorrowedFd<'_>, Events)],
    timeout: Option<Duration>,
) -> io::Result<Vec<Events>> {
    let sources: Vec<_> = wanted.iter().map(|(fd, _)| Source::new(*fd)).collect();
    let pairs = sources.iter().zip(wanted);
    wait_known(
        pairs.map(|(source, (_, events))| (source, *events)),
        timeout,
    )
}

/// [`wait`] for sources, which stay known to a reactor from one call to the next.
pub(crate) fn wait_known<'a, F: AsFd + 'a>(
    wanted: impl Iterator<Item = (&'a Source<F>, Events)> + Clone,
    timeout: Option<Duration>,
) -> io::Result<Vec<Events>> {
    let deadline = Deadline::after(timeout);
    let entry = |(source, events): (&'a Source<F>, Events)| {
        Entry::from_borrowed_fd(source.get_ref().as_fd(), events.flags())
    };
    let mut looking = Looking(wanted.clone().map(entry).collect());
    // Who always finds one ready must not keep the others from running.
    readiness::spend_budget();
    if !looking.look()? && timeout != Some(Duration::ZERO) {
        let interest = |(source, events): (&'a Source<F>, Events)| {
            source.interest(events.flags().bits().cast_signed())
        };
        let interests: Vec<_> = wanted.map(interest).collect();
        looking.until(deadline, &interests)?;
    }
    Ok(looking.found())
}

/// The error for a descriptor that is not open.
pub(crate) fn not_open(fd: BorrowedFd<'_>) -> io::Error {
    let number = fd.as_raw_fd();
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("descriptor {number} is not open"),
    )
}

struct Looking<'fd>(Vec<Entry<'fd>>);

impl Looking<'_> {
    /// Is one of them ready now?
    fn look(&mut self) -> io::Result<bool> {
        let now = Timespec::default();
        let count = rustix::io::retry_on_intr(|| rustix::event::poll(&mut self.0, Some(&now)))?;
        Ok(count > 0)
    }

    fn until(&mut self, deadline: Deadline, interests: &[Interest<'_>]) -> io::Result<()> {
        while let Ok(left) = deadline.left() {
            readiness::wait_ready(interests, left)?;
            if self.look()? {
                break;
            }
        }
        Ok(())
    }

    fn found(&self) -> Vec<Events> {
        let found = self.0.iter().map(Entry::revents);
        found.map(Events::of).collect()
    }
}
