//! `Source`: a descriptor that green threads and OS threads can wait for.

use crate::atomic::{AtomicPtr, Ordering};
use crate::clock;
use crate::context;
use crate::interrupt;
use crate::lock::Lock;
use crate::park::{self, Unparker};
use crate::reactor::Registration;
use crate::reason::Wait;
use crate::remote;
use crate::wait_queue::{WaitQueue, Waiter};
use crate::worker::Worker;
use std::fmt;
use std::io::{self, ErrorKind};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::time::Duration;

/// A descriptor in non-blocking mode whose calls wait instead of failing with `WouldBlock`.
///
/// The call is tried first. If it would block, a green thread parks, so that its worker runs others
/// meanwhile, and an OS thread blocks in `poll(2)`. The descriptor is made known to a worker's
/// reactor when a green thread of that worker first has to wait, and taken out of every reactor
/// before it is closed or given away. Any number of threads may wait for one source, in both
/// directions; an event wakes all that wait for its direction.
///
/// This is what `greenloop::net`'s sockets are made of, and what a library of your own sockets,
/// pipes or devices needs.
///
/// A wait here is ended by a kill or timeout of the green thread; nothing is lost, since the call
/// is made only when it can succeed at once.
///
/// # Examples
///
/// ```
/// use greenloop::Source;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
///
/// let (ours, mut theirs) = UnixStream::pair()?;
/// ours.set_nonblocking(true)?;
/// let reader = greenloop::spawn(move || {
///     let source = Source::new(ours);
///     let mut buffer = [0; 5];
///     source.read(Some(Duration::from_secs(5)), |mut io| io.read(&mut buffer))?;
///     std::io::Result::Ok(buffer)
/// });
/// theirs.write_all(b"hello")?;
/// assert_eq!(&reader.join().unwrap()?, b"hello");
/// # std::io::Result::Ok(())
/// ```
pub struct Source<T: AsFd> {
    io: ManuallyDrop<T>,
    registrations: Registrations,
}

/// Which reactors know the descriptor.
struct Registrations {
    /// Nearly always the only one. Null, then set once, under the lock.
    first: AtomicPtr<Registration>,
    others: Lock<Vec<Known>>,
}

struct Known(NonNull<Registration>);

// SAFETY: a registration is reached from other threads only to remove it, which `reactor::Outside`
// allows.
unsafe impl Send for Known {}

#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl<T: AsFd> Source<T> {
    /// Wraps `io`, whose calls must not block, be it by its mode or by a flag of each call (such as
    /// `MSG_DONTWAIT`): otherwise they block the whole worker.
    ///
    /// Makes no system call.
    pub fn new(io: T) -> Self {
        let registrations = Registrations {
            first: AtomicPtr::new(ptr::null_mut()),
            others: Lock::new(Vec::new()),
        };
        Source {
            io: ManuallyDrop::new(io),
            registrations,
        }
    }

    /// Returns the wrapped object.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Unwraps the object, which no reactor knows any more.
    pub fn into_inner(self) -> T {
        let mut this = ManuallyDrop::new(self);
        this.registrations.clear();
        // SAFETY: `this` is never dropped nor used again, so both fields are taken once.
        let io = unsafe { ManuallyDrop::take(&mut this.io) };
        // SAFETY: as above; the (empty) list of registrations would leak otherwise.
        unsafe { ptr::drop_in_place(&mut this.registrations) };
        io
    }

    /// Calls `op` until it does anything but fail with `WouldBlock` or `Interrupted`, waiting until
    /// the descriptor is readable in between, for `timeout` in all (`None`: for ever). Yields only
    /// to wait, or when this green thread has done much I/O without ever waiting.
    ///
    /// `op` itself must not wait: an event that comes while it does may be missed.
    ///
    /// # Errors
    ///
    /// What `op` returned; [`TimedOut`](ErrorKind::TimedOut) when the time is over; whatever the
    /// system says if it can't wait for such a descriptor (a regular file: `PermissionDenied`).
    pub fn read<R>(
        &self,
        timeout: Option<Duration>,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.retry(Direction::Read, timeout, op)
    }

    /// [`read`](Source::read) for the other direction: waits until the descriptor is writable.
    ///
    /// # Errors
    ///
    /// As for [`read`](Source::read).
    pub fn write<R>(
        &self,
        timeout: Option<Duration>,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.retry(Direction::Write, timeout, op)
    }

    /// Waits until the descriptor is readable, has ended, or has failed.
    ///
    /// # Errors
    ///
    /// As for [`read`](Source::read).
    pub fn wait_readable(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.read(timeout, |io| look(io.as_fd(), Direction::Read))
    }

    /// Waits until the descriptor is writable or has failed.
    ///
    /// # Errors
    ///
    /// As for [`read`](Source::read).
    pub fn wait_writable(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.write(timeout, |io| look(io.as_fd(), Direction::Write))
    }

    /// Says that the last [`read`](Source::read) brought less than there was room for: there is
    /// nothing left, and the next one waits for an event before it calls, which saves a call.
    ///
    /// For streams alone, whose short reads mean that (epoll(7) says so of edge-triggered events);
    /// it is only a hint, and forgotten at the next event.
    pub fn mark_drained(&self) {
        if let Some(registration) = self.registration_here() {
            registration.drained.set(!registration.ended.get());
        }
    }

    /// What [`readiness::wait_ready`](crate::readiness::wait_ready) takes; `events` are those of
    /// poll(2).
    #[doc(hidden)]
    pub fn interest(&self, events: i16) -> Interest<'_> {
        Interest {
            registrations: &self.registrations,
            fd: self.io.as_fd(),
            events,
        }
    }

    /// The first registration, if it is of the worker that runs the caller.
    #[inline]
    fn registration_here(&self) -> Option<&Registration> {
        let (worker, _) = context::green()?;
        // SAFETY: registrations live for ever. Acquire pairs with the Release in `register`.
        let first = unsafe { self.registrations.first.load(Ordering::Acquire).as_ref() }?;
        (first.home == worker.index()).then_some(first)
    }

    #[inline]
    fn is_drained(&self) -> bool {
        self.registration_here()
            .is_some_and(|registration| registration.drained.get())
    }

    #[inline]
    fn retry<R>(
        &self,
        direction: Direction,
        timeout: Option<Duration>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        spend_budget();
        let mut deadline = None;
        if matches!(direction, Direction::Read) && self.is_drained() {
            let deadline = *deadline.get_or_insert_with(|| deadline_after(timeout));
            self.wait(direction, deadline)?;
        }
        loop {
            match self.attempt(&mut op) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let deadline = *deadline.get_or_insert_with(|| deadline_after(timeout));
                    self.wait(direction, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn attempt<R>(&self, op: &mut impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        let _own = context::hooks_off();
        op(&self.io)
    }

    fn wait(&self, direction: Direction, deadline: u64) -> io::Result<()> {
        match context::green() {
            Some((worker, _)) => self.wait_green(worker, direction, deadline),
            None => self.wait_os_thread(direction, deadline),
        }
    }

    fn wait_os_thread(&self, direction: Direction, deadline: u64) -> io::Result<()> {
        let until = interrupt::before_wait(deadline);
        match poll_one(self.io.as_fd(), direction, until) {
            // A timeout around it has run out first: the caller tries once more, and comes back.
            Err(error) if error.kind() == ErrorKind::TimedOut && until < deadline => Ok(()),
            result => result,
        }
    }

    fn wait_green(&self, worker: &Worker, direction: Direction, deadline: u64) -> io::Result<()> {
        let fd = self.io.as_fd();
        let registration = self.registrations.of(worker, fd)?;
        let (queue, why) = match direction {
            Direction::Read => (&registration.readers, Wait::read(fd.as_raw_fd())),
            Direction::Write => (&registration.writers, Wait::write(fd.as_raw_fd())),
        };
        let _counted = worker.reactor().waiting();
        let waiter = Waiter::new(Unparker::current());
        // SAFETY: the node is new, and stays on this frame until `place` has taken it out, be it by
        // unwinding.
        unsafe { queue.push(NonNull::from(&waiter)) };
        let _place = Place {
            queue,
            waiter: &waiter,
        };
        while waiter.is_queued() {
            park::park(deadline, why);
            if waiter.is_queued() && clock::now() >= deadline {
                return Err(ErrorKind::TimedOut.into());
            }
        }
        Ok(())
    }
}

/// A source, and what it is to be ready for.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Interest<'a> {
    registrations: &'a Registrations,
    fd: BorrowedFd<'a>,
    events: i16,
}

impl fmt::Debug for Interest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interest { fd, events, .. } = self;
        f.debug_tuple("Interest").field(fd).field(events).finish()
    }
}

impl<'a> Interest<'a> {
    pub(crate) fn register(&self, worker: &Worker) -> io::Result<&'a Registration> {
        self.registrations.of(worker, self.fd)
    }

    /// An end or a failure, which all wait for, wakes those who wait for either direction.
    pub(crate) fn is_of_readers(&self) -> bool {
        self.events & !libc::POLLOUT != 0 || self.events == 0
    }

    pub(crate) fn is_of_writers(&self) -> bool {
        self.events & libc::POLLOUT != 0
    }

    pub(crate) fn entry(&self) -> libc::pollfd {
        libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: self.events,
            revents: 0,
        }
    }
}

/// A place in a queue, given up on drop.
struct Place<'a> {
    queue: &'a WaitQueue,
    waiter: &'a Waiter,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // SAFETY: the node is valid for this guard's life, and was put into this queue.
        unsafe { self.queue.remove(NonNull::from(self.waiter)) };
    }
}

impl Registrations {
    /// The registration with `worker`'s reactor, made if there is none.
    fn of(&self, worker: &Worker, fd: BorrowedFd<'_>) -> io::Result<&Registration> {
        // SAFETY: registrations live for ever. Acquire pairs with the Release in `register`.
        match unsafe { self.first.load(Ordering::Acquire).as_ref() } {
            Some(first) if first.home == worker.index() => Ok(first),
            _ => self.register(worker, fd),
        }
    }

    #[cold]
    fn register(&self, worker: &Worker, fd: BorrowedFd<'_>) -> io::Result<&Registration> {
        let mut others = self.others.lock();
        // SAFETY: registrations live for ever.
        let mut known = others.iter().map(|known| unsafe { known.0.as_ref() });
        if let Some(known) = known.find(|known| known.home == worker.index()) {
            return Ok(known);
        }
        let new = worker
            .remote()
            .reactor
            .register(worker.index(), fd.as_raw_fd())?;
        if self.first.load(Ordering::Relaxed).is_null() {
            self.first.store(new.as_ptr(), Ordering::Release);
        } else {
            others.push(Known(new));
        }
        // SAFETY: registrations live for ever.
        Ok(unsafe { new.as_ref() })
    }

    /// Makes every reactor forget the descriptor.
    fn clear(&mut self) {
        let first = NonNull::new(std::mem::replace(self.first.get_mut(), ptr::null_mut()));
        let others = std::mem::take(&mut *self.others.lock());
        for registration in first
            .into_iter()
            .chain(others.into_iter().map(|known| known.0))
        {
            // SAFETY: registrations live for ever.
            let home = unsafe { registration.as_ref() }.home;
            remote::at(home).reactor.deregister(registration);
        }
    }
}

impl<T: AsFd> Drop for Source<T> {
    fn drop(&mut self) {
        self.registrations.clear();
        // SAFETY: dropped once, here; afterwards nothing uses it.
        unsafe { ManuallyDrop::drop(&mut self.io) };
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&*self.io).finish()
    }
}

/// A green thread that never has to wait lets the others run now and then, before a call: a kill
/// loses nothing.
pub(crate) fn spend_budget() {
    if let Some((worker, _)) = context::green()
        && worker.spend_budget()
    {
        park::yield_now();
    }
}

pub(crate) fn deadline_after(timeout: Option<Duration>) -> u64 {
    timeout.map_or(clock::NEVER, clock::deadline)
}

/// Is it ready? `WouldBlock` if not.
fn look(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<()> {
    poll_one(fd, direction, clock::PAST).map_err(|error| match error.kind() {
        ErrorKind::TimedOut => ErrorKind::WouldBlock.into(),
        _ => error,
    })
}

/// [`poll`] for one descriptor.
fn poll_one(fd: BorrowedFd<'_>, direction: Direction, deadline: u64) -> io::Result<()> {
    let events = match direction {
        Direction::Read => libc::POLLIN | libc::POLLRDHUP,
        Direction::Write => libc::POLLOUT,
    };
    let entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events,
        revents: 0,
    };
    poll(&mut [entry], deadline)
}

/// Blocks the OS thread until a descriptor is ready, has ended or has failed; `TimedOut` after
/// `deadline`.
pub(crate) fn poll(entries: &mut [libc::pollfd], deadline: u64) -> io::Result<()> {
    let count = entries.len() as libc::nfds_t;
    let left = match deadline {
        clock::PAST => 0,
        _ => deadline.saturating_sub(clock::now()),
    };
    let left = clock::timespec(left);
    let left: *const libc::timespec = if deadline == clock::NEVER {
        ptr::null()
    } else {
        &left
    };
    // SAFETY: so many valid entries; `left` is null or points to a timespec that outlives the call;
    // no signal mask.
    match unsafe { libc::ppoll(entries.as_mut_ptr(), count, left, ptr::null()) } {
        0 => Err(ErrorKind::TimedOut.into()),
        1.. => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            // The caller tries its call again, and comes back with what is left of the time.
            if error.kind() == ErrorKind::Interrupted {
                Ok(())
            } else {
                Err(error)
            }
        }
    }
}
