//! Parking of loom's threads, with kills: a token each, as `word.rs` keeps it for the runtime's.

use crate::clock::NEVER;
use crate::header::Wait;
use loom::sync::atomic::{AtomicBool, Ordering::AcqRel};
use loom::thread::{self, Thread};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// A thread of the model, by its number among those that ever waited or were waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unparker(usize);

/// Made before there are threads: loom wants to see that they come after.
#[derive(Default)]
struct Parker {
    thread: RefCell<Option<Thread>>,
    /// Is it in the wait that the token ends? Loom mistakes a needless unpark for the end of a
    /// join.
    parked: Cell<bool>,
    token: AtomicBool,
    kill: AtomicBool,
    shields: Cell<usize>,
    expired: Cell<bool>,
    /// Does it unwind by a panic? Std counts those of all threads of the model together.
    panics: Cell<bool>,
}

/// The most threads of a model that wait.
const MOST: usize = 3;

thread_local! {
    /// Those of the execution under way; all of its threads are on one thread of std's.
    static PARKERS: RefCell<Vec<Rc<Parker>>> = const { RefCell::new(Vec::new()) };
}

/// What a killed thread unwinds with.
pub(crate) struct Killed;

/// What [`panic`] unwinds with.
struct Panicked;

/// Runs one execution of a model.
pub(crate) fn with_parkers(model: impl Fn()) {
    PARKERS.set((0..MOST).map(|_| Rc::default()).collect());
    model();
    drop(PARKERS.take());
}

impl Unparker {
    pub(crate) fn current() -> Self {
        Unparker::of(&thread::current())
    }

    pub(crate) fn of(thread: &Thread) -> Self {
        PARKERS.with_borrow(|parkers| {
            let is_its = |parker: &Rc<Parker>| {
                let mut owner = parker.thread.borrow_mut();
                owner.get_or_insert_with(|| thread.clone()).id() == thread.id()
            };
            Unparker(parkers.iter().position(is_its).expect("there are enough"))
        })
    }

    fn parker(self) -> Rc<Parker> {
        PARKERS.with_borrow(|parkers| parkers[self.0].clone())
    }

    pub(crate) fn unpark(self) {
        let parker = self.parker();
        parker.token.swap(true, AcqRel);
        if parker.parked.take() {
            let thread = parker.thread.borrow();
            thread.as_ref().expect("it has parked").unpark();
        }
    }

    /// Is it in a wait?
    pub(crate) fn is_parked(self) -> bool {
        self.parker().parked.get()
    }

    /// Makes its next wait unwind, and ends the one under way.
    pub(crate) fn kill(self) {
        self.parker().kill.swap(true, AcqRel);
        self.unpark();
    }

    /// All have started, so that this is no more than a kill.
    pub(crate) fn end(self) {
        self.kill();
    }
}

pub(crate) fn park(deadline: u64, _: Wait) {
    let parker = Unparker::current().parker();
    if parker.shields.get() == 0 && parker.kill.swap(false, AcqRel) {
        resume_unwind(Box::new(Killed));
    }
    while !parker.token.swap(false, AcqRel) {
        if deadline != NEVER {
            return parker.expired.set(true);
        }
        parker.parked.set(true);
        thread::park();
    }
}

/// The caller's, after it has forgotten a wake-up for a wait that has ended.
pub(crate) fn fresh_unparker() -> Unparker {
    let unparker = Unparker::current();
    unparker.parker().token.swap(false, AcqRel);
    unparker
}

/// Has a deadline of the caller ended a wait?
pub(crate) fn has_expired() -> bool {
    Unparker::current().parker().expired.get()
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

/// A panic without a message.
pub(crate) fn panic() -> ! {
    Unparker::current().parker().panics.set(true);
    resume_unwind(Box::new(Panicked))
}

pub(crate) fn is_panicking() -> bool {
    Unparker::current().parker().panics.get()
}

/// What `f` returns; none if it came to [`panic`].
pub(crate) fn unless_panicked<T>(f: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => Some(result),
        Err(payload) if payload.is::<Panicked>() => {
            Unparker::current().parker().panics.set(false);
            None
        }
        Err(payload) => resume_unwind(payload),
    }
}
