//! What is left of a header: for what one waits, and where a member's place would be.

use crate::membership::Member;
use std::cell::UnsafeCell;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    Any,
    Join,
    #[expect(dead_code, reason = "as in the runtime, only written")]
    Lock(usize),
    Signal,
    Queue,
}

pub(crate) struct Header {
    pub(crate) extra: UnsafeCell<Extra>,
}

pub(crate) struct Extra {
    pub(crate) member: Option<Member>,
}
