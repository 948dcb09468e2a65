//! Parking: the one way to wait, and `Unparker`, the one way to wake.
//!
//! std's token protocol: an unpark that comes before the park makes it return at once. A park may
//! return for no reason; every wait in the runtime is a loop around its own condition.
//! `Thread::unpark` has a token of its own beside, so that a wait inside a library call does not
//! eat what the user's `park` is to find.

use crate::context;
use crate::coroutine::{self, Outcome};
use crate::header::Header;
use crate::interrupt;
use crate::panic_count;
use crate::reason::Wait;
use crate::spawn;
use crate::word::{FINISHED, KILL, NOWHERE, OS_THREAD, TOKEN, USER_TOKEN, Unpark};
use crate::worker::Worker;
use crate::{clock, futex, remote};
use std::ptr::NonNull;

/// Wakes one thread, green or not. Two words, freely copied; one that comes too late does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unparker {
    header: NonNull<Header>,
    generation: u32,
}

// SAFETY: it only reaches the slot's atomics, and slots live for ever.
unsafe impl Send for Unparker {}
// SAFETY: as above.
unsafe impl Sync for Unparker {}

impl Unparker {
    /// The waker of the code that calls this.
    pub(crate) fn current() -> Self {
        Unparker::of(context::waiter())
    }

    /// The waker of the caller, whose header it is.
    #[inline]
    pub(crate) fn of(header: &Header) -> Self {
        Unparker::new(NonNull::from(header), header.word.load().generation())
    }

    pub(crate) fn new(header: NonNull<Header>, generation: u32) -> Self {
        Unparker { header, generation }
    }

    /// Makes the thread's current or next park return.
    pub(crate) fn unpark(self) {
        self.wake(0);
    }

    /// Has its thread not ended?
    pub(crate) fn is_alive(self) -> bool {
        // SAFETY: slots are never freed.
        let word = unsafe { self.header.as_ref() }.word.load();
        word.generation() == self.generation && word.state() != FINISHED
    }

    /// [`Unparker::unpark`], and makes the next wait unwind; one that has not started never will.
    pub(crate) fn kill(self) {
        self.wake(KILL);
    }

    /// Ends the thread: at once if it has not started, else by unwinding out of its next wait.
    pub(crate) fn end(self) {
        // SAFETY: slots are never freed.
        if !spawn::cancel(unsafe { self.header.as_ref() }, self.generation) {
            self.kill();
        }
    }

    /// [`Unparker::unpark`], and leaves the token for `thread::park`.
    pub(crate) fn unpark_by_user(self) {
        self.wake(USER_TOKEN);
    }

    fn wake(self, flags: u64) {
        let worker = context::worker();
        let here = worker.map_or(NOWHERE, Worker::index);
        if let Some(header) = self.wake_unqueued(here, flags) {
            worker.expect("its home is here").push(header);
        }
    }

    /// [`Unparker::unpark`] by `worker`, without a place in its queue: the one that it is to run now,
    /// if it is one of its own that was parked.
    pub(crate) fn unpark_to_run(self, worker: &Worker) -> Option<NonNull<Header>> {
        self.wake_unqueued(worker.index(), 0)
    }

    /// Wakes it; returns it if it lives `here` and has to be run or queued.
    fn wake_unqueued(self, here: usize, flags: u64) -> Option<NonNull<Header>> {
        // SAFETY: slots are never freed.
        let header = unsafe { self.header.as_ref() };
        match header.word.unpark(self.generation, here, flags) {
            Unpark::Done => {}
            Unpark::Requeue => return Some(self.header),
            Unpark::Deliver(word) if word.has(OS_THREAD) => futex::wake_one(header.word.futex()),
            Unpark::Deliver(word) => remote::deliver(word.home(), self.header),
        }
        None
    }
}

/// Waits for an unpark, `deadline`, or the next timeout; a kill or timeout that is due unwinds.
///
/// It does so only before the wait: who is woken looks at what it waited for first, and comes back
/// only if that has not happened. So neither a kill nor a timeout takes away what has come.
#[inline(always)]
pub(crate) fn park(deadline: u64, wait: Wait) {
    match context::green() {
        Some((worker, header)) => {
            let deadline = interrupt::before_wait_of(header, deadline);
            park_green(worker, header, deadline, wait);
        }
        None => park_os_thread(interrupt::before_wait(deadline)),
    }
}

/// Waits for an unpark or `deadline`; a kill has to wait.
#[inline(always)]
pub(crate) fn park_uncancellable(deadline: u64, wait: Wait) {
    match context::green() {
        Some((worker, header)) => park_green(worker, header, deadline, wait),
        None => park_os_thread(deadline),
    }
}

/// The waker of the caller, who has told nobody yet that it waits. A wake-up that is left from an
/// earlier wait is forgotten: it would end this one before anybody else has run.
#[inline]
pub(crate) fn fresh_unparker() -> Unparker {
    let header = context::waiter();
    header.word.take(TOKEN);
    Unparker::of(header)
}

/// Lets all others of this worker run first. A kill or timeout that is due unwinds instead.
#[inline(always)]
pub(crate) fn yield_now() {
    match context::green() {
        Some((worker, header)) => {
            interrupt::before_wait_of(header, clock::NEVER);
            switch_out(worker, header, Outcome::Yielded);
        }
        None => std::thread::yield_now(),
    }
}

/// Lets all others of this worker run first, whatever is due.
pub(crate) fn give_way() {
    if let Some((worker, header)) = context::green() {
        switch_out(worker, header, Outcome::Yielded);
    }
}

#[inline(always)]
fn park_green(worker: &Worker, header: &Header, deadline: u64, wait: Wait) {
    if deadline == clock::NEVER {
        park_green_for_ever(worker, header, wait);
    } else {
        park_green_until(worker, header, deadline, wait);
    }
}

#[inline(always)]
fn park_green_for_ever(worker: &Worker, header: &Header, wait: Wait) {
    if !header.word.take(TOKEN) {
        header.note_wait(wait, worker.stamp());
        switch_out(worker, header, Outcome::Parked);
    }
}

#[inline(never)]
fn park_green_until(worker: &Worker, header: &Header, deadline: u64, wait: Wait) {
    if deadline <= worker.seen_at() {
        return wait_no_time(worker, header);
    }
    let timer = worker.timers().insert(deadline, Unparker::of(header));
    park_green_for_ever(worker, header, wait.bounded());
    worker.timers().remove(timer);
}

/// Lets those run first that are ready, as all who wait do. A timer would overtake them: those that
/// are due are served in turn with the queue.
fn wait_no_time(worker: &Worker, header: &Header) {
    if !header.word.take(TOKEN) {
        switch_out(worker, header, Outcome::Yielded);
    }
}

/// Switches to the worker. Siblings must not see this thread's panic, nor it theirs: std counts them
/// in a thread-local, which only a full green thread has to itself.
#[inline(always)]
fn switch_out(worker: &Worker, header: &Header, outcome: Outcome) {
    let _hidden = (!header.is_full()).then(panic_count::hide);
    let hooks_off = worker.context().hooks_off.replace(0);
    // SAFETY: `header` is the running green thread (all callers have it from `context::green`), on
    // its own stack.
    unsafe { coroutine::suspend(header, outcome) };
    worker.context().hooks_off.set(hooks_off);
}

/// Blocks the OS thread itself.
#[inline(never)]
fn park_os_thread(deadline: u64) {
    let word = &context::waiter().word;
    if !word.park() {
        return;
    }
    let parked = word.load();
    if !parked.has(TOKEN) && clock::now() < deadline {
        // The lower half holds state and token: the kernel sleeps only if no token has come since.
        futex::wait(word.futex(), parked.0 as u32, deadline);
    }
    word.resume();
}
