//! `Owned`: the one permit of a mutex, which knows who holds it.

use super::permits::Permits;
use crate::clock::NEVER;
use crate::header::Header;
use crate::owner::Owner;
use crate::reason::{Thing, Wait};
use crate::suspicion;

#[derive(Debug)]
pub(super) struct Owned {
    permits: Permits,
    owner: Owner,
}

impl Owned {
    pub(super) const fn new() -> Owned {
        Owned {
            permits: Permits::new(1),
            owner: Owner::new(),
        }
    }

    pub(super) fn is_taken(&self) -> bool {
        self.permits.available() == 0
    }

    /// The number of whoever holds it; anybody else may see another one, or 0.
    pub(super) fn owner(&self) -> u64 {
        self.owner.number()
    }

    /// Takes it, if it is free. Whoever has got it calls [`enter`](Owned::enter).
    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        self.permits.try_acquire()
    }

    /// Takes it, as that of a `thing`; false if it was not free by `deadline`. A kill or timeout
    /// unwinds while it waits. Whoever has got it calls [`enter`](Owned::enter).
    #[inline]
    pub(super) fn acquire(&self, deadline: u64, thing: Thing) -> bool {
        self.try_acquire() || self.acquire_slowly(deadline, thing)
    }

    #[cold]
    fn acquire_slowly(&self, deadline: u64, thing: Thing) -> bool {
        let _waiting = suspicion::raise(deadline == NEVER);
        self.permits
            .acquire_slowly(deadline, Wait::on(thing, &self.owner))
    }

    /// The caller, who is `me`, has got it.
    #[inline]
    pub(super) fn enter(&self, me: Option<&Header>) {
        self.owner.enter(me);
    }

    #[inline]
    pub(super) fn release(&self) {
        self.owner.leave();
        self.permits.release(1);
    }
}
