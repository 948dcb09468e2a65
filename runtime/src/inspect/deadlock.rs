//! `Deadlock`: green threads that wait for each other, as it is reported.

use super::callbacks::Callbacks;
use super::entry::write_name;
use super::wait::Wait;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// A cycle of green threads, each of which waits for a lock that the next one holds, or for its
/// end. None of them will ever go on, unless it is killed.
///
/// `Display` names all of them, on a line each.
#[derive(Clone, Debug)]
pub struct Deadlock {
    pub(super) members: Vec<Member>,
}

/// A green thread in a [`Deadlock`].
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) id: u64,
    pub(super) name: Option<Arc<str>>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) wait: Wait,
}

impl Deadlock {
    /// Each waits for the next one, and the last one for the first; a lone one for itself.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}

impl Member {
    /// Its [id](super::GreenThread::id).
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The place that spawned it.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// What it waits for: a lock and its holder, or somebody's end.
    pub fn wait(&self) -> &Wait {
        &self.wait
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.members[..] {
            [_] => f.write_str("deadlock: a green thread waits for itself")?,
            members => write!(
                f,
                "deadlock: {} green threads wait for each other",
                members.len()
            )?,
        }
        self.members.iter().try_for_each(|it| write!(f, "\n  {it}"))
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "green thread {}", self.id)?;
        write_name(f, self.name())?;
        write!(f, " (spawned at {}): {}", self.spawned_at, self.wait)
    }
}

static CALLBACKS: Callbacks<Deadlock> = Callbacks::new();

/// Has `f` called with each deadlock from now on, once, beside the WARN in the log.
///
/// Deadlocks are always looked for, at no cost while nobody waits for a lock: a cycle of green
/// threads that wait for each other's locks ([`Mutex`](crate::sync::Mutex),
/// [`ReentrantMutex`](crate::sync::ReentrantMutex), a written [`RwLock`](crate::sync::RwLock)) or
/// ends is reported some 50 to 100 ms after it has formed; later if a worker is held by something
/// else. What is reported is one: each of them waited all the time. A guard that was moved to
/// another green thread of its worker counts as held by the one that locked. Not found are cycles
/// that lead through an OS thread, a reader of an `RwLock`, a scope, or a lock of std. A wait with a
/// deadline, or inside of a [`timeout`](crate::timeout()), ends by itself and is no part of any.
///
/// `f` runs on an OS thread of its own, which does nothing else meanwhile: it may wait, and kill
/// somebody. A panic in it is caught. Callbacks stay for the life of the process.
///
/// # Examples
///
/// ```
/// use greenloop::sync::Mutex;
/// use greenloop::{inspect, spawn};
/// use std::sync::mpsc;
///
/// let (found, finds) = mpsc::channel();
/// inspect::on_deadlock(move |deadlock| found.send(deadlock.to_string()).unwrap());
/// let stuck = spawn(|| {
///     let mutex = Mutex::new(());
///     let _held = mutex.lock();
///     drop(mutex.lock()); // for ever
/// });
/// let report = finds.recv().unwrap();
/// assert!(report.contains("locking the mutex at"));
/// stuck.kill();
/// ```
pub fn on_deadlock(f: impl Fn(&Deadlock) + Send + Sync + 'static) {
    CALLBACKS.add(f);
}

pub(super) fn report(deadlock: &Deadlock) {
    CALLBACKS.report(deadlock);
}
