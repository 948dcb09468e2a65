//! `Pool`: green threads that belong together, of which only so many run at once.
//!
//! | file | what it owns |
//! |---|---|
//! | `members.rs` | `Members`: who belongs to it, and who waits to |
//! | `group.rs` | `Group`: members without number |
//! | `imap.rs` | `IMap`: results as they come |
//! | `thread_pool.rs` | `ThreadPool`: the same over the blocking pool |

mod group;
mod imap;
mod members;
mod thread_pool;

use crate::clock;
use crate::join::JoinHandle;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::time::Duration;

pub use self::group::Group;
pub use self::imap::IMap;
pub(crate) use self::members::{Member, Permit};
pub use self::thread_pool::ThreadPool;

/// A [`Group`] of green threads of which only so many are there at once: [`spawn`](Group::spawn)
/// waits for one to end.
///
/// All that a [`Group`] can do, a pool can. Those that wait are served in order. To spawn from a
/// member into its own full pool, and to wait for that, waits for ever; [`apply`](Group::apply)
/// does not.
///
/// # Examples
///
/// ```
/// use greenloop::pool::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::new(10);
/// let squares = pool.map(1..=100, |n| {
///     greenloop::sleep(Duration::from_millis(1));
///     n * n
/// });
/// assert_eq!(squares.into_iter().map(Result::unwrap).sum::<i32>(), 338_350);
/// ```
#[derive(Debug)]
pub struct Pool {
    group: Group,
}

impl Pool {
    /// Makes a pool of at most `size` members.
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    #[track_caller]
    pub fn new(size: usize) -> Pool {
        assert!(size > 0, "a pool of size 0 would never run anything");
        let group = Group::with_limit(size);
        Pool { group }
    }

    /// Spawns a member if there is room for it now. Never waits.
    ///
    /// # Errors
    ///
    /// [`Full`], with the closure in it.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{pool::Pool, thread};
    ///
    /// let pool = Pool::new(1);
    /// let member = pool.try_spawn(thread::park).unwrap();
    /// let refused = pool.try_spawn(thread::park).unwrap_err();
    /// member.thread().unpark();
    /// pool.join();
    /// assert!(pool.try_spawn(refused.0).is_ok());
    /// # pool.kill();
    /// ```
    #[track_caller]
    pub fn try_spawn<F, T>(&self, f: F) -> Result<JoinHandle<T>, Full<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.group.members().try_permit() {
            Some(permit) => Ok(self.group.spawn_permitted(permit, Location::caller(), f)),
            None => Err(Full(f)),
        }
    }

    /// [`spawn`](Group::spawn), which waits for at most `timeout`.
    ///
    /// # Errors
    ///
    /// [`Full`], with the closure in it, if there is no room by then.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn_timeout<F, T>(&self, f: F, timeout: Duration) -> Result<JoinHandle<T>, Full<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.group.members().permit(clock::deadline(timeout)) {
            Some(permit) => Ok(self.group.spawn_permitted(permit, Location::caller(), f)),
            None => Err(Full(f)),
        }
    }

    /// Returns for how many more there is room now. Never waits.
    pub fn free_count(&self) -> usize {
        self.group.members().free_count()
    }

    /// Is there no room now? Never waits.
    pub fn is_full(&self) -> bool {
        self.free_count() == 0
    }

    /// Waits until there is room, for at most `timeout` (`None`: for ever), and returns for how many;
    /// 0 if the time is over. The room is not reserved: somebody else may take it.
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{pool::Pool, thread};
    /// use std::time::Duration;
    ///
    /// let pool = Pool::new(1);
    /// let member = pool.spawn(thread::park);
    /// assert_eq!(pool.wait_available(Some(Duration::from_millis(1))), 0);
    /// member.thread().unpark();
    /// assert_eq!(pool.wait_available(None), 1);
    /// ```
    pub fn wait_available(&self, timeout: Option<Duration>) -> usize {
        let deadline = timeout.map_or(clock::NEVER, clock::deadline);
        self.group.members().wait_available(deadline);
        self.free_count()
    }
}

impl Deref for Pool {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.group
    }
}

/// The error of a spawn into a full pool: the closure that was refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<F>(pub F);

impl<F> fmt::Debug for Full<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<F> fmt::Display for Full<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pool is full")
    }
}

impl<F> std::error::Error for Full<F> {}
