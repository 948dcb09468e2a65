//! `ThreadPool`: calls that block, of which only so many run at once.

use super::members::Members;
use crate::blocking;
use crate::clock::{self, NEVER};
use crate::join::JoinHandle;
use std::sync::Arc;
use std::thread::Result;
use std::time::Duration;

/// The face of a [`Pool`](super::Pool) over [`spawn_blocking`](crate::spawn_blocking): for calls
/// that would hold up a worker, on OS threads.
///
/// The OS threads are those of the blocking pool, whose own limit
/// ([`blocking_threads`](crate::RuntimeBuilder::blocking_threads)) holds beside. To spawn from a job
/// into its own full pool, and to wait for that, waits for ever.
///
/// # Examples
///
/// ```
/// use greenloop::pool::ThreadPool;
///
/// let pool = ThreadPool::new(2);
/// let sizes = pool.map(["Cargo.toml", "no such file"], |name| {
///     std::fs::read(name).map_or(0, |bytes| bytes.len())
/// });
/// assert!(*sizes[0].as_ref().unwrap() > 0 && *sizes[1].as_ref().unwrap() == 0);
/// ```
#[derive(Debug)]
pub struct ThreadPool {
    members: Arc<Members>,
}

impl ThreadPool {
    /// Makes a pool that runs at most `size` jobs at once.
    ///
    /// # Panics
    ///
    /// If `size` is 0.
    #[track_caller]
    pub fn new(size: usize) -> ThreadPool {
        assert!(size > 0, "a thread pool of size 0 would never run anything");
        let members = Members::new(size);
        ThreadPool { members }
    }

    /// Runs `f` on an OS thread; if as many jobs are there as may be, it first waits for one to end,
    /// and yields.
    ///
    /// # Panics
    ///
    /// As [`spawn_blocking`](crate::spawn_blocking).
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let permit = self.members.permit(NEVER).expect("no end of time");
        blocking::spawn_permitted(Some(permit), f)
    }

    /// Runs `f` for each item, and returns the results in the order of the items; see
    /// [`Group::map`](super::Group::map).
    ///
    /// # Panics
    ///
    /// As [`spawn_blocking`](crate::spawn_blocking).
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

    /// Returns how many jobs there are, waiting or running. Never waits.
    pub fn len(&self) -> usize {
        self.members.count()
    }

    /// Are there no jobs? Never waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until there are no jobs, at least for a moment.
    pub fn join(&self) {
        self.members.join(NEVER);
    }

    /// [`join`](ThreadPool::join), for at most `timeout`; false if there still are jobs.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.members.join(clock::deadline(timeout))
    }
}
