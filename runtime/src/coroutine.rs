//! `Coroutine`: a stack with a green thread on it, and the switch into and out of it.
//!
//! All of the way from the worker's loop to the switch, and from the switch to the code that waits,
//! is inlined. Measured: a yield took 49 ns with calls in between, and takes 7 to 11 ns without;
//! presumably because the processor predicts returns by a stack of calls, which a switch leaves
//! behind: the switch back to the worker is a `ret` that wants its `call`, of the switch in, on top.
//! A call between the user's loop and the switch costs 20 ns, as of two returns to the wrong place,
//! so `yield_now` is inlined into the loop itself.

use crate::context;
use crate::header::Header;
use crate::stack::{self, Stack};
use crate::thread_pointer;
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::ptr::NonNull;

/// What a resume delivers to the suspended code.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resume {
    /// Go on.
    Run,
    /// Write down where you are, and suspend again.
    Look(NonNull<Look>),
}

/// What is to be seen of suspended code.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// Take a backtrace if so many bytes of the stack are left.
    pub(crate) room: Option<usize>,
    /// Bytes of the stack in use.
    pub(crate) used: usize,
    pub(crate) backtrace: Option<Backtrace>,
}

/// Why the code on the stack came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It wants to go on, after the others.
    Yielded,
    /// It waits for an unpark.
    Parked,
    /// It has written its backtrace, and is suspended as before.
    Looked,
    /// It has ended; the stack is free.
    Done,
}

/// The way back to the worker, known to the code on the stack.
pub(crate) type Yielder = corosensei::Yielder<Resume, Outcome>;

/// A green thread's stack and its saved registers.
pub(crate) struct Coroutine(corosensei::Coroutine<Resume, Outcome, (), Stack>);

impl Coroutine {
    /// Prepares `entry(header)` to run on `stack`. `entry` must not unwind: nothing above it could
    /// catch that.
    pub(crate) fn new(
        stack: Stack,
        header: NonNull<Header>,
        entry: unsafe fn(NonNull<Header>),
    ) -> Self {
        let body = move |yielder: &Yielder, _: Resume| {
            // SAFETY: the worker keeps the slot (`BODY`) until this coroutine has ended.
            unsafe { header.as_ref() }.yielder.set(yielder);
            // SAFETY: this is the green thread's own stack, at its first run, as `entry` demands.
            unsafe { entry(header) };
        };
        Coroutine(corosensei::Coroutine::with_stack(stack, body))
    }

    /// Switches in, until the code there suspends itself or ends.
    #[inline(always)]
    pub(crate) fn resume(&mut self, resume: Resume) -> Outcome {
        match self.0.resume(resume) {
            corosensei::CoroutineResult::Yield(outcome) => outcome,
            corosensei::CoroutineResult::Return(()) => Outcome::Done,
        }
    }

    /// [`Coroutine::resume`] to a green thread with thread-local storage of its own, at `pointer`.
    ///
    /// Never inlined, and it touches no thread-local: the compiler may keep an address of one.
    ///
    /// # Safety
    ///
    /// `pointer` is that storage's thread pointer.
    #[inline(never)]
    pub(crate) unsafe fn resume_with(&mut self, pointer: usize, resume: Resume) -> Outcome {
        let own = thread_pointer::get();
        // SAFETY: by the caller's word the storage is this green thread's; `resume` does not unwind
        // (`Coroutine::new`), so that the worker's own is back at the end.
        unsafe { thread_pointer::set(pointer) };
        let outcome = self.resume(resume);
        // SAFETY: it is the one that this OS thread had before.
        unsafe { thread_pointer::set(own) };
        outcome
    }

    /// Gives the stack back after [`Outcome::Done`].
    pub(crate) fn into_stack(self) -> Stack {
        self.0.into_stack()
    }
}

/// Switches from the green thread `header` back to its worker; returns when it is resumed.
///
/// # Safety
///
/// The caller runs on the stack of `header`.
#[inline(always)]
pub(crate) unsafe fn suspend(header: &Header, outcome: Outcome) {
    // SAFETY: set at the first run of this very stack, near whose top the yielder lies while it
    // runs.
    let yielder = unsafe { &*header.yielder.get() };
    let end = 0_u8; // lies where the stack ends
    header.stack_end.set(&raw const end);
    if let Resume::Look(place) = yielder.suspend(outcome) {
        look(yielder, place);
    }
}

/// Writes down what is to be seen, and suspends again, until told to run.
#[cold]
#[inline(never)]
fn look(yielder: &Yielder, mut place: NonNull<Look>) {
    loop {
        // SAFETY: `Worker::look` lends the place until this stack suspends again.
        let here = unsafe { place.as_mut() };
        let address = std::ptr::from_ref(&place).addr();
        let stack = stack::around(address).unwrap_or(address..address);
        here.used = stack.end - address;
        if here.room.is_some_and(|room| address - stack.start >= room) {
            here.backtrace = Some(backtrace());
        }
        match yielder.suspend(Outcome::Looked) {
            Resume::Look(next) => place = next,
            Resume::Run => return,
        }
    }
}

#[inline(never)]
fn backtrace() -> Backtrace {
    // std takes a lock, for which the worker, not the green thread, has to wait.
    let _own = context::hooks_off();
    Backtrace::force_capture()
}

/// A place for a [`Yielder`] in a header.
pub(crate) type YielderCell = Cell<*const Yielder>;
