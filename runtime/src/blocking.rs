//! The blocking pool: OS threads for calls that would hold up a worker. And a pool without a bound,
//! for calls that may wait for one another.

use crate::atomic::{AtomicU32, Ordering};
use crate::birth::{self, Birth};
use crate::clock;
use crate::config;
use crate::context;
use crate::futex;
use crate::header::{Header, Kind};
use crate::join::JoinHandle;
use crate::lock::Lock;
use crate::pool::Permit;
use crate::remote::Unstarted;
use crate::spawn;
use crate::stack::SizeClass;
use crate::word::{BODY, HANDLE, NOWHERE};
use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::ptr::NonNull;
use std::time::Duration;

/// How long a thread of the pool waits for a job before it ends.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Runs `f` on a thread of the blocking pool, so that a call that blocks (a file, a name, a C
/// library) holds up no worker.
///
/// At most [`blocking_threads`](crate::RuntimeBuilder::blocking_threads) jobs run at once; the
/// others wait their turn. Threads are started as needed, and end after 5 seconds without work.
/// Never yields; [`join`](JoinHandle::join) does. Inside `f`, waits block the pool's thread. A job
/// can't be killed; dropping the handle detaches it.
///
/// # Panics
///
/// If the system can't start the pool's first thread, or there is no memory for the job.
///
/// # Examples
///
/// ```
/// let manifest = greenloop::spawn_blocking(|| std::fs::read_to_string("Cargo.toml"));
/// assert!(manifest.join().unwrap()?.contains("[package]"));
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_permitted(None, f)
}

/// [`spawn_blocking`], as a member of the pool that `permit` is from.
#[track_caller]
pub(crate) fn spawn_permitted<F, T>(permit: Option<Permit>, f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let header = birth::new_header::<F, T>(birth(HANDLE | BODY), f);
    let header = header.expect("failed to submit a job to the blocking pool");
    spawn::give_extra(header, None, None, permit);
    // SAFETY: the header was made for a `T`, with `HANDLE`.
    let handle = unsafe { JoinHandle::new(header) };
    POOL.submit(header)
        .expect("failed to start a thread of the blocking pool");
    handle
}

/// Runs `job` on a thread of the pool; nobody joins it. It may be dropped without being run, if no
/// thread can be started.
#[track_caller]
pub(crate) fn submit(job: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let header = birth::new_header::<_, ()>(birth(BODY), job)?;
    POOL.submit(header)
}

#[track_caller]
fn birth(flags: u64) -> Birth {
    Birth {
        name: None,
        flags,
        home: NOWHERE,
        place: Location::caller(),
        class: SizeClass::default(),
        kind: Kind::Job,
        spawner: birth::running_on(context::worker()),
    }
}

/// [`submit`], of a job that may wait for what other green threads do: it takes no place from those
/// of the pool, and never waits for one.
#[track_caller]
pub(crate) fn submit_wait(job: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    let header = birth::new_header::<_, ()>(birth(BODY), job)?;
    WAITS.submit(header)
}

/// The threads of the pool, those that are idle, and the jobs that wait for one. Those are counted,
/// too, that take no place from others.
pub(crate) fn count() -> (usize, usize, usize) {
    let (pool, waits) = (POOL.count(), WAITS.count());
    (pool.0 + waits.0, pool.1 + waits.1, pool.2 + waits.2)
}

struct Pool {
    /// How many threads there may be; none if each job is to have one at once.
    bound: Option<fn() -> usize>,
    state: Lock<State>,
    /// Counts the jobs: idle threads wait for it to change.
    submitted: AtomicU32,
}

struct State {
    jobs: VecDeque<Unstarted>,
    threads: usize,
    idle: usize,
}

static POOL: Pool = Pool::new(Some(config::blocking_threads));
static WAITS: Pool = Pool::new(None);

impl Pool {
    const fn new(bound: Option<fn() -> usize>) -> Pool {
        Pool {
            bound,
            state: Lock::new(State {
                jobs: VecDeque::new(),
                threads: 0,
                idle: 0,
            }),
            submitted: AtomicU32::new(0),
        }
    }

    fn submit(&'static self, job: NonNull<Header>) -> io::Result<()> {
        let mut state = self.state.lock();
        state.jobs.push_back(Unstarted(job));
        // Release pairs with the Acquire in `next`: who sees the new count finds the job.
        self.submitted.fetch_add(1, Ordering::Release);
        let bound = self.bound.map_or(usize::MAX, |bound| bound());
        let grow = state.jobs.len() > state.idle && state.threads < bound;
        state.threads += usize::from(grow);
        drop(state);
        futex::wake_one(&self.submitted);
        if grow { self.grow() } else { Ok(()) }
    }

    /// Starts a thread, which is counted already. Without one the job still runs if there is any
    /// other; if there is none, nobody will come for what is queued, and all of it is cancelled.
    /// Where the others may wait for ever, one job is.
    fn grow(&'static self) -> io::Result<()> {
        let builder = std::thread::Builder::new().name("greenloop-blocking".into());
        let Err(error) = builder.spawn(|| self.work()) else {
            return Ok(());
        };
        let mut state = self.state.lock();
        state.threads -= 1;
        let stranded = match self.bound {
            _ if state.threads == 0 => std::mem::take(&mut state.jobs),
            Some(_) => VecDeque::new(),
            None => state.jobs.pop_back().into_iter().collect(),
        };
        drop(state);
        if stranded.is_empty() {
            log::warn!("greenloop: a thread of the blocking pool could not be started: {error}");
            return Ok(());
        }
        for job in stranded {
            // SAFETY: a queued job's slot is in use until its `BODY` is given up.
            let header = unsafe { job.0.as_ref() };
            spawn::cancel(header, header.word.load().generation());
            release(job);
        }
        Err(error)
    }

    fn count(&self) -> (usize, usize, usize) {
        let state = self.state.lock();
        (state.threads, state.idle, state.jobs.len())
    }

    fn work(&self) {
        let _abort = crate::abort::OnUnwind("a thread of the blocking pool");
        while let Some(job) = self.next() {
            run(job);
        }
    }

    /// Waits for a job; none after a while of idleness, when the thread is counted out.
    fn next(&self) -> Option<Unstarted> {
        let deadline = clock::deadline(KEEP_ALIVE);
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if clock::now() >= deadline {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let submitted = self.submitted.load(Ordering::Acquire);
            drop(state);
            futex::wait(&self.submitted, submitted, deadline);
            state = self.state.lock();
            state.idle -= 1;
        }
    }
}

fn run(job: Unstarted) {
    // SAFETY: the job's slot is in use until its `BODY` is given up below.
    let header = unsafe { job.0.as_ref() };
    if header.word.start(NOWHERE) {
        let body = header.body.get().expect("set when it was submitted");
        // SAFETY: the room holds the closure, and nobody else has started the job.
        unsafe { (body.run)(header) };
        spawn::finish(header);
    }
    release(job);
}

/// Gives up the slot of a job that has ended or was cancelled.
fn release(job: Unstarted) {
    // SAFETY: the job's slot is in use until its `BODY` is given up here.
    if unsafe { job.0.as_ref() }.word.release(BODY) {
        // SAFETY: the handle is gone too, and the result with it.
        unsafe { spawn::free_slot(job.0) };
    }
}
