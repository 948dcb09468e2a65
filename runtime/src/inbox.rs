//! `Inbox`: what other threads put into a worker, and whether the worker sleeps, in one word.
//!
//! A Treiber stack of intrusive nodes whose head is also the sleeping flag:
//!
//! | head       | meaning                    | left by                                                          |
//! |------------|----------------------------|------------------------------------------------------------------|
//! | null       | awake, nothing there       | a push (to a node), the owner (to `SLEEPING`)                    |
//! | a node     | awake, a stack of nodes    | a push (to another node), the owner (takes all: null)            |
//! | `SLEEPING` | asleep, nothing there      | a push (to a node) or a nudge (to null), which must wake; the owner |
//!
//! As one word holds both facts there is no order of two stores and two loads to get wrong: the
//! owner falls asleep only by a swap that proves the stack empty, and whoever ends the sleep knows
//! that it did. Rejected: crossbeam's `SegQueue` (allocates in `push`, and needs the flag beside it
//! with a fence on each side).

use crate::atomic::{AtomicPtr, Ordering, fence};
use std::ptr::{self, NonNull};

/// A node of an [`Inbox`], which uses its link while the node is inside.
pub(crate) trait Linked: Sized {
    fn link(&self) -> &AtomicPtr<Self>;
}

#[derive(Debug)]
pub(crate) struct Inbox<N> {
    head: AtomicPtr<N>,
}

impl<N: Linked> Inbox<N> {
    pub(crate) fn new() -> Self {
        Inbox {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// A mark that is no node: nothing lies at address 1.
    fn sleeping() -> *mut N {
        ptr::without_provenance_mut(1)
    }

    /// Puts `node` inside; true if the caller must wake the owner.
    ///
    /// # Safety
    ///
    /// `node` is in no inbox and stays valid until the owner has taken it.
    pub(crate) unsafe fn push(&self, node: NonNull<N>) -> bool {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let slept = head == Self::sleeping();
            let next = if slept { ptr::null_mut() } else { head };
            // SAFETY: the caller says that the node is valid; shared access to its atomic link is
            // enough.
            unsafe { node.as_ref() }
                .link()
                .store(next, Ordering::Relaxed);
            // Release pairs with the Acquire of `take_all`: the owner sees the link and the node's
            // contents.
            match self.head.compare_exchange_weak(
                head,
                node.as_ptr(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return slept,
                Err(now) => head = now,
            }
        }
    }

    /// Ends the owner's sleep without putting anything inside; true if it slept and the caller must
    /// wake it.
    ///
    /// For news that lie elsewhere (an injector, `Idle`): the fence pairs with that of
    /// [`Inbox::fall_asleep`], so that either this sees the owner asleep, or the owner sees the
    /// news when it looks once more.
    pub(crate) fn nudge(&self) -> bool {
        fence(Ordering::SeqCst);
        self.head.load(Ordering::Relaxed) == Self::sleeping()
            && self
                .head
                .compare_exchange(
                    Self::sleeping(),
                    ptr::null_mut(),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Is there anything to take? Only a hint, and only for the owner.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Is the owner asleep? Only a hint.
    pub(crate) fn is_asleep(&self) -> bool {
        self.head.load(Ordering::Relaxed) == Self::sleeping()
    }

    /// Takes all nodes, the oldest first. Only the owner calls it, awake.
    pub(crate) fn take_all(&self) -> Taken<N> {
        let mut newest = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut oldest = ptr::null_mut();
        while let Some(node) = NonNull::new(newest) {
            // SAFETY: `push`'s caller keeps the node valid, and this owner took it out, so nobody
            // else touches the link.
            let link = unsafe { node.as_ref() }.link();
            newest = link.load(Ordering::Relaxed);
            link.store(oldest, Ordering::Relaxed);
            oldest = node.as_ptr();
        }
        Taken { next: oldest }
    }

    /// Marks the owner asleep; false if there is something to take first. Afterwards the owner must
    /// look once more for news that lie elsewhere (see [`Inbox::nudge`]).
    pub(crate) fn fall_asleep(&self) -> bool {
        let slept = self
            .head
            .compare_exchange(
                ptr::null_mut(),
                Self::sleeping(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok();
        fence(Ordering::SeqCst);
        slept
    }

    /// Marks the owner awake again, if nobody did.
    pub(crate) fn wake_up(&self) {
        let _ = self.head.compare_exchange(
            Self::sleeping(),
            ptr::null_mut(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }
}

/// The nodes that [`Inbox::take_all`] took, the oldest first.
#[derive(Debug)]
pub(crate) struct Taken<N> {
    next: *mut N,
}

impl<N: Linked> Iterator for Taken<N> {
    type Item = NonNull<N>;

    fn next(&mut self) -> Option<NonNull<N>> {
        let node = NonNull::new(self.next)?;
        // SAFETY: as in `take_all`; the link is read before the node is handed out and perhaps
        // pushed again.
        self.next = unsafe { node.as_ref() }.link().load(Ordering::Relaxed);
        Some(node)
    }
}
