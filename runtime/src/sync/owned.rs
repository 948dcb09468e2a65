//! `Owned`: the one permit of a mutex, which knows who holds it.

use super::permits::Permits;
use crate::clock::NEVER;
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

    #[inline]
    pub(super) fn try_acquire(&self) -> bool {
        let taken = self.permits.try_acquire();
        if taken {
            self.owner.enter();
        }
        taken
    }

    /// Takes it, as that of a `thing`; false if it was not free by `deadline`. A kill or timeout
    /// unwinds while it waits.
    #[inline]
    pub(super) fn acquire(&self, deadline: u64, thing: Thing) -> bool {
        self.try_acquire() || self.acquire_slowly(deadline, thing)
    }

    #[cold]
    fn acquire_slowly(&self, deadline: u64, thing: Thing) -> bool {
        let _waiting = suspicion::raise(deadline == NEVER);
        let taken = self
            .permits
            .acquire_slowly(deadline, Wait::on(thing, &self.owner));
        if taken {
            self.owner.enter();
        }
        taken
    }

    #[inline]
    pub(super) fn release(&self) {
        self.owner.leave();
        self.permits.release(1);
    }
}
