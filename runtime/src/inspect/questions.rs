//! `Questions`: what the workers themselves say of their green threads, for a dump.

use super::census::Found;
use super::dump::Options;
use super::entry::{Backtrace, Kind, State};
use super::frames::Frames;
use super::worker::{Activity, Worker};
use crate::clock;
use crate::coroutine::Look;
use crate::park;
use crate::reason::Wait;
use crate::remote::{self, Role};
use crate::request::{self, Answer, Ask, Request, Target};
use crate::worker::Worker as OwnWorker;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often is looked whether a worker makes progress, in nanoseconds.
const LOOK: u64 = 10_000_000;

/// One worker, and what it was asked.
struct Question {
    worker: Worker,
    /// None if it has no green threads, or none that is wanted, and so nothing to say.
    request: Option<Arc<Request>>,
    progress: usize,
    progressed_at: u64,
}

/// Asks all workers about the green threads that were found, enters what they answer, and says what
/// became of the workers. Waits. The caller's own worker, if it is between two switches, answers here.
pub(super) fn ask(found: &mut [Found], options: Options, own: Option<&OwnWorker>) -> Vec<Worker> {
    let what = if options.backtraces {
        Ask::Backtrace
    } else {
        Ask::Stack
    };
    let mut targets = targets(found, options);
    let mut questions = workers(found);
    for question in &mut questions {
        let home = remote::at(question.worker.index);
        let targets = targets.remove(&home.index).unwrap_or_default();
        let is_wanted = options.only.is_none() || !targets.is_empty();
        if is_wanted && home.counts.live.load(Ordering::Relaxed) > 0 {
            let request = Request::new(targets, what);
            question.request = Some(request.clone());
            request::ask(home, request);
        }
    }
    let patience = clock_nanos(options);
    loop {
        if let Some(own) = own {
            own.answer();
        }
        if !questions.iter_mut().any(|it| it.is_open(patience)) {
            break;
        }
        if !own.is_some_and(OwnWorker::is_asked) {
            park::park_uncancellable(clock::now() + LOOK, Wait::UNPARK);
        }
    }
    questions.into_iter().map(|it| it.end(found)).collect()
}

fn clock_nanos(options: Options) -> u64 {
    u64::try_from(options.patience.as_nanos()).unwrap_or(u64::MAX)
}

/// Who of those that are wanted is suspended on which worker.
fn targets(found: &[Found], options: Options) -> BTreeMap<usize, Vec<Target>> {
    let mut targets: BTreeMap<usize, Vec<Target>> = BTreeMap::new();
    let wanted = found.iter().enumerate();
    for (number, it) in wanted.filter(|(_, it)| options.wants(&it.entry)) {
        let suspended = matches!(it.entry.state, State::Ready | State::Waiting);
        if let Some(home) = it.home.filter(|_| suspended && it.entry.kind != Kind::Job) {
            targets.entry(home).or_default().push(Target {
                header: it.header,
                generation: it.generation,
                number,
            });
        }
    }
    targets
}

fn workers(found: &[Found]) -> Vec<Question> {
    let is_running = |it: &&Found| it.entry.state == State::Running;
    let running = found.iter().filter(is_running);
    let running: BTreeMap<_, _> = running.map(|it| (it.home, it.entry.id)).collect();
    let now = clock::now();
    let mut questions = Vec::new();
    remote::for_each(|remote| {
        let role = remote.counts.role();
        if role == Role::Nobody {
            return;
        }
        let asleep = remote.inbox.is_asleep();
        let worker = Worker {
            index: remote.index,
            is_hub: role == Role::Hub,
            activity: if asleep {
                Activity::Idle
            } else {
                Activity::Busy
            },
            running: running.get(&Some(remote.index)).copied(),
            live: remote.counts.live.load(Ordering::Relaxed),
            queued: None,
            unstarted: remote.injector.len() + remote.stealer.len(),
        };
        questions.push(Question {
            worker,
            request: None,
            progress: 0,
            progressed_at: now,
        });
    });
    questions
}

impl Question {
    /// Is an answer still to be waited for?
    fn is_open(&mut self, patience: u64) -> bool {
        let Some(request) = self.request.as_ref().filter(|it| !it.is_done()) else {
            return false;
        };
        let (progress, now) = (request.progress(), clock::now());
        if progress != self.progress {
            self.progress = progress;
            self.progressed_at = now;
        }
        now.saturating_sub(self.progressed_at) < patience
    }

    fn end(mut self, found: &mut [Found]) -> Worker {
        let Some(request) = &self.request else {
            return self.worker;
        };
        let done = request.is_done();
        let (answers, queued) = request.close();
        for answer in answers {
            enter(&mut found[answer.number], answer);
        }
        if done {
            self.worker.queued = Some(queued);
        } else {
            self.worker.activity = Activity::Hung;
            remote::at(self.worker.index).forget_request(request);
        }
        self.worker
    }
}

fn enter(found: &mut Found, answer: Answer) {
    if let Some(waits) = answer.wait.filter(|it| found.waits_as(it.parked)) {
        found.owner = waits.owner;
        found.children = waits.children;
        found.is_out_of_scope = waits.is_out_of_scope;
    }
    if let Some(look) = answer.look {
        enter_look(found, look);
    }
}

fn enter_look(found: &mut Found, look: Look) {
    found.entry.stack_used = Some(look.used);
    found.entry.backtrace = match (look.room, look.backtrace) {
        (_, Some(backtrace)) => Backtrace::Taken(Frames::new(backtrace)),
        (Some(_), None) => Backtrace::NoRoom,
        (None, None) => Backtrace::NotTaken,
    };
}
