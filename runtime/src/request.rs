//! `Request`: what the maker of a dump asks of a worker, which alone may look at its suspended green
//! threads; and `Requests`, where it is left.
//!
//! A worker answers between two switches, a little at a time: its own work goes on meanwhile.
//! Whoever asks waits for progress, and gives up on a worker that makes none.

use crate::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::clock;
use crate::coroutine::Look;
use crate::header::{Header, OUT_OF_SCOPE, Parked};
use crate::lock::Lock;
use crate::owner::Owner;
use crate::park::Unparker;
use crate::reason::Reason;
use crate::remote::Remote;
use crate::scope::ScopeData;
use crate::word::{PARKED, RUNNING};
use crate::worker::Worker;
use std::sync::Arc;

/// How long a worker answers before it goes on with its own work, for as long or to the end of a
/// switch, in nanoseconds. What it says of one it says at once: of 100,000 in a scope, for longer.
const TURN: u64 = 1_000_000;

/// Room for a backtrace, of which one that is printed as well takes 23 KB.
const BACKTRACE_ROOM: usize = 32 << 10;

/// A green thread to be looked at.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) header: &'static Header,
    pub(crate) generation: u32,
    /// The asker's own number of it.
    pub(crate) number: usize,
}

/// What was seen of the one with this number.
pub(crate) struct Answer {
    pub(crate) number: usize,
    /// If that was asked for.
    pub(crate) look: Option<Look>,
    pub(crate) wait: Option<Waits>,
}

/// For whom somebody waits, if it is parked.
#[derive(Clone)]
pub(crate) struct Waits {
    /// Who it is.
    pub(crate) id: u64,
    pub(crate) parked: Parked,
    /// The number of the owner of the lock that it waits for, or 0.
    pub(crate) owner: u64,
    /// Those of its scope that have not ended, if it waits for the end of that.
    pub(crate) children: Vec<Unparker>,
    /// No scope waits for it, or no more.
    pub(crate) is_out_of_scope: bool,
}

/// What is asked of each one.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// For whom it waits.
    Waits,
    /// That, and its use of its stack.
    Stack,
    /// That, and its backtrace.
    Backtrace,
}

pub(crate) struct Request {
    asker: Unparker,
    what: Ask,
    state: Lock<State>,
    /// Steps done: targets looked at, and one for the answer as a whole.
    progress: AtomicUsize,
    done: AtomicBool,
}

struct State {
    targets: Vec<Target>,
    answers: Vec<Answer>,
    /// How many green threads wait for their turn on the worker.
    queued: usize,
}

impl Request {
    /// About `targets`, which live on one worker, on behalf of the caller.
    pub(crate) fn new(targets: Vec<Target>, what: Ask) -> Arc<Request> {
        let answers = Vec::with_capacity(targets.len());
        Arc::new(Request {
            asker: Unparker::current(),
            what,
            state: Lock::new(State {
                targets,
                answers,
                queued: 0,
            }),
            progress: AtomicUsize::new(0),
            done: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_done(&self) -> bool {
        // Acquire pairs with the Release in `finish`.
        self.done.load(Ordering::Acquire)
    }

    /// Grows for as long as the worker answers.
    pub(crate) fn progress(&self) -> usize {
        self.progress.load(Ordering::Relaxed)
    }

    /// Takes what has been answered, and gives up on the rest.
    pub(crate) fn close(&self) -> (Vec<Answer>, usize) {
        let mut state = self.state.lock();
        state.targets.clear();
        (std::mem::take(&mut state.answers), state.queued)
    }

    fn next(&self) -> Option<Target> {
        self.state.lock().targets.pop()
    }

    fn finish(&self, queued: usize) {
        self.state.lock().queued = queued;
        self.done.store(true, Ordering::Release);
        self.asker.unpark();
    }
}

/// The requests to one worker. Whether there are any also stands in its counts (`is_asked`), changed
/// under this lock: a hint, but to a worker that falls asleep the truth, see [`ask`].
#[derive(Default)]
pub(crate) struct Requests(Lock<Vec<Arc<Request>>>);

impl Remote {
    fn first_request(&self) -> Option<Arc<Request>> {
        self.requests.0.lock().first().cloned()
    }

    /// Takes a request out, by the worker that has answered it or the asker who has given up.
    pub(crate) fn forget_request(&self, request: &Arc<Request>) {
        let mut list = self.requests.0.lock();
        list.retain(|it| !Arc::ptr_eq(it, request));
        self.counts.set_asked(!list.is_empty());
    }
}

/// Leaves a request with a worker, and wakes it.
pub(crate) fn ask(remote: &Remote, request: Arc<Request>) {
    let mut list = remote.requests.0.lock();
    list.push(request);
    remote.counts.set_asked(true);
    drop(list);
    // The fence in there pairs with the worker's before it sleeps: one of both sees the other.
    remote.wake();
}

impl Worker {
    /// [`answer`](Worker::answer), unless that was done a moment ago: it may take half of the time of
    /// a worker that has other things to do.
    pub(crate) fn answer_in_turn(&self) {
        if clock::now() >= self.answers_next().get() {
            self.answer();
        }
    }

    /// Does anybody ask, or did just now?
    pub(crate) fn is_asked(&self) -> bool {
        self.remote().counts.is_asked()
    }

    /// Answers those who ask about this worker's green threads, for a moment.
    pub(crate) fn answer(&self) {
        let end = clock::now() + TURN;
        while let Some(request) = self.remote().first_request() {
            while let Some(target) = request.next() {
                self.answer_about(&request, target);
                let now = clock::now();
                if now >= end {
                    return self.answers_next().set(now + TURN);
                }
            }
            self.remote().forget_request(&request);
            request.finish(self.queued());
        }
    }

    fn answer_about(&self, request: &Request, target: Target) {
        let header = target.header;
        let word = header.word.load();
        let same = word.generation() == target.generation && word.home() == self.index();
        let alive = matches!(word.state(), RUNNING | PARKED);
        // Only of one that lives here: another worker's is written by that one.
        if same && alive && !header.stack_top.get().is_null() {
            let look = match request.what {
                Ask::Waits => None,
                Ask::Stack => Some(self.look(header, None)),
                Ask::Backtrace => Some(self.look(header, Some(BACKTRACE_ROOM))),
            };
            // SAFETY: it lives here and is suspended, as was just seen, and stays so meanwhile.
            let wait = unsafe { waits(header) };
            let number = target.number;
            request
                .state
                .lock()
                .answers
                .push(Answer { number, look, wait });
        }
        request.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// For whom a green thread waits, if it is parked.
///
/// # Safety
///
/// The caller is its home worker, between two switches, and its slot is in use.
pub(crate) unsafe fn waits(header: &Header) -> Option<Waits> {
    let parked = header.parked()?;
    // SAFETY: its slot is in use.
    let id = unsafe { header.number() };
    // SAFETY: it is parked, and only the caller could make it run: so the frame that waits for the
    // lock is there, and with it the lock, which that frame borrows.
    let owner = parked
        .wait
        .owner_address()
        .map(|it| unsafe { Owner::at(it) });
    let children = match parked.wait.reason() {
        // SAFETY: as above; the frame that waits for the end of the scope holds its data.
        Reason::Scope(address) => unsafe { ScopeData::living_at(address) },
        _ => Vec::new(),
    };
    Some(Waits {
        id,
        parked,
        owner: owner.unwrap_or(0),
        children,
        is_out_of_scope: header.marks.has(OUT_OF_SCOPE),
    })
}
