//! Readiness: waiting for any of several descriptors.
//!
//! For `greenloop::net` and the monkey patch, whose public calls look at the descriptors with
//! poll(2) before a wait and after it; no part of the public interface.

use crate::clock;
use crate::context;
use crate::interrupt;
use crate::park::{self, Unparker};
use crate::reason::{Thing, Wait};
use crate::source::{self, Source};
use crate::wait_queue::{WaitQueue, Waiter};
use crate::worker::Worker;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::time::Duration;

pub use crate::source::Interest;

/// Lets the others of this worker run if the caller has looked at many descriptors without ever
/// waiting. To be called before a look, so that a kill loses nothing.
pub fn spend_budget() {
    source::spend_budget();
}

/// Waits until one of `interests` may be ready, or for `timeout` (`None`: for ever); may return
/// early. A green thread parks and an OS thread blocks; a kill or timeout unwinds.
///
/// None of them was ready at a look of the caller's just before. With none at all it is a sleep.
///
/// # Errors
///
/// What the system says of a descriptor that can't be waited for.
pub fn wait_ready(interests: &[Interest<'_>], timeout: Option<Duration>) -> io::Result<()> {
    wait_for(interests, source::deadline_after(timeout), why(interests))
}

/// [`wait_ready`] for the descriptor that tells of signals, as dumps say it.
///
/// # Errors
///
/// As for [`wait_ready`].
pub fn wait_for_signal<T: AsFd>(source: &Source<T>) -> io::Result<()> {
    let why = Wait::on(Thing::Signal, source);
    wait_for(&[source.interest(libc::POLLIN)], clock::NEVER, why)
}

fn why(interests: &[Interest<'_>]) -> Wait {
    match interests {
        [only] if !only.is_of_writers() => Wait::read(only.entry().fd),
        [only] if !only.is_of_readers() => Wait::write(only.entry().fd),
        _ => Wait::ANY,
    }
}

fn wait_for(interests: &[Interest<'_>], deadline: u64, why: Wait) -> io::Result<()> {
    match context::green() {
        Some((worker, _)) => wait_green(worker, interests, deadline, why),
        None => wait_os_thread(interests, deadline),
    }
}

fn wait_green(
    worker: &Worker,
    interests: &[Interest<'_>],
    deadline: u64,
    why: Wait,
) -> io::Result<()> {
    let mut places: Vec<Option<Place<'_>>> = Vec::new();
    places.resize_with(2 * interests.len(), || None);
    for (interest, places) in interests.iter().zip(places.chunks_exact_mut(2)) {
        let registration = match interest.register(worker) {
            // No event ever comes of what is always as it is, such as a regular file.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
            registration => registration?,
        };
        // SAFETY: the list is not touched again until it is dropped on this frame.
        unsafe {
            if interest.is_of_readers() {
                Place::enter(&mut places[0], &registration.readers);
            }
            if interest.is_of_writers() {
                Place::enter(&mut places[1], &registration.writers);
            }
        }
    }
    let _counted = worker.reactor().waiting();
    park::park(deadline, why);
    Ok(())
}

fn wait_os_thread(interests: &[Interest<'_>], deadline: u64) -> io::Result<()> {
    let until = interrupt::before_wait(deadline);
    let mut entries: Vec<_> = interests.iter().map(Interest::entry).collect();
    match source::poll(&mut entries, until) {
        // Or a timeout around it has: the caller looks once more, and comes back.
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
        result => result,
    }
}

/// A place in a queue of a registration, given up on drop.
pub(crate) struct Place<'a> {
    queue: &'a WaitQueue,
    waiter: Waiter,
}

impl<'a> Place<'a> {
    /// Puts the caller into `queue`, by a new place in `slot`.
    ///
    /// # Safety
    ///
    /// `queue` belongs to the reactor of the caller's worker. The slot is not touched, moved or
    /// forgotten from now until it is dropped.
    pub(crate) unsafe fn enter(slot: &mut Option<Place<'a>>, queue: &'a WaitQueue) {
        let waiter = Waiter::new(Unparker::current());
        let place = slot.insert(Place { queue, waiter });
        // SAFETY: the node is new, and by the caller's word it stays until its drop takes it out.
        unsafe { queue.push(NonNull::from(&place.waiter)) };
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // SAFETY: the node is valid, and was put into this queue.
        unsafe { self.queue.remove(NonNull::from(&self.waiter)) };
    }
}
