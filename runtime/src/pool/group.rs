//! `Group`: green threads that belong together.

use super::imap::IMap;
use super::members::{Members, Permit};
use crate::clock::{self, NEVER};
use crate::interrupt;
use crate::join::JoinHandle;
use crate::spawn::Builder;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::Result;
use std::time::Duration;

/// Green threads that can be joined and killed together; gevent's `Group`.
///
/// A member belongs to it until its end, also if its handle is dropped. Dropping the group leaves its
/// members alone. A group can be shared, and used from everywhere.
///
/// # Examples
///
/// ```
/// use greenloop::{pool::Group, sleep};
/// use std::time::Duration;
///
/// let group = Group::new();
/// for ms in [1, 2, 3] {
///     group.spawn(move || sleep(Duration::from_millis(ms)));
/// }
/// group.join();
/// assert!(group.is_empty());
/// ```
#[derive(Debug)]
pub struct Group {
    members: Arc<Members>,
}

impl Group {
    /// Makes a group without members.
    pub fn new() -> Group {
        Group::with_limit(usize::MAX)
    }

    pub(super) fn with_limit(limit: usize) -> Group {
        Group {
            members: Members::new(limit),
        }
    }

    pub(super) fn members(&self) -> &Arc<Members> {
        &self.members
    }

    /// Another one with the same members.
    fn alias(&self) -> Group {
        Group {
            members: self.members.clone(),
        }
    }

    /// Spawns a member; see [`spawn`](crate::spawn()). In a full [`Pool`](super::Pool) it first
    /// waits for room, and yields.
    ///
    /// If the caller is killed while it waits, nothing is spawned.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_at(Location::caller(), f)
    }

    /// [`spawn`](Group::spawn) on behalf of who called at `place`.
    #[doc(hidden)]
    pub fn spawn_at<F, T>(&self, place: &'static Location<'static>, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let permit = self.members.permit(NEVER);
        self.spawn_permitted(permit.expect("no end of time"), place, f)
    }

    pub(super) fn spawn_permitted<F, T>(
        &self,
        permit: Permit,
        place: &'static Location<'static>,
        f: F,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let handle = Builder::new().permit(permit).at(place).spawn(f);
        let handle = handle.expect("failed to spawn a green thread");
        if self.members.is_killing() {
            handle.kill_nowait();
        }
        handle
    }

    /// Runs `f` as a member, and waits for its result; when called from a member, right there, so
    /// that a pool does not wait for itself.
    ///
    /// # Errors
    ///
    /// The payload of a panic of `f`, or [`Killed`](crate::Killed).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::pool::Pool;
    /// use std::sync::Arc;
    ///
    /// let pool = Arc::new(Pool::new(1));
    /// let inner = pool.clone();
    /// let answer = pool.apply(move || inner.apply(|| 42).unwrap());
    /// assert_eq!(answer.unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn apply<F, T>(&self, f: F) -> Result<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        if !self.members.has_current() {
            return self.spawn(f).join();
        }
        let result = catch_unwind(AssertUnwindSafe(f));
        // What ends the caller itself is not `f`'s.
        result.or_else(|payload| match interrupt::is_interrupt(&*payload) {
            true => resume_unwind(payload),
            false => Err(payload),
        })
    }

    /// Runs `f` for each item, each in a member of its own, and returns the results in the order of
    /// the items.
    ///
    /// All are spawned before the first result is waited for. A panic is the `Err` of its item, and
    /// stops no other. If the caller is killed meanwhile, the members go on.
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
    ///
    /// # Examples
    ///
    /// ```
    /// let lengths = greenloop::pool::Group::new().map(["a", "bcd"], |word| word.len());
    /// let lengths: Vec<usize> = lengths.into_iter().map(Result::unwrap).collect();
    /// assert_eq!(lengths, [1, 3]);
    /// ```
    #[track_caller]
    pub fn map<I, F, R>(&self, items: I, f: F) -> Vec<Result<R>>
    where
        I: IntoIterator<Item: Send + 'static>,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        let f = Arc::new(f);
        let mut handles = Vec::new();
        for item in items {
            let f = f.clone();
            handles.push(self.spawn(move || f(item)));
        }
        handles.into_iter().map(JoinHandle::join).collect()
    }

    /// [`map`](Group::map), whose results come one by one, in the order of the items.
    ///
    /// A green thread takes the items and spawns the members from now on, ahead of whoever reads the
    /// results: by at most `maxsize` items whose results have not been read (`None`: without bound,
    /// so that without end the items must not be). Dropping the iterator ends it; members that have
    /// been spawned go on. A panic of `f` is the `Err` of its item, after which others follow; a
    /// panic of `items` is the last one.
    ///
    /// # Panics
    ///
    /// If `maxsize` is 0, and as [`spawn`](crate::spawn()).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = greenloop::pool::Pool::new(2);
    /// let mut halves = pool.imap(0.., |n| n / 2, Some(4));
    /// assert_eq!(halves.nth(10).unwrap().unwrap(), 5);
    /// ```
    #[track_caller]
    pub fn imap<I, F, R>(&self, items: I, f: F, maxsize: Option<usize>) -> IMap<R>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: Send + 'static>,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        IMap::start(self.alias(), items.into_iter(), f, maxsize, true)
    }

    /// [`imap`](Group::imap), whose results come in the order in which they are ready.
    ///
    /// # Panics
    ///
    /// As [`imap`](Group::imap).
    ///
    /// # Examples
    ///
    /// ```
    /// use greenloop::{pool::Group, sleep};
    /// use std::time::Duration;
    ///
    /// let delays = Group::new().imap_unordered([60, 1, 30], |ms| {
    ///     sleep(Duration::from_millis(ms));
    ///     ms
    /// }, None);
    /// assert_eq!(delays.map(Result::unwrap).collect::<Vec<_>>(), [1, 30, 60]);
    /// ```
    #[track_caller]
    pub fn imap_unordered<I, F, R>(&self, items: I, f: F, maxsize: Option<usize>) -> IMap<R>
    where
        I: IntoIterator<Item: Send + 'static, IntoIter: Send + 'static>,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: Send + 'static,
    {
        IMap::start(self.alias(), items.into_iter(), f, maxsize, false)
    }

    /// Returns how many members there are. Never waits.
    pub fn len(&self) -> usize {
        self.members.count()
    }

    /// Are there no members? Never waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there are no members, at least for a moment.
    pub fn join(&self) {
        self.members.join(NEVER);
    }

    /// [`join`](Group::join), for at most `timeout`; false if there still are members.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.members.join(clock::deadline(timeout))
    }

    /// Kills all members, also those that are added meanwhile, and waits until there are none; see
    /// [`JoinHandle::kill`].
    ///
    /// # Examples
    ///
    /// ```
    /// let group = greenloop::pool::Group::new();
    /// let member = group.spawn(greenloop::thread::park);
    /// group.kill();
    /// assert!(member.join().unwrap_err().is::<greenloop::Killed>());
    /// ```
    pub fn kill(&self) {
        self.members.kill(NEVER);
    }

    /// [`kill`](Group::kill), for at most `timeout`; false if there still are members.
    pub fn kill_timeout(&self, timeout: Duration) -> bool {
        self.members.kill(clock::deadline(timeout))
    }
}

impl Default for Group {
    fn default() -> Group {
        Group::new()
    }
}
