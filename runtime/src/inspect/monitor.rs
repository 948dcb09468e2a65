//! `monitor`: an OS thread that says who holds its worker for too long.

use super::callbacks::Callbacks;
use super::census::{self, Name};
use super::place::Place;
use crate::clock;
use crate::futex;
use crate::remote::{self, Remote, Role};
use crate::sample;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// A green thread that has held its worker for longer than it may: the others there wait.
#[derive(Clone, Debug)]
pub struct Blocked {
    who: Name,
    worker: usize,
    held_for: Duration,
    place: Option<Place>,
}

impl Blocked {
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

    /// The [index](super::Worker::index) of its worker.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// For how long it had held it when it was found; it may hold it still.
    pub fn held_for(&self) -> Duration {
        self.held_for
    }

    /// Where it was then; none if it did not answer, having no CPU.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, worker, millis) = (&self.who, self.worker, self.held_for.as_millis());
        write!(f, "{who} has held worker {worker} for {millis} ms")?;
        let Some(place) = &self.place else {
            return Ok(());
        };
        f.write_str("\n")?;
        place.fmt(f)
    }
}

/// The bound in nanoseconds; 0 while it is off.
static BOUND: AtomicU64 = AtomicU64::new(0);
/// Changes with the bound: the monitor sleeps on it.
static CHANGES: AtomicU32 = AtomicU32::new(0);
static STARTED: AtomicBool = AtomicBool::new(false);
static OFFENCES: AtomicU64 = AtomicU64::new(0);
static CALLBACKS: Callbacks<Blocked> = Callbacks::new();

/// From now on says, as a WARN in the log and to [`on_blocked`], which green thread has held its
/// worker for longer than `bound`, and where it is; once each time. A `bound` of zero ends that.
///
/// Off by default; the variable `GREENLOOP_MONITOR=1` turns it on with 100 ms. An OS thread looks
/// four times in `bound`, so that some held for a fourth longer go unseen; green threads pay
/// nothing. One that is found is interrupted by a real-time signal, once: a system call in which it
/// waits may fail with `EINTR`, as with any signal. Also counts a worker that got no CPU.
///
/// # Errors
///
/// No real-time signal is free, or no thread could be started.
///
/// # Examples
///
/// ```
/// use greenloop::inspect;
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let (found, finds) = mpsc::channel();
/// inspect::on_blocked(move |it| drop(found.send(it.to_string())));
/// inspect::monitor(Duration::from_millis(10))?;
/// let hog = greenloop::spawn(|| std::thread::sleep(Duration::from_millis(200)));
/// assert!(finds.recv().unwrap().contains("has held worker"));
/// hog.join().unwrap();
/// inspect::monitor(Duration::ZERO)?;
/// # std::io::Result::Ok(())
/// ```
pub fn monitor(bound: Duration) -> io::Result<()> {
    if !bound.is_zero() {
        sample::install()?;
    }
    BOUND.store(nanos(bound), Ordering::Relaxed);
    CHANGES.fetch_add(1, Ordering::Release);
    if bound.is_zero() || STARTED.swap(true, Ordering::Relaxed) {
        futex::wake_one(&CHANGES);
        return Ok(());
    }
    let builder = std::thread::Builder::new().name("greenloop-monitor".into());
    let started = builder.spawn(keep_watch).map(drop);
    started.inspect_err(|_| STARTED.store(false, Ordering::Relaxed))
}

/// Has `f` called with each offence from now on, on the monitor's OS thread, which looks at nothing
/// else meanwhile. A panic in it is caught.
pub fn on_blocked(f: impl Fn(&Blocked) + Send + Sync + 'static) {
    CALLBACKS.add(f);
}

/// How many offences the monitor has seen.
pub fn offences() -> u64 {
    OFFENCES.load(Ordering::Relaxed)
}

/// Turns the monitor on if the environment says so.
pub(crate) fn monitor_if_wanted() -> io::Result<()> {
    if crate::config::wants_monitor()? && !STARTED.load(Ordering::Relaxed) {
        monitor(Duration::from_millis(100))?;
    }
    Ok(())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn keep_watch() {
    let mut watched: HashMap<usize, Watched> = HashMap::new();
    loop {
        let changes = CHANGES.load(Ordering::Acquire);
        let bound = BOUND.load(Ordering::Relaxed);
        let until = match bound {
            0 => clock::NEVER,
            bound => clock::now().saturating_add(bound / 4 + 1),
        };
        futex::wait(&CHANGES, changes, until);
        if bound == 0 {
            watched.clear();
            continue;
        }
        let mut remotes = Vec::new();
        remote::for_each(|it| {
            // One whose worker has never run may be gone when it is looked at.
            if it.counts.role() != Role::Nobody || watched.contains_key(&it.index) {
                remotes.push(it.index);
            }
        });
        for index in remotes {
            let found = watched
                .entry(index)
                .or_default()
                .look(remote::at(index), bound);
            if let Some(blocked) = found {
                OFFENCES.fetch_add(1, Ordering::Relaxed);
                CALLBACKS.report(&blocked);
            }
        }
    }
}

/// What was last seen of a worker.
#[derive(Default)]
pub(super) struct Watched {
    switches: u64,
    /// When it was seen first; none while it sleeps.
    since: Option<u64>,
    told: bool,
}

impl Watched {
    /// Says who holds the worker for longer than `bound` nanoseconds; once each time.
    pub(super) fn look(&mut self, remote: &Remote, bound: u64) -> Option<Blocked> {
        let switches = remote.counts.switches.load(Ordering::Relaxed);
        let works = remote.counts.role() != Role::Nobody && !remote.inbox.is_asleep();
        let now = clock::now();
        let Some(since) = self.since.filter(|_| works && switches == self.switches) else {
            *self = Watched {
                switches,
                since: works.then_some(now),
                told: false,
            };
            return None;
        };
        if self.told || now - since < bound {
            return None;
        }
        let blocked = describe(remote, now - since);
        // It was another one if the worker has gone on.
        let same = remote.counts.switches.load(Ordering::Relaxed) == switches;
        self.told = same && blocked.is_some();
        blocked.filter(|_| same)
    }
}

/// None if no green thread runs there.
fn describe(remote: &Remote, held_for: u64) -> Option<Blocked> {
    let current = NonNull::new(remote.counts.current.load(Ordering::Relaxed))?;
    // SAFETY: slots live for ever.
    let who = census::running(unsafe { current.as_ref() }, remote.index)?;
    let sample = sample::take(remote.counts.thread());
    Some(Blocked {
        who,
        worker: remote.index,
        held_for: Duration::from_nanos(held_for),
        place: sample.as_ref().map(Place::of),
    })
}
