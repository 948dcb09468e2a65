//! `run`: a hub, which is gevent exactly: one thread, one queue, nothing parallel.

use crate::clock;
use crate::config;
use crate::context;
use crate::header::{self, Header, Wait};
use crate::lock::Lock;
use crate::panic_count;
use crate::park::Unparker;
use crate::spawn::{self, Builder};
use crate::stack::overflow;
use crate::timer::Timer;
use crate::word::{BODY, FINISHED, OS_THREAD, PARKED, UNSTARTED};
use crate::worker::{Parts, Worker};
use std::fmt::Write;
use std::panic::resume_unwind;
use std::ptr::NonNull;
use std::time::Duration;

/// How long a hub that ends waits for green threads whose destructors wait.
const PATIENCE: Duration = Duration::from_secs(1);

/// What hubs are made of, kept for the next one: a waker may still be about to write to it.
static SPARE: Lock<Vec<Parts>> = Lock::new(Vec::new());

/// Runs `f` as the first green thread of a hub on this very thread, and returns its result:
/// gevent's model.
///
/// Whatever is spawned inside stays on this thread. Nothing runs in parallel: code between two
/// yields is atomic, and [`spawn_local`](crate::spawn_local()) takes closures that are not `Send`.
/// Order is strict: first come, first served.
///
/// When `f` ends, closures that have not started are dropped, new ones are refused (`BrokenPipe`),
/// and green threads that still wait are killed, with the hub still running: each unwinds with
/// [`Killed`](crate::Killed), and its destructors may wait, for a second in all. One that has not
/// ended then is reported through `log` and left suspended for ever.
///
/// # Panics
///
/// With `f`'s panic; when called inside a worker or hub; when the hub can't be set up; and when it
/// can never run again, because all its green threads wait for each other's end: then the message
/// lists them.
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
    if context::worker().is_some() {
        panic!(
            "greenloop::run was called inside of a worker or of another run: \
             it needs an OS thread of its own"
        );
    }
    config::default_stack().expect("failed to configure a hub");
    let spare = SPARE.lock().pop();
    let parts = spare
        .map_or_else(Parts::new, Ok)
        .expect("failed to set up a hub");
    let _signals = overflow::ensure_alternate_stack();
    // In a destructor during a panic: that panic is none of the green threads'.
    let _panic = panic_count::hide();
    let (end, parts) = Worker::enter(parts, None, |hub| run_on(hub, f));
    SPARE.lock().push(parts);
    match end {
        End::Result(Ok(result)) => result,
        End::Result(Err(payload)) => resume_unwind(payload),
        End::Deadlock(report) => panic!("{report}"),
    }
}

enum End<T> {
    Result(std::thread::Result<T>),
    Deadlock(String),
}

#[track_caller]
fn run_on<F, T>(hub: &Worker, f: F) -> End<T>
where
    F: FnOnce() -> T,
{
    // SAFETY: joined below, on this OS thread, before this frame ends; if it can't be, `abandon`
    // has given it a result and its stack is never touched again.
    let first = unsafe { Builder::new().name("main".into()).spawn_on_hub(hub, f) };
    let first = first.expect("failed to spawn a hub's first green thread");
    let _abort = crate::abort::OnUnwind("a hub's loop");
    hub.run(|| first.is_finished());
    let deadlock = (!first.is_finished()).then(|| report_deadlock(hub));
    tear_down(hub);
    match deadlock {
        Some(report) => End::Deadlock(report),
        None => End::Result(first.join()),
    }
}

fn report_deadlock(hub: &Worker) -> String {
    let mut report =
        "this `run` would wait forever: each of its green threads waits for another one's end"
            .to_owned();
    each_living(hub, |header| {
        if let Wait::Join(target) = header.wait.get() {
            // SAFETY: a join handle keeps its target's slot in use, and both live on this hub.
            let target = unsafe { target.as_ref() };
            let _ = write!(
                report,
                "\n  {} waits for the end of {}",
                describe(header),
                describe(target)
            );
        }
    });
    report
}

/// Visits the started and unfinished green threads of this hub.
fn each_living(hub: &Worker, mut visit: impl FnMut(&'static Header)) {
    header::for_each_slot(|header| {
        let word = header.word.load();
        let ours = word.home() == hub.index() && word.has(BODY) && !word.has(OS_THREAD);
        if ours && word.state() != UNSTARTED && word.state() != FINISHED {
            visit(header);
        }
    });
}

fn describe(header: &Header) -> String {
    // SAFETY: `each_living` and a join handle see to it that the slot is in use; both on this hub's
    // thread.
    let label = unsafe { header.label() };
    let name = label.name.as_deref().unwrap_or("<unnamed>");
    format!("green thread '{name}' (spawned at {})", label.location)
}

/// Ends all that still lives here.
fn tear_down(hub: &Worker) {
    hub.close();
    each_living(hub, |header| {
        header.teardown.set(true);
        unparker(header).unpark();
    });
    let deadline = clock::deadline(PATIENCE);
    let alarm = Timer::new(deadline, Unparker::current());
    // SAFETY: new, and removed below; a panic in between aborts.
    unsafe { hub.timers().insert(NonNull::from(&alarm)) };
    hub.run(|| hub.live() == 0 && hub.is_quiet() || clock::now() >= deadline);
    // SAFETY: inserted above.
    unsafe { hub.timers().remove(NonNull::from(&alarm)) };
    each_living(hub, |header| abandon(hub, header));
}

fn unparker(header: &Header) -> Unparker {
    Unparker::new(NonNull::from(header), header.word.load().generation())
}

/// Gives up a green thread that would not end: it stays suspended for ever, and so does what its
/// stack owns.
fn abandon(hub: &Worker, header: &'static Header) {
    let backtrace = hub
        .backtrace(header)
        .map_or_else(String::new, |it| format!("; it waits at\n{it}"));
    log::warn!(
        "greenloop: {} did not end with its `run` and is given up{backtrace}",
        describe(header)
    );
    // Nobody delivers a wake-up to one that runs. A delivery that is under way has to arrive first.
    while header.word.load().state() == PARKED {
        unparker(header).unpark();
        hub.take_inbox();
    }
    let body = header.body.get().expect("set when it was spawned");
    // SAFETY: its closure has been taken out by its first run, and it will not run again to leave a
    // result.
    unsafe { (body.abandon)(header) };
    spawn::finish(header);
    hub.forget_one();
}
