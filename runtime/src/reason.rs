//! `Wait`: what a parked thread waits for, in one word, which others may read while it is written.
//!
//! The top byte is the kind, the rest its payload: a descriptor, an id, an address, a deadline.
//! Its highest bit says that the wait ends by itself.

use std::fmt;
use std::num::NonZeroU64;

/// What a parked thread waits for: for reports of deadlocks, and for dumps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wait(u64);

const PAYLOAD_BITS: u32 = 56;
const PAYLOAD: u64 = (1 << PAYLOAD_BITS) - 1;
/// A deadline is kept in units of about a microsecond, so that years of uptime fit.
const DEADLINE_SHIFT: u32 = 10;

/// The wait has a deadline.
const BOUNDED: u64 = 1 << 63;

const UNPARK: u64 = 0;
const SLEEP: u64 = 1;
const READ: u64 = 2;
const WRITE: u64 = 3;
const JOIN: u64 = 4;
const SCOPE: u64 = 5;
const ANY: u64 = 6;
/// A join, of a job.
const JOB: u64 = 7;
/// From here on it is a thing: its number is added.
const THINGS: u64 = 16;

/// [`Wait`] taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// `thread::park`, or something that has not said more.
    Unpark,
    /// Until this moment of the runtime's clock, to about a microsecond.
    Sleep(u64),
    Read(i32),
    Write(i32),
    /// The end of the green thread, or job, with this id.
    Join(u64),
    /// The end of all green threads of the scope that lies at an address.
    Scope(usize),
    /// One of several things.
    Any,
    /// Something that lies at an address.
    On(Thing, usize),
}

/// A kind of thing that green threads wait for, and what is wanted of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[repr(u8)]
pub enum Thing {
    /// To lock a `Mutex`.
    Mutex,
    /// To lock a `ReentrantMutex`.
    ReentrantMutex,
    /// To lock an `RwLock` for reading.
    RwLockRead,
    /// To lock an `RwLock` for writing.
    RwLockWrite,
    /// The end of what runs in a `Once`, `OnceLock` or `LazyLock`.
    Once,
    /// A permit of a `Semaphore` or `BoundedSemaphore`.
    Semaphore,
    /// An `Event`, or the value of an `AsyncResult`.
    Event,
    /// A notification of a `Condvar`.
    Condvar,
    /// The others at a `Barrier`.
    Barrier,
    /// An item of a queue.
    QueueGet,
    /// Room in a queue.
    QueuePut,
    /// That nothing of a queue is left to do, or one's turn at it.
    QueueJoin,
    /// A message of a channel.
    ChannelReceive,
    /// Room in a channel.
    ChannelSend,
    /// The other side of a `Generator`.
    Generator,
    /// Room in a pool, or its end.
    Pool,
    /// What a pool's `map` gives.
    Results,
    /// The waker of a future.
    Future,
    /// A signal of the system.
    Signal,
}

impl Thing {
    const ALL: [Thing; 19] = [
        Thing::Mutex,
        Thing::ReentrantMutex,
        Thing::RwLockRead,
        Thing::RwLockWrite,
        Thing::Once,
        Thing::Semaphore,
        Thing::Event,
        Thing::Condvar,
        Thing::Barrier,
        Thing::QueueGet,
        Thing::QueuePut,
        Thing::QueueJoin,
        Thing::ChannelReceive,
        Thing::ChannelSend,
        Thing::Generator,
        Thing::Pool,
        Thing::Results,
        Thing::Future,
        Thing::Signal,
    ];

    /// Is it a lock that one thread holds, or done by one? Then its address is that of its owner.
    pub(crate) fn has_owner(self) -> bool {
        use Thing::{Mutex, Once, ReentrantMutex, RwLockRead, RwLockWrite};
        matches!(
            self,
            Mutex | Once | ReentrantMutex | RwLockRead | RwLockWrite
        )
    }

    /// As it begins a sentence that ends with an address.
    fn phrase(self) -> &'static str {
        match self {
            Thing::Mutex => "locking the mutex",
            Thing::ReentrantMutex => "locking the re-entrant mutex",
            Thing::RwLockRead => "locking for reading the rwlock",
            Thing::RwLockWrite => "locking for writing the rwlock",
            Thing::Once => "waiting for what runs in the once",
            Thing::Semaphore => "acquiring the semaphore",
            Thing::Event => "waiting for the event",
            Thing::Condvar => "waiting for the condition variable",
            Thing::Barrier => "waiting at the barrier",
            Thing::QueueGet => "getting from the queue",
            Thing::QueuePut => "putting into the queue",
            Thing::QueueJoin => "joining the queue",
            Thing::ChannelReceive => "receiving from the channel",
            Thing::ChannelSend => "sending into the channel",
            Thing::Generator => "waiting for the other side of the generator",
            Thing::Pool => "waiting for the pool",
            Thing::Results => "waiting for the results",
            Thing::Future => "awaiting the future",
            Thing::Signal => "waiting for a signal",
        }
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
}

impl Wait {
    pub(crate) const UNPARK: Wait = Wait::pack(UNPARK, 0);
    pub(crate) const ANY: Wait = Wait::pack(ANY, 0);

    const fn pack(kind: u64, payload: u64) -> Wait {
        Wait(kind << PAYLOAD_BITS | payload & PAYLOAD)
    }

    pub(crate) fn sleep(deadline: u64) -> Wait {
        Wait::pack(SLEEP, deadline >> DEADLINE_SHIFT)
    }

    pub(crate) fn read(fd: i32) -> Wait {
        Wait::pack(READ, u64::from(fd.cast_unsigned()))
    }

    pub(crate) fn write(fd: i32) -> Wait {
        Wait::pack(WRITE, u64::from(fd.cast_unsigned()))
    }

    pub(crate) fn join(id: NonZeroU64) -> Wait {
        Wait::pack(JOIN, id.get())
    }

    /// The end of a job of the blocking pool.
    pub(crate) fn job(id: NonZeroU64) -> Wait {
        Wait::pack(JOB, id.get())
    }

    /// The end of all of the scope that lies at this place.
    pub(crate) fn scope<T>(place: &T) -> Wait {
        Wait::pack(SCOPE, exposed_address(place))
    }

    /// Something that lies at this place.
    pub(crate) fn on<T: ?Sized>(thing: Thing, place: &T) -> Wait {
        Wait::pack(THINGS + thing as u64, exposed_address(place))
    }

    /// The same wait, with a deadline.
    pub(crate) fn bounded(self) -> Wait {
        Wait(self.0 | BOUNDED)
    }

    /// Does it end by itself?
    pub(crate) fn is_bounded(self) -> bool {
        self.0 & BOUNDED != 0
    }

    /// Is it for the end of a job?
    pub(crate) fn is_for_job(self) -> bool {
        self.kind() == JOB
    }

    /// Where the [`Owner`](crate::owner::Owner) lies of what is waited for, if it is something that has
    /// an owner.
    pub(crate) fn owner_address(self) -> Option<usize> {
        match self.reason() {
            Reason::On(thing, address) if thing.has_owner() => Some(address),
            _ => None,
        }
    }

    pub(crate) fn to_word(self) -> u64 {
        self.0
    }

    pub(crate) fn from_word(word: u64) -> Wait {
        Wait(word)
    }

    fn kind(self) -> u64 {
        (self.0 & !BOUNDED) >> PAYLOAD_BITS
    }

    pub(crate) fn reason(self) -> Reason {
        let payload = self.0 & PAYLOAD;
        match self.kind() {
            SLEEP => Reason::Sleep(payload << DEADLINE_SHIFT),
            READ => Reason::Read((payload as u32).cast_signed()),
            WRITE => Reason::Write((payload as u32).cast_signed()),
            JOIN | JOB => Reason::Join(payload),
            SCOPE => Reason::Scope(payload as usize),
            ANY => Reason::Any,
            kind => {
                let thing = kind
                    .checked_sub(THINGS)
                    .and_then(|it| usize::try_from(it).ok());
                let thing = thing.and_then(|it| Thing::ALL.get(it));
                thing.map_or(Reason::Unpark, |it| Reason::On(*it, payload as usize))
            }
        }
    }
}

/// Exposed: a lock is asked for its owner by its address, a scope for its green threads.
fn exposed_address<T: ?Sized>(place: &T) -> u64 {
    std::ptr::from_ref(place).cast::<()>().expose_provenance() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out() {
        for thing in Thing::ALL {
            let address = std::ptr::from_ref(&thing).addr();
            let reason = Wait::on(thing, &thing).reason();
            assert_eq!(reason, Reason::On(thing, address));
        }
        let place = 0_u64;
        let scope = Wait::scope(&place);
        let reason = Reason::Scope(std::ptr::from_ref(&place).addr());
        let bounded = scope.bounded();
        assert_eq!((bounded.reason(), bounded.is_bounded()), (reason, true));
        assert_eq!(scope.reason(), reason);
        assert!(!scope.is_bounded() && scope.owner_address().is_none());
        assert_eq!(Wait::default().reason(), Reason::Unpark);
        assert_eq!(Wait::ANY.reason(), Reason::Any);
        assert_eq!(Wait::read(7).reason(), Reason::Read(7));
        assert_eq!(Wait::write(i32::MAX).reason(), Reason::Write(i32::MAX));
        let id = NonZeroU64::new(1 << 50).unwrap();
        assert_eq!(Wait::join(id).reason(), Reason::Join(1 << 50));
        let job = Wait::job(id).bounded();
        assert_eq!(job.reason(), Reason::Join(1 << 50));
        assert!(job.is_for_job() && !Wait::join(id).is_for_job());
    }

    #[test]
    fn a_deadline_loses_a_microsecond_at_most() {
        // Ten years of uptime.
        for deadline in [1, 1 << 20, 315_360_000_000_000_000] {
            let Reason::Sleep(told) = Wait::sleep(deadline).reason() else {
                panic!("it sleeps");
            };
            assert!(deadline - told < 1024);
        }
    }
}
