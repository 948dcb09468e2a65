//! What is left of a header: for what one waits, and where a member's place would be.

use crate::membership::Member;
pub(crate) use crate::reason::Wait;
use std::cell::UnsafeCell;

pub(crate) struct Header {
    pub(crate) extra: UnsafeCell<Extra>,
}

impl Header {
    /// # Safety
    ///
    /// None: nobody asks who holds a lock.
    pub(crate) unsafe fn number(&self) -> u64 {
        0
    }
}

pub(crate) struct Extra {
    pub(crate) member: Option<Member>,
}
