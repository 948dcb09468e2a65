//! `run`: a hub, which is gevent exactly: one thread, one queue, nothing parallel.

use crate::abort;
use crate::clock;
use crate::config;
use crate::context;
use crate::foreign;
use crate::header::{self, ENDS_STORAGE, Header, OUT_OF_SCOPE, Teardown};
use crate::inspect::printable::Printable;
use crate::inspect::{self, Frames, Wait, owner_verb};
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
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::panic::{Location, resume_unwind};
use std::ptr::NonNull;
use std::time::Duration;

/// How long a hub that ends waits before it says for whom, and one that can never run again for those
/// who might end that.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it looks whether they have, in nanoseconds.
const LOOK: u64 = 5_000_000;
/// So many of a scope are named.
const NAMED: usize = 3;

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
/// [`on_deadlock`](crate::inspect::on_deadlock) hear of it before, if the search finds it within a
/// second, and may end it by a kill until they return. That somebody else outside has the handle of
/// one of them, and could kill it, does not count. Their waits are then ended by
/// a kill, even inside of a [`shield`](crate::shield()): nothing else ever would.
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
    let mut chance = Chance::new(hub);
    while !first.is_finished() {
        if !hub.is_strict() && chance.is_taken(hub) {
            hub.run(|| first.is_finished());
            continue;
        }
        stuck();
        if !hub.is_strict() || !exit(&first) {
            break;
        }
        hub.run(|| first.is_finished());
    }
    if first.is_finished() {
        tear_down(hub, Teardown::Due);
        return End::Result(first.join());
    }
    let report = report_deadlock(hub);
    // A strict one may have some who wait for somebody else.
    let how = match hub.is_strict() {
        true => Teardown::Due,
        false => Teardown::Stuck,
    };
    tear_down(hub, how);
    End::Deadlock(report)
}

/// That of the callbacks which hear of deadlocks, to end that of a hub by a kill.
struct Chance {
    /// How many lived there when it began.
    live: usize,
    /// When it ends.
    deadline: u64,
}

impl Chance {
    fn new(hub: &Worker) -> Chance {
        Chance {
            live: hub.live(),
            deadline: clock::deadline(PATIENCE),
        }
    }

    /// Waits until they have been told, if there are any: has one woken somebody?
    fn is_taken(&mut self, hub: &Worker) -> bool {
        if !inspect::is_heard() || foreign::is_forked() {
            return false;
        }
        // Those who are woken, and only wait again, bring no new one.
        if hub.live() != self.live {
            *self = Chance::new(hub);
        }
        let now = clock::now();
        let is_open = || !suspicion::has_searched(now) && clock::now() < self.deadline;
        while hub.is_quiet() && is_open() {
            // The search asks it.
            hub.answer();
            if !hub.is_asked() {
                park::park_uncancellable(clock::now() + LOOK, reason::Wait::UNPARK);
            }
        }
        !hub.is_quiet() && clock::now() < self.deadline
    }
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
    let mut living: Vec<&'static Header> = Vec::new();
    each_living(hub, |header| living.push(header));
    // SAFETY: as in `describe`.
    let ids = living.iter().map(|it| (unsafe { it.number() }, *it));
    let ids: HashMap<u64, &Header> = ids.collect();
    let in_scopes = living.iter().filter(|it| !it.marks.has(OUT_OF_SCOPE));
    let children: HashMap<Unparker, &Header> =
        in_scopes.map(|it| (Unparker::of(it), *it)).collect();
    let who = |id: u64| {
        let living = ids.get(&id).map(|it| describe(it));
        living.unwrap_or_else(|| format!("green thread {id}"))
    };
    let what = |header: &Header| match (header.wait().0.reason(), waits(header)) {
        (Reason::Scope(_), Some(waits)) => {
            let left = waits.children.iter().filter_map(|it| children.get(it));
            describe_scope(&left.map(|it| describe(it)).collect::<Vec<_>>())
        }
        (Reason::Join(id), _) => format!("waits for the end of {}", who(id)),
        (Reason::On(thing, address), Some(waits)) if waits.owner != 0 => {
            let verb = owner_verb(thing);
            format!("is {thing} at {address:#x}, {verb} by {}", who(waits.owner))
        }
        _ => format!("is {}", Wait::new(header.wait().0, clock::now())),
    };
    let lines = living.iter();
    let lines = lines.map(|it| format!("\n  {} {}", describe(it), what(it)));
    lines.collect()
}

fn describe_scope(left: &[String]) -> String {
    let mut text = "waits for the end of its scope".to_owned();
    if !left.is_empty() {
        let named = &left[..left.len().min(NAMED)];
        let _ = write!(text, ": of {}", named.join(", "));
    }
    if left.len() > NAMED {
        let _ = write!(text, " and {} more", left.len() - NAMED);
    }
    text
}

/// Is each lock that one of this hub waits for held by one of this hub? All of them wait, for a
/// lock or for each other's end.
pub(crate) fn holds_its_locks(hub: &Worker) -> bool {
    let (mut ids, mut owners) = (HashSet::new(), HashSet::new());
    each_living(hub, |header| {
        // SAFETY: as in `describe`.
        ids.insert(unsafe { header.number() });
        if header.wait().0.owner_address().is_some() {
            owners.insert(waits(header).map_or(0, |it| it.owner));
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

/// For whom it waits.
fn waits(header: &Header) -> Option<request::Waits> {
    // SAFETY: it is of this hub, on whose thread this runs, between two switches, and lives.
    unsafe { request::waits(header) }
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
fn tear_down(hub: &Worker, how: Teardown) {
    hub.close();
    each_living(hub, |header| {
        let how = match how {
            Teardown::Stuck if header.marks.has(ENDS_STORAGE) => Teardown::Due,
            how => how,
        };
        header.teardown.set(how);
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
