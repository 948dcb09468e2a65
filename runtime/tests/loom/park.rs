//! Parking of loom's threads, with kills: a token each, as `word.rs` keeps it for the runtime's.

use crate::clock;
use crate::header::Wait;
use loom::sync::atomic::{AtomicBool, Ordering::AcqRel};
use loom::thread::{self, Thread};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// A thread of the model, by its number among those that ever waited or were waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unparker(usize);

struct Parker {
    thread: Thread,
    token: AtomicBool,
    kill: AtomicBool,
    shields: Cell<usize>,
}

thread_local! {
    /// Those of the execution under way; all of its threads are on one thread of std's.
    static PARKERS: RefCell<Vec<Rc<Parker>>> = const { RefCell::new(Vec::new()) };
}

/// What a killed thread unwinds with.
pub(crate) struct Killed;

/// Ends an execution, whose atomics go with it.
pub(crate) fn forget_all() {
    drop(PARKERS.take());
}

impl Unparker {
    pub(crate) fn current() -> Self {
        Unparker::of(&thread::current())
    }

    pub(crate) fn of(thread: &Thread) -> Self {
        PARKERS.with_borrow_mut(|parkers| {
            let known = parkers.iter().position(|it| it.thread.id() == thread.id());
            Unparker(known.unwrap_or_else(|| {
                parkers.push(Rc::new(Parker::new(thread.clone())));
                parkers.len() - 1
            }))
        })
    }

    fn parker(self) -> Rc<Parker> {
        PARKERS.with_borrow(|parkers| parkers[self.0].clone())
    }

    pub(crate) fn unpark(self) {
        let parker = self.parker();
        parker.token.swap(true, AcqRel);
        parker.thread.unpark();
    }

    /// Makes its next wait unwind, and ends the one under way.
    pub(crate) fn kill(self) {
        self.parker().kill.swap(true, AcqRel);
        self.unpark();
    }
}

impl Parker {
    fn new(thread: Thread) -> Self {
        Parker {
            thread,
            token: AtomicBool::new(false),
            kill: AtomicBool::new(false),
            shields: Cell::new(0),
        }
    }
}

pub(crate) fn park(deadline: u64, _: Wait) {
    let parker = Unparker::current().parker();
    if parker.shields.get() == 0 && parker.kill.swap(false, AcqRel) {
        resume_unwind(Box::new(Killed));
    }
    while !parker.token.swap(false, AcqRel) && clock::now() < deadline {
        thread::park();
    }
}

/// Others run whenever loom likes.
pub(crate) fn yield_now() {}

pub(crate) fn shield<T>(f: impl FnOnce() -> T) -> T {
    let parker = Unparker::current().parker();
    parker.shields.set(parker.shields.get() + 1);
    let result = f();
    parker.shields.set(parker.shields.get() - 1);
    result
}

/// What `f` returns; none if it was killed.
pub(crate) fn unless_killed<T>(f: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<Killed>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
