//! `WaitQueue`: who waits for one thing, first come first served.
//!
//! An intrusive list whose nodes lie on the waiters' own stacks: it never allocates. It has no
//! lock: a queue is used by one OS thread (a reactor's registrations) or lies inside a `Lock`
//! (whatever is shared).

use crate::park::Unparker;
use std::cell::Cell;
use std::ptr::NonNull;

#[derive(Debug, Default)]
pub(crate) struct WaitQueue {
    first: Cell<Option<NonNull<Waiter>>>,
    last: Cell<Option<NonNull<Waiter>>>,
}

/// A place in a queue, on the stack of the one who waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    unparker: Unparker,
    queued: Cell<bool>,
    before: Cell<Option<NonNull<Waiter>>>,
    after: Cell<Option<NonNull<Waiter>>>,
}

impl Waiter {
    pub(crate) fn new(unparker: Unparker) -> Self {
        Waiter {
            unparker,
            queued: Cell::new(false),
            before: Cell::new(None),
            after: Cell::new(None),
        }
    }

    /// Is it still in the queue? If not, it has been woken.
    pub(crate) fn is_queued(&self) -> bool {
        self.queued.get()
    }
}

impl WaitQueue {
    /// Puts `waiter` at the end.
    ///
    /// # Safety
    ///
    /// It is in no queue, and neither moves nor ends before it was woken or removed.
    pub(crate) unsafe fn push(&self, waiter: NonNull<Waiter>) {
        // SAFETY: valid by the caller's word.
        let node = unsafe { waiter.as_ref() };
        node.queued.set(true);
        node.before.set(self.last.replace(Some(waiter)));
        self.link_after(node.before.get(), Some(waiter));
    }

    /// Takes `waiter` out, if it is still inside.
    ///
    /// # Safety
    ///
    /// It is valid, and in this queue or in none.
    pub(crate) unsafe fn remove(&self, waiter: NonNull<Waiter>) {
        // SAFETY: valid by the caller's word.
        let node = unsafe { waiter.as_ref() };
        if !node.queued.replace(false) {
            return;
        }
        let (before, after) = (node.before.take(), node.after.take());
        self.link_after(before, after);
        match after {
            // SAFETY: a neighbour is in this queue, hence valid.
            Some(after) => unsafe { after.as_ref() }.before.set(before),
            None => self.last.set(before),
        }
    }

    /// Wakes the first one; false if there is none.
    pub(crate) fn wake_one(&self) -> bool {
        let Some(first) = self.first.get() else {
            return false;
        };
        // SAFETY: it is in this queue, hence valid until it has been removed, after which it is not
        // touched.
        let unparker = unsafe { first.as_ref() }.unparker;
        // SAFETY: as above.
        unsafe { self.remove(first) };
        unparker.unpark();
        true
    }

    /// Wakes all, in order.
    pub(crate) fn wake_all(&self) {
        while self.wake_one() {}
    }

    fn link_after(&self, before: Option<NonNull<Waiter>>, after: Option<NonNull<Waiter>>) {
        match before {
            // SAFETY: it is in this queue, hence valid.
            Some(before) => unsafe { before.as_ref() }.after.set(after),
            None => self.first.set(after),
        }
    }
}
