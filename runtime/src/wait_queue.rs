//! `WaitQueue`: who waits for one thing, first come first served.
//!
//! An intrusive list whose nodes lie on the waiters' own stacks: it never allocates. It has no
//! lock: a queue is used by one OS thread (a reactor's registrations) or lies inside a `Lock`
//! (whatever is shared; [`wait`] is how to wait in such a one).

use crate::atomic::{AtomicBool, Ordering};
use crate::clock;
use crate::lock::{Guard, Lock};
use crate::park::{self, Unparker};
use crate::ready::Ready;
use crate::reason::Wait;
use std::cell::Cell;
use std::ptr::NonNull;

#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    first: Cell<Option<NonNull<Waiter>>>,
    last: Cell<Option<NonNull<Waiter>>>,
}

// SAFETY: a queue that moves between threads lies inside a `Lock`, under which alone its nodes are
// touched; those that it points to stay where they are until they have been taken out.
unsafe impl Send for WaitQueue {}

/// A place in a queue, most often on the stack of the one who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    whom: Whom,
    /// true (its owner, who puts it into a queue) -> false, by who takes it out, as the last touch.
    queued: AtomicBool,
    before: Cell<Option<NonNull<Waiter>>>,
    after: Cell<Option<NonNull<Waiter>>>,
}

/// Whose place it is.
#[derive(Debug)]
enum Whom {
    Waiter(Unparker),
    /// Of whoever waits for several things: where to say which one it was, and its number.
    OneOf(NonNull<Ready>, usize),
}

impl Waiter {
    pub(crate) fn new(unparker: Unparker) -> Self {
        Self::of(Whom::Waiter(unparker))
    }

    /// One of several places of one waiter, the one with this `number`.
    ///
    /// # Safety
    ///
    /// `ready` stays where it is for as long as the place is in a queue.
    pub(crate) unsafe fn one_of(ready: NonNull<Ready>, number: usize) -> Self {
        Self::of(Whom::OneOf(ready, number))
    }

    fn of(whom: Whom) -> Self {
        Waiter {
            whom,
            queued: AtomicBool::new(false),
            before: Cell::new(None),
            after: Cell::new(None),
        }
    }

    /// Is it still in the queue? If not, it has been woken, and nobody else uses it any more.
    pub(crate) fn is_queued(&self) -> bool {
        // Acquire pairs with the Release of `remove`.
        self.queued.load(Ordering::Acquire)
    }
}

impl WaitQueue {
    pub(crate) const fn new() -> Self {
        WaitQueue {
            first: Cell::new(None),
            last: Cell::new(None),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    /// Puts `waiter` at the end.
    ///
    /// # Safety
    ///
    /// It is in no queue, and neither moves nor ends before it was woken or removed.
    pub(crate) unsafe fn push(&self, waiter: NonNull<Waiter>) {
        // SAFETY: valid by the caller's word.
        let node = unsafe { waiter.as_ref() };
        node.queued.store(true, Ordering::Relaxed);
        node.before.set(self.last.replace(Some(waiter)));
        self.link_after(node.before.get(), Some(waiter));
    }

    /// Takes `waiter` out; false if it is not inside any more.
    ///
    /// # Safety
    ///
    /// It is valid, and in this queue or in none.
    pub(crate) unsafe fn remove(&self, waiter: NonNull<Waiter>) -> bool {
        // SAFETY: valid by the caller's word.
        let node = unsafe { waiter.as_ref() };
        if !node.is_queued() {
            return false;
        }
        let (before, after) = (node.before.take(), node.after.take());
        self.link_after(before, after);
        match after {
            // SAFETY: a neighbour is in this queue, hence valid.
            Some(after) => unsafe { after.as_ref() }.before.set(before),
            None => self.last.set(before),
        }
        // Its owner, who has no lock, may now end it.
        node.queued.store(false, Ordering::Release);
        true
    }

    /// Takes the first one out, and says whom to unpark once the lock is released; none if nobody
    /// waits.
    #[must_use = "it has been taken out of the queue, and sleeps until it is unparked"]
    pub(crate) fn pop(&self) -> Option<Unparker> {
        let first = self.first.get()?;
        // SAFETY: it is in this queue, hence valid until it has been removed: the last touch.
        let node = unsafe { first.as_ref() };
        let unparker = match node.whom {
            Whom::Waiter(unparker) => unparker,
            // SAFETY: by `one_of`, valid while the node is queued.
            Whom::OneOf(ready, number) => unsafe { ready.as_ref() }.push(number),
        };
        // SAFETY: as above.
        unsafe { self.remove(first) };
        Some(unparker)
    }

    /// Wakes all, in order. For a queue without lock, or one whose waking may be done inside it.
    pub(crate) fn wake_all(&self) {
        while let Some(unparker) = self.pop() {
            unparker.unpark();
        }
    }

    fn link_after(&self, before: Option<NonNull<Waiter>>, after: Option<NonNull<Waiter>>) {
        match before {
            // SAFETY: it is in this queue, hence valid.
            Some(before) => unsafe { before.as_ref() }.after.set(after),
            None => self.first.set(after),
        }
    }
}

/// Waits in a queue inside of `lock` until woken or `deadline`: queues the caller, lets go of
/// `guard`, parks, and takes the lock again. Says whether the caller was woken.
///
/// A kill or timeout unwinds out of it, and takes the caller's place out of the queue first. If the
/// caller had been woken already by then, what it was woken for would be lost: `pass_on` is called,
/// with the lock held, and gives it to the next one (returns whom to unpark).
///
/// `queue` always returns the same queue of the state.
pub(crate) fn wait<'a, S>(
    lock: &'a Lock<S>,
    guard: Guard<'a, S>,
    queue: impl Fn(&S) -> &WaitQueue,
    deadline: u64,
    why: Wait,
    pass_on: impl Fn(&mut S) -> Option<Unparker>,
) -> (Guard<'a, S>, bool) {
    let woken = wait_released(lock, guard, queue, deadline, why, pass_on);
    (lock.lock(), woken)
}

/// [`wait`] that does not take the lock again: whoever woke the caller may still be inside. So it
/// is for a lock that the caller does not free next.
#[inline]
pub(crate) fn wait_released<'a, S>(
    lock: &'a Lock<S>,
    guard: Guard<'a, S>,
    queue: impl Fn(&S) -> &WaitQueue,
    deadline: u64,
    why: Wait,
    pass_on: impl Fn(&mut S) -> Option<Unparker>,
) -> bool {
    let waiter = Waiter::new(park::fresh_unparker());
    // SAFETY: the node is new, and stays on this frame until the place has taken it out, be it by
    // unwinding.
    unsafe { queue(&guard).push(NonNull::from(&waiter)) };
    drop(guard);
    let place = Place {
        lock,
        queue: &queue,
        waiter: &waiter,
        pass_on: &pass_on,
    };
    loop {
        park::park(deadline, why);
        if !waiter.is_queued() {
            std::mem::forget(place);
            return true;
        }
        if clock::now() >= deadline {
            std::mem::forget(place);
            // SAFETY: valid, and in this queue or in none.
            return !unsafe { queue(&lock.lock()).remove(NonNull::from(&waiter)) };
        }
    }
}

/// A place in a shared queue, given up by unwinding.
struct Place<'a, S, Q, P>
where
    Q: Fn(&S) -> &WaitQueue,
    P: Fn(&mut S) -> Option<Unparker>,
{
    lock: &'a Lock<S>,
    queue: &'a Q,
    waiter: &'a Waiter,
    pass_on: &'a P,
}

impl<S, Q, P> Drop for Place<'_, S, Q, P>
where
    Q: Fn(&S) -> &WaitQueue,
    P: Fn(&mut S) -> Option<Unparker>,
{
    fn drop(&mut self) {
        let mut state = self.lock.lock();
        // SAFETY: the node is valid for this guard's life, and was put into this queue.
        let was_queued = unsafe { (self.queue)(&state).remove(NonNull::from(self.waiter)) };
        let next = if was_queued {
            None
        } else {
            (self.pass_on)(&mut state)
        };
        drop(state);
        if let Some(next) = next {
            next.unpark();
        }
    }
}
