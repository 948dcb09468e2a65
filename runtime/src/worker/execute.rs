//! What a worker does with one green thread: it starts it, switches to it, and takes back what it
//! had.

use super::Worker;
use crate::coroutine::{Coroutine, Look, Outcome, Resume};
use crate::extra;
use crate::header::{Header, MEASURED, Teardown};
use crate::inspect::observer;
use crate::latency;
use crate::spawn;
use crate::stack::measure;
use crate::word::BODY;
use std::ptr::NonNull;
use std::sync::atomic::Ordering;

impl Worker {
    /// Runs a green thread until it yields, waits or ends.
    #[inline(always)]
    pub(super) fn execute(&self, next: NonNull<Header>) {
        // SAFETY: whoever is in a queue has its slot in use (`BODY`), until `retire` below.
        let header = unsafe { next.as_ref() };
        if header.stack_top.get().is_null() && !self.start(next) {
            return;
        }
        let outcome = self.resume(header, Resume::Run);
        self.settle(next, outcome);
    }

    /// [`execute`](Worker::execute), and tells observers of each step.
    pub(super) fn execute_observed(&self, next: NonNull<Header>) {
        // SAFETY: as in `execute`.
        let header = unsafe { next.as_ref() };
        if header.stack_top.get().is_null() {
            if !self.start(next) {
                return;
            }
            observer::started(header);
        }
        observer::resumed(header);
        let outcome = self.resume(header, Resume::Run);
        observer::suspended(self, header, outcome);
        if outcome == Outcome::Done {
            observer::ended(header);
        }
        self.settle(next, outcome);
    }

    /// Puts a green thread where it belongs after its turn.
    #[inline(always)]
    fn settle(&self, next: NonNull<Header>, outcome: Outcome) {
        // SAFETY: as in `execute`.
        let header = unsafe { next.as_ref() };
        match outcome {
            Outcome::Yielded => self.push(next),
            Outcome::Parked if header.word.park() => {}
            Outcome::Parked => self.push(next),
            Outcome::Looked => unreachable!("only a backtrace is answered so"),
            Outcome::Done => self.retire(next),
        }
    }

    #[inline(always)]
    fn resume(&self, header: &Header, resume: Resume) -> Outcome {
        let counts = &self.remote.counts;
        latency::add(&counts.switches, 1);
        let current = std::ptr::from_ref(header).cast_mut();
        counts.current.store(current, Ordering::Relaxed);
        self.context.green.set(Some(NonNull::from(header)));
        // SAFETY: it lives here and does not run, so this is the only reference to its coroutine.
        let coroutine = unsafe { &mut *header.coroutine.get() };
        let coroutine = coroutine.as_mut().expect("a started one has a coroutine");
        let outcome = match extra::storage(header) {
            None => coroutine.resume(resume),
            // SAFETY: it is this green thread's own storage, which it alone uses.
            Some(storage) => unsafe { coroutine.resume_with(storage.pointer(), resume) },
        };
        self.context.green.set(None);
        outcome
    }

    /// What is to be seen of a green thread of this worker that is suspended; with a backtrace, if
    /// so much `room` is left on its stack.
    pub(crate) fn look(&self, header: &Header, room: Option<usize>) -> Look {
        let mut look = Look {
            room,
            ..Look::default()
        };
        let outcome = self.resume(header, Resume::Look(NonNull::from(&mut look)));
        assert_eq!(
            outcome,
            Outcome::Looked,
            "a suspended green thread answers and stays"
        );
        look
    }

    /// Makes this worker the home of an unstarted one and gives it a stack; false if it was
    /// cancelled meanwhile.
    #[inline(never)]
    fn start(&self, next: NonNull<Header>) -> bool {
        // SAFETY: as in `execute`.
        let header = unsafe { next.as_ref() };
        if !header.word.start(self.index()) {
            self.stacks.borrow_mut().refund(header.class.get());
            if self.remote.counts.is_observed() {
                observer::ended(header);
            }
            self.release(next);
            return false;
        }
        if self.closing.get() {
            header.teardown.set(Teardown::Due);
        }
        let stack = self.stacks.borrow_mut().take(header.class.get());
        if measure::is_chosen() {
            header.marks.set(MEASURED);
            stack.forget();
        }
        // SAFETY: the label lies in a slot, which stays in use until `retire` puts the stack back,
        // which takes it off again.
        unsafe { stack.set_label(header.label.get()) };
        header.stack_top.set(stack.prefetch_address());
        if let Some(storage) = extra::storage(header) {
            storage.set_home(&self.context);
        }
        let coroutine = Coroutine::new(stack, next, spawn::body);
        // SAFETY: it has started here and does not run yet: nobody else touches the field.
        unsafe { *header.coroutine.get() = Some(coroutine) };
        self.set_live(self.live.get() + 1);
        latency::add(&self.remote.counts.started, 1);
        // One for each, as it waits once at a time, and one for the end of a hub.
        self.timers.borrow_mut().make_room(self.live.get() + 1);
        true
    }

    /// Takes back what a green thread had that has ended.
    #[inline(never)]
    fn retire(&self, next: NonNull<Header>) {
        // SAFETY: its `BODY` is given up only below.
        let header = unsafe { next.as_ref() };
        header.stack_top.set(std::ptr::null());
        // SAFETY: it has ended here: nobody else touches the field.
        let coroutine = unsafe { (*header.coroutine.get()).take() };
        let stack = coroutine.expect("it ran").into_stack();
        drop(extra::take_storage(header));
        if header.marks.has(MEASURED) {
            // SAFETY: as in `execute`; the label stays while `BODY` is held.
            measure::note(unsafe { header.label() }.location, &stack);
        }
        let class = header.class.get();
        let mut stacks = self.stacks.borrow_mut();
        stacks.put(stack);
        stacks.refund(class);
        drop(stacks);
        self.set_live(self.live.get() - 1);
        self.release(next);
    }

    /// Gives up the slot of one that has ended or was cancelled.
    pub(super) fn release(&self, next: NonNull<Header>) {
        // SAFETY: the caller still holds its `BODY`.
        if unsafe { next.as_ref() }.word.release(BODY) {
            // SAFETY: the handle is gone too, and took or dropped the result, so the slot is
            // unknown and empty.
            unsafe { next.as_ref().clear() };
            self.headers.borrow_mut().put(next);
        }
    }

    pub(super) fn set_live(&self, live: usize) {
        self.live.set(live);
        self.remote.counts.live.store(live, Ordering::Relaxed);
    }
}
