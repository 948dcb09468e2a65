//! `Deadlock`: green threads that wait for each other, as it is reported; and the last of them.

use super::callbacks::Callbacks;
use super::census::Name;
use super::wait::Wait;
use crate::lock::Lock;
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

/// A cycle of green threads, each of which waits for a lock that the next one holds, for its end, or
/// for that of a scope to which it belongs. None of them will ever go on, unless one is killed; inside
/// of a [`shield`](crate::shield()), as the initialiser of a
/// [`LazyLock`](crate::sync::LazyLock) is, not even then.
///
/// `Display` names all of them, on a line each.
#[derive(Clone, Debug)]
pub struct Deadlock {
    number: u64,
    reported_at: Instant,
    members: Arc<[Member]>,
}

/// A green thread in a [`Deadlock`].
#[derive(Clone, Debug)]
pub struct Member {
    pub(super) who: Name,
    pub(super) wait: Wait,
}

impl Deadlock {
    /// Each waits for the next one, and the last one for the first; a lone one for itself.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The how manyth it is of this process; the first one is 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was found.
    pub fn reported_at(&self) -> Instant {
        self.reported_at
    }
}

impl Member {
    /// Its [id](super::GreenThread::id).
    pub fn id(&self) -> u64 {
        self.who.id
    }

    /// Its name, if it was given one.
    pub fn name(&self) -> Option<&str> {
        self.who.name.as_deref()
    }

    /// The place that spawned it.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.who.spawned_at
    }

    /// What it waits for: a lock and its holder, or somebody's end. Of a scope only the next member is
    /// named.
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
        write!(f, "{}: {}", self.who, self.wait)
    }
}

static CALLBACKS: Callbacks<Deadlock> = Callbacks::new();
/// The last ones, newest first.
static LAST: Lock<VecDeque<Deadlock>> = Lock::new(VecDeque::new());
/// So many.
const KEPT: usize = 100;

/// Has `f` called with each deadlock from now on, once, beside the WARN in the log.
///
/// Deadlocks are always looked for, at no cost while nobody waits for a lock or a scope: a cycle of
/// green threads that wait for each other's locks ([`Mutex`](crate::sync::Mutex),
/// [`ReentrantMutex`](crate::sync::ReentrantMutex), a written [`RwLock`](crate::sync::RwLock)), for
/// the ends of each other or of their [`scope`](crate::scope())s, or for what runs in each other's
/// [`Once`](crate::sync::Once), [`OnceLock`](crate::sync::OnceLock) or
/// [`LazyLock`](crate::sync::LazyLock), is reported some 50 to 100 ms after it has formed; later if a
/// worker is held by something else, or if very many wait for locks, as the search takes one part in
/// a hundred of the time at most: after 1 to 2 s if 100,000 do. What is reported is one: each of them
/// waited all the time. A guard that was moved to another green thread of its worker counts as held
/// by the one that locked. A wait with a deadline, or inside of a [`timeout`](crate::timeout()), ends
/// by itself and is no part of any. Of cycles that share a member one is reported, and another one
/// within some seconds after that has ended by a kill.
///
/// Not found are cycles that lead through an OS thread, a reader of an `RwLock`, a handle that is
/// awaited (`handle.await`) or given to [`wait`](crate::wait()) or [`wait_any`](crate::wait_any),
/// one that has been killed and is shielded, a scope that has passed a kill on, or a lock of std.
///
/// `f` runs on an OS thread of its own, which does nothing else meanwhile: it may wait, and kill
/// somebody, by [`kill_timeout`](crate::JoinHandle::kill_timeout) if that one may be shielded, as no
/// deadlock is looked for before `f` returns. A panic in it is caught. Callbacks stay for the life of the process. Those of before
/// are told by [`deadlocks`]. A [`run`](crate::run) in which nothing else is left to do waits for the
/// callbacks, a second at most, and panics if none of them has killed anybody of it.
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

/// The deadlocks that were reported, the newest first; the last hundred of them. Some may have ended
/// since, by the kill of a member. Never yields.
///
/// # Examples
///
/// ```
/// use greenloop::sync::Mutex;
/// use greenloop::{inspect, sleep, spawn};
/// use std::time::Duration;
///
/// let stuck = spawn(|| {
///     let mutex = Mutex::new(());
///     let _held = mutex.lock();
///     drop(mutex.lock()); // for ever
/// });
/// while inspect::deadlocks().is_empty() {
///     sleep(Duration::from_millis(10));
/// }
/// let last = &inspect::deadlocks()[0];
/// println!("{:?} ago: {last}", last.reported_at().elapsed());
/// assert_eq!(last.members().len(), 1);
/// stuck.kill();
/// ```
pub fn deadlocks() -> Vec<Deadlock> {
    LAST.lock().iter().cloned().collect()
}

/// Does a callback hear of deadlocks, which may end them?
pub(crate) fn is_heard() -> bool {
    !CALLBACKS.is_empty()
}

/// By one OS thread.
pub(super) fn report(members: Vec<Member>) {
    CALLBACKS.report(&keep(members));
}

fn keep(members: Vec<Member>) -> Deadlock {
    let mut last = LAST.lock();
    let deadlock = Deadlock {
        number: last.front().map_or(1, |it| it.number + 1),
        reported_at: Instant::now(),
        members: members.into(),
    };
    last.push_front(deadlock.clone());
    last.truncate(KEPT);
    deadlock
}
