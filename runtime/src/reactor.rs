//! `Reactor`: turns the kernel's readiness events, and the time, into unparks. The only file that
//! knows mio.

use crate::clock::{self, NEVER};
use crate::context;
use crate::lock::Lock;
use crate::wait_queue::WaitQueue;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const WAKER: Token = Token(0);
const TIMER: Token = Token(1);

/// How late a timer may fire, so that neighbours share a wake-up.
const SLACK: u64 = 100_000;

const EVENTS: usize = 1024;

/// The part that its worker alone uses.
#[derive(Debug)]
pub(crate) struct Reactor {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    timer: OwnedFd,
    /// When the timer descriptor goes off; `NEVER` if it is not armed.
    armed: Cell<u64>,
    /// How many green threads wait for a descriptor: without any there is no need to look.
    waiting: Cell<usize>,
}

/// The part that other threads may use.
#[derive(Debug)]
pub(crate) struct Outside {
    registry: Registry,
    waker: Waker,
    registrations: Lock<Registrations>,
}

#[derive(Debug, Default)]
struct Registrations {
    /// Those that no source uses.
    free: Vec<Free>,
    /// By descriptor: the one in use. Several sources of one descriptor share it.
    used: Vec<Option<Free>>,
}

/// A descriptor known to one reactor. Belongs to that reactor for ever, and is used for one
/// descriptor after another; its generation tells their events apart.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) home: usize,
    generation: AtomicU32,
    fd: Cell<RawFd>,
    /// How many sources use it. Under the lock of `Outside::registrations`, as `fd` is.
    sources: Cell<usize>,
    /// One of those is the descriptor itself, which has no source: see [`Outside::adopt`].
    adopted: Cell<bool>,
    /// There is nothing to read until the next event. Its own worker's, as the queues are.
    pub(crate) drained: Cell<bool>,
    /// The other side has ended or failed: there may be no further event.
    pub(crate) ended: Cell<bool>,
    pub(crate) readers: WaitQueue,
    pub(crate) writers: WaitQueue,
}

#[derive(Debug)]
struct Free(NonNull<Registration>);

// SAFETY: `fd` and `sources` are touched under the lock that this lies in, the queues by the
// reactor's own worker alone, and the rest is atomic.
unsafe impl Send for Free {}

impl Reactor {
    pub(crate) fn new() -> io::Result<(Reactor, Outside)> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, WAKER)?;
        let timer = new_timer()?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let reactor = Reactor {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS)),
            timer,
            armed: Cell::new(NEVER),
            waiting: Cell::new(0),
        };
        Ok((
            reactor,
            Outside {
                registry,
                waker,
                registrations: Lock::default(),
            },
        ))
    }

    /// Does a green thread wait for a descriptor?
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiting.get() != 0
    }

    /// Counts a green thread that waits for a descriptor, until the guard drops.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.waiting.set(self.waiting.get() + 1);
        Waiting(self)
    }

    /// Makes events into unparks, waiting for the first one for at most `timeout` (`None`: for
    /// ever).
    pub(crate) fn poll(&self, timeout: Option<Duration>) {
        let mut events = self.events.borrow_mut();
        match self.poll.borrow_mut().poll(&mut events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            result => result.expect("epoll_wait on a valid descriptor"),
        }
        for event in events.iter() {
            match event.token() {
                WAKER => {}
                TIMER => self.armed.set(NEVER),
                token => dispatch(token, event),
            }
        }
    }

    /// Sees to it that a wait ends soon after `deadline`. An earlier alarm is left as it is: most
    /// timers are cancelled, and one needless wake-up is cheaper than a system call for each.
    pub(crate) fn set_alarm(&self, deadline: u64) {
        let latest = deadline.saturating_add(SLACK);
        if self.armed.get() > latest {
            set_timer(&self.timer, latest);
            self.armed.set(latest);
        }
    }
}

/// One green thread that waits for a descriptor.
pub(crate) struct Waiting<'a>(&'a Reactor);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

fn dispatch(token: Token, event: &mio::event::Event) {
    let registration = ptr::with_exposed_provenance::<Registration>(token.0 & ADDRESS);
    // SAFETY: tokens other than the two above are made from registrations, which live for ever.
    let registration = unsafe { &*registration };
    // A registration is freed by any thread, but used again only by this one: whoever waits in it
    // now waits here, and one that is woken by another descriptor's late event looks again.
    if registration.token() != token {
        return;
    }
    let ended = event.is_error() || event.is_read_closed() && event.is_write_closed();
    registration.drained.set(false);
    // Nor does a short read mean that nothing is left once there was urgent data.
    if event.is_read_closed() || event.is_priority() || ended {
        registration.ended.set(true);
    }
    if event.is_readable() || event.is_priority() || event.is_read_closed() || ended {
        registration.readers.wake_all();
    }
    if event.is_writable() || event.is_write_closed() || ended {
        registration.writers.wake_all();
    }
}

/// The bits of a token that are the registration's address; the others are of its generation.
const ADDRESS: usize = (1 << 48) - 1;

impl Registration {
    fn token(&self) -> Token {
        let address = ptr::from_ref(self).expose_provenance();
        Token(address | (self.generation.load(Ordering::Relaxed) as usize) << 48)
    }

    fn new(home: usize) -> NonNull<Registration> {
        let registration = Box::leak(Box::new(Registration {
            home,
            generation: AtomicU32::new(0),
            fd: Cell::new(-1),
            sources: Cell::new(0),
            adopted: Cell::new(false),
            drained: Cell::new(false),
            ended: Cell::new(false),
            readers: WaitQueue::default(),
            writers: WaitQueue::default(),
        }));
        let address = ptr::from_ref(registration).expose_provenance();
        assert!(
            address & !ADDRESS == 0,
            "the heap lies beyond the 48 bits that a token has room for"
        );
        NonNull::from(registration)
    }
}

impl Outside {
    /// Ends the wait of the reactor.
    pub(crate) fn wake(&self) {
        let _own = context::hooks_off();
        self.waker
            .wake()
            .expect("a write to the waker's descriptor");
    }

    /// Makes `fd` known to this reactor, whose worker, `home`, is the caller.
    pub(crate) fn register(&self, home: usize, fd: RawFd) -> io::Result<NonNull<Registration>> {
        self.register_for(home, fd, |_| true)
    }

    /// [`Outside::register`] for a descriptor without a source, until [`Outside::forget`]. To be
    /// called before each wait: the descriptor may have been closed and opened behind our back, so
    /// the kernel is told again. If it is ready by now, there will be an event.
    pub(crate) fn adopt(&self, home: usize, fd: RawFd) -> io::Result<NonNull<Registration>> {
        self.register_for(home, fd, |registration| !registration.adopted.replace(true))
    }

    /// Ends what `adopt` began, if it did. On any thread.
    pub(crate) fn forget(&self, fd: RawFd) {
        let mut registrations = self.registrations.lock();
        let known = usize::try_from(fd)
            .ok()
            .and_then(|index| registrations.used.get(index)?.as_ref());
        let Some(known) = known.map(|used| used.0) else {
            return;
        };
        // SAFETY: registrations live for ever.
        if unsafe { known.as_ref() }.adopted.replace(false) {
            self.release(&mut registrations, known);
        }
    }

    /// `is_source`: is it one more use of the registration?
    fn register_for(
        &self,
        home: usize,
        fd: RawFd,
        is_source: impl FnOnce(&Registration) -> bool,
    ) -> io::Result<NonNull<Registration>> {
        let mut registrations = self.registrations.lock();
        let index = usize::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        if registrations.used.len() <= index {
            registrations.used.resize_with(index + 1, || None);
        }
        let known = registrations.used[index].as_ref().map(|used| used.0);
        let registration = known
            .or_else(|| registrations.free.pop().map(|free| free.0))
            .unwrap_or_else(|| Registration::new(home));
        // SAFETY: registrations live for ever.
        let shared = unsafe { registration.as_ref() };
        if let Err(error) = self.tell_kernel(fd, shared.token(), known.is_some()) {
            if known.is_none() {
                registrations.free.push(Free(registration));
            }
            return Err(error);
        }
        shared.drained.set(false);
        shared.ended.set(false);
        shared.fd.set(fd);
        let sources = shared.sources.get() + usize::from(is_source(shared));
        shared.sources.set(sources);
        registrations.used[index] = Some(Free(registration));
        Ok(registration)
    }

    /// What is known may have been closed and opened again behind our back, and what is unknown may
    /// be left from an owner who leaked it.
    fn tell_kernel(&self, fd: RawFd, token: Token, known: bool) -> io::Result<()> {
        // Urgent data ends a read early although there is more: see `dispatch`.
        let both = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        let mut fd = SourceFd(&fd);
        let (first, second) = if known {
            (
                self.registry.reregister(&mut fd, token, both),
                io::ErrorKind::NotFound,
            )
        } else {
            (
                self.registry.register(&mut fd, token, both),
                io::ErrorKind::AlreadyExists,
            )
        };
        match first {
            Err(error) if error.kind() == second && known => {
                self.registry.register(&mut fd, token, both)
            }
            Err(error) if error.kind() == second => self.registry.reregister(&mut fd, token, both),
            result => result,
        }
    }

    /// Ends one source's use; after the last one the reactor forgets the descriptor. On any thread.
    pub(crate) fn deregister(&self, registration: NonNull<Registration>) {
        self.release(&mut self.registrations.lock(), registration);
    }

    fn release(&self, registrations: &mut Registrations, registration: NonNull<Registration>) {
        // SAFETY: registrations live for ever.
        let shared = unsafe { registration.as_ref() };
        shared.sources.set(shared.sources.get() - 1);
        if shared.sources.get() > 0 {
            return;
        }
        let fd = shared.fd.get();
        // It fails if whoever owned the descriptor has closed it behind our back: then it is
        // forgotten already.
        let _ = self.registry.deregister(&mut SourceFd(&fd));
        // Only under the lock is it changed, and a late event that sees the old one does no harm.
        // 16 bits of it fit into a token.
        let generation = shared.generation.load(Ordering::Relaxed) + 1;
        shared
            .generation
            .store(generation & 0xffff, Ordering::Relaxed);
        registrations.used[fd as usize] = None;
        registrations.free.push(Free(registration));
    }
}

fn new_timer() -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed.
    let fd = unsafe {
        libc::timerfd_create(
            libc::CLOCK_MONOTONIC,
            libc::TFD_NONBLOCK | libc::TFD_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given this descriptor to us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_timer(timer: &OwnedFd, at: u64) {
    let never = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let value = libc::itimerspec {
        it_interval: never,
        it_value: clock::timespec(at),
    };
    // SAFETY: the descriptor is a timer, `value` outlives the call, and the old value is not asked
    // for.
    let result = unsafe {
        libc::timerfd_settime(
            timer.as_raw_fd(),
            libc::TFD_TIMER_ABSTIME,
            &value,
            ptr::null_mut(),
        )
    };
    assert_eq!(result, 0, "timerfd_settime with a valid time");
}
