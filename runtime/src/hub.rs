//! `run`: a hub, which is gevent exactly: one thread, one queue, nothing parallel.

use crate::abort;
use crate::clock;
use crate::config;
use crate::context;
use crate::foreign;
use crate::header::{self, Header, Teardown};
use crate::inspect::printable::Printable;
use crate::inspect::{self, Frames, Wait};
use crate::join::JoinHandle;
use crate::lock::Lock;
use crate::loop_exit::LoopExit;
use crate::panic_count;
use crate::park::{self, Unparker};
use crate::reason::{self, Reason};
use crate::request;
use crate::spawn::Builder;
use crate::stack::overflow;
use crate::suspicion;
use crate::thread;
use crate::word::{BODY, FINISHED, OS_THREAD, UNSTARTED};
use crate::worker::{Parts, Worker};
use std::collections::HashSet;
use std::fmt::Write;
use std::panic::{Location, resume_unwind};
use std::ptr::NonNull;
use std::time::Duration;

/// How long a hub that ends waits before it says for whom, and one that can never run again for those
/// who might end that.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks whether they have, in nanoseconds.
const LOOK: u64 = 5_000_000;

/// Runs `f` as the first green thread of a hub on this very thread, and returns its result:
/// gevent's model.
///
/// Whatever is spawned inside stays on this thread. Nothing runs in parallel: code between two
/// yields is atomic, and [`spawn_local`](crate::spawn_local()) takes closures that are not `Send`.
/// Order is strict: first come, first served.
///
/// When `f` ends, closures that have not started are dropped, new ones are refused (`BrokenPipe`: a
/// `spawn` panics), and green threads that still wait are killed, with the hub still running: each
/// unwinds with [`Killed`](crate::Killed), and its destructors may wait. `run` returns when all
/// have ended. After a second it reports through `log` whom it still waits for: one whose
/// destructor waits, or that catches its kill and waits again, which then unwinds again.
///
/// # Panics
///
/// With `f`'s panic; when called inside a worker or hub; when the hub can't be set up; and when it
/// can never run again, because all its green threads wait for each other's end, or for a
/// [`Mutex`](crate::sync::Mutex), [`ReentrantMutex`](crate::sync::ReentrantMutex) or written
/// [`RwLock`](crate::sync::RwLock) that another one holds, or for what another one runs in a
/// [`Once`](crate::sync::Once) or its like: then the message lists them. Callbacks of
/// [`on_deadlock`](crate::inspect::on_deadlock) hear of it before, and may end it by a kill. That
/// somebody else outside has the handle of one of them, and could kill it, does not count.
///
/// # Examples
///
/// ```
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// let order = greenloop::run(|| {
///     let order = Rc::new(RefCell::new(vec!["main"]));
///     let others = ["a", "b"].map(|name| {
///         let order = order.clone();
///         greenloop::spawn_local(move || order.borrow_mut().push(name))
///     });
///     order.borrow_mut().push("still main");
///     greenloop::joinall(others);
///     order.take()
/// });
/// assert_eq!(order, ["main", "still main", "a", "b"]);
/// ```
#[track_caller]
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T,
{
    enter(false, f)
}

/// [`run`], or a `strict` one.
#[track_caller]
pub(crate) fn enter<F, T>(strict: bool, f: F) -> T
where
    F: FnOnce() -> T,
{
    if context::worker().is_some() {
        panic!(
            "greenloop::run was called inside of a worker or of another run: \
             it needs an OS thread of its own"
        );
    }
    config::default_stack().expect("failed to configure a hub");
    inspect::monitor_if_wanted().expect("failed to configure a hub");
    let parts = Parts::new().expect("failed to set up a hub");
    let _signals = overflow::ensure_alternate_stack();
    // In a destructor during a panic: that panic is none of the green threads'.
    let hidden = panic_count::hide();
    let (caller, place) = (current(), Location::caller());
    let f = move || {
        let _listed = Listed::new(caller);
        f()
    };
    let mut seen = None;
    let end = Worker::enter(parts, None, |hub| {
        if strict {
            hub.be_strict();
        }
        run_on(hub, place, f, || seen = inspect::see(caller, hub))
    });
    drop(hidden);
    let report = match end {
        End::Result(Ok(result)) => return result,
        End::Result(Err(payload)) => match payload.downcast::<LoopExit>() {
            Ok(exit) => exit.to_string(),
            Err(payload) => resume_unwind(payload),
        },
        End::Deadlock(report) => report,
    };
    inspect::show(caller, seen);
    panic!("{report}")
}

/// The caller's number; 0 in a forked child, where no OS thread may have one.
fn current() -> u64 {
    if foreign::is_forked() {
        return 0;
    }
    thread::current_number().get()
}

enum End<T> {
    Result(std::thread::Result<T>),
    Deadlock(String),
}

/// The `run`s under way.
static RUNS: Lock<Vec<Run>> = Lock::new(Vec::new());

/// Who has called a `run`, and its first green thread, by their numbers.
struct Run {
    caller: u64,
    first: u64,
}

/// In place of the first green thread of a `run`, who has called that; else the same number.
pub(crate) fn caller_of(number: u64) -> u64 {
    let runs = RUNS.lock();
    let run = runs.iter().find(|it| it.first == number);
    run.map_or(number, |it| it.caller)
}

/// The first green thread of a `run`, whose number this is, while it runs its closure.
struct Listed(u64);

impl Listed {
    fn new(caller: u64) -> Listed {
        let first = thread::current_number().get();
        RUNS.lock().push(Run { caller, first });
        Listed(first)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        RUNS.lock().retain(|it| it.first != self.0);
    }
}

/// Calls `stuck` when the first green thread waits for ever, before that has any consequence.
fn run_on<F, T>(
    hub: &Worker,
    place: &'static Location<'static>,
    f: F,
    mut stuck: impl FnMut(),
) -> End<T>
where
    F: FnOnce() -> T,
{
    // SAFETY: ended and joined below, on this OS thread, before this frame ends.
    let first = unsafe {
        Builder::new()
            .name("main".into())
            .spawn_on_hub(hub, place, f)
    };
    let first = first.expect("failed to spawn a hub's first green thread");
    let _abort = abort::OnUnwind("a hub's loop");
    hub.run(|| first.is_finished());
    while !first.is_finished() {
        if !hub.is_strict() && is_woken_by_callbacks(hub) {
            hub.run(|| first.is_finished());
            continue;
        }
        stuck();
        if !hub.is_strict() || !exit(&first) {
            break;
        }
        hub.run(|| first.is_finished());
    }
    let deadlock = (!first.is_finished()).then(|| report_deadlock(hub));
    tear_down(hub);
    match deadlock {
        Some(report) => End::Deadlock(report),
        None => End::Result(first.join()),
    }
}

/// Waits until the callbacks of deadlocks have been told of that of `hub`, if there are any: has one of
/// them woken somebody by a kill?
fn is_woken_by_callbacks(hub: &Worker) -> bool {
    if !inspect::is_heard() {
        return false;
    }
    let now = clock::now();
    let deadline = clock::deadline(PATIENCE);
    while hub.is_quiet() && !suspicion::has_searched(now) && clock::now() < deadline {
        // The search asks it.
        hub.answer();
        park::park_uncancellable(clock::now() + LOOK, reason::Wait::UNPARK);
    }
    !hub.is_quiet()
}

/// Has the first one of a strict hub unwind; false if it does not, as it unwinds already.
fn exit<T>(first: &JoinHandle<T>) -> bool {
    let header = first.header();
    if header.teardown.replace(Teardown::Exit) == Teardown::Exit {
        return false;
    }
    first.unparker().unpark();
    true
}

fn report_deadlock(hub: &Worker) -> String {
    let report = "this `run` would wait forever: each of its green threads waits for another one";
    format!("{report}{}", list(hub))
}

/// Each living green thread of this hub and what it waits for, on a line each.
pub(crate) fn list(hub: &Worker) -> String {
    let mut report = String::new();
    each_living(hub, |header| {
        let what = match header.wait().0.reason() {
            Reason::Scope(_) => "waits for the end of its scope".to_owned(),
            Reason::Join(id) => format!("waits for the end of {}", describe_living(hub, id)),
            Reason::On(thing, address) if owner(header) != 0 => {
                let owner = describe_living(hub, owner(header));
                format!("is {thing} at {address:#x}, held by {owner}")
            }
            _ => format!("is {}", Wait::new(header.wait().0, clock::now())),
        };
        let _ = write!(report, "\n  {} {what}", describe(header));
    });
    report
}

/// Is each lock that one of this hub waits for held by one of this hub? All of them wait, for a
/// lock or for each other's end.
pub(crate) fn holds_its_locks(hub: &Worker) -> bool {
    let (mut ids, mut owners) = (HashSet::new(), HashSet::new());
    each_living(hub, |header| {
        // SAFETY: as in `describe`.
        ids.insert(unsafe { header.number() });
        if header.wait().0.owner_address().is_some() {
            owners.insert(owner(header));
        }
    });
    owners.is_subset(&ids)
}

/// Is a job of the blocking pool under way that one of this hub has spawned, or waits for?
pub(crate) fn awaits_jobs(hub: &Worker) -> bool {
    let mut ids = HashSet::new();
    each_living(hub, |header| {
        // SAFETY: as in `describe`.
        ids.insert(unsafe { header.number() });
        if let Reason::Join(id) = header.wait().0.reason() {
            ids.insert(id);
        }
    });
    let jobs = inspect::jobs().into_iter();
    jobs.flatten().any(|id| ids.contains(&id))
}

/// Who holds the lock that it waits for, or 0.
fn owner(header: &Header) -> u64 {
    // SAFETY: it is of this hub, on whose thread this runs, between two switches, and lives.
    unsafe { request::waits(header) }.map_or(0, |it| it.owner)
}

/// One of this hub, which waits as well.
fn describe_living(hub: &Worker, id: u64) -> String {
    let mut found = format!("green thread {id}");
    each_living(hub, |header| {
        // SAFETY: as in `describe`.
        if unsafe { header.number() } == id {
            found = describe(header);
        }
    });
    found
}

/// Visits the started and unfinished green threads of this hub.
fn each_living(hub: &Worker, mut visit: impl FnMut(&'static Header)) {
    header::for_each_slot(|header| {
        let word = header.word.load();
        let ours = word.home() == hub.index() && word.has(BODY) && !word.has(OS_THREAD);
        // Only this OS thread starts and ends those, so the rest is only looked at if it is ours.
        let living = ours && word.state() != UNSTARTED && word.state() != FINISHED;
        if living && !header.stack_top.get().is_null() {
            visit(header);
        }
    });
}

fn describe(header: &Header) -> String {
    // SAFETY: `each_living` sees to it that the slot is in use, on this hub's thread.
    let label = unsafe { header.label() };
    let name = Printable(label.name());
    format!("green thread '{name}' (spawned at {})", label.location)
}

/// Ends all that still lives here. It does not return before: the frames of green threads may be
/// borrowed from by others, and may borrow from this OS thread, which may end after `run`.
fn tear_down(hub: &Worker) {
    hub.close();
    each_living(hub, |header| {
        header.teardown.set(Teardown::Due);
        Unparker::new(NonNull::from(header), header.word.load().generation()).unpark();
    });
    let ended = || hub.live() == 0 && hub.is_quiet();
    let deadline = clock::deadline(PATIENCE);
    let alarm = hub.timers().insert(deadline, Unparker::current());
    hub.run(|| ended() || clock::now() >= deadline);
    hub.timers().remove(alarm);
    if !ended() {
        report_the_living(hub);
        hub.run(ended);
    }
}

fn report_the_living(hub: &Worker) {
    let mut living = Vec::new();
    each_living(hub, |header| {
        let place = hub
            .look(header, Some(0))
            .backtrace
            .map_or_else(String::new, |it| format!(" at\n{}", Frames::new(it)));
        living.push(format!("{}{place}", describe(header)));
    });
    for one in living {
        // A logger is foreign code: what it does wrong is not the hub's end.
        abort::contain(|| log::warn!("greenloop: the end of a `run` still waits for {one}"));
    }
}
