//! `Extra`: what only few green threads have, behind one pointer of the header: locals, a place in a
//! pool, and thread-local storage of their own.

use crate::context;
use crate::header::{Header, Kind};
use crate::locals::Locals;
use crate::pool::Member;
use crate::storage::Storage;
use std::ptr;

#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) locals: Locals,
    /// Left at the end of the green thread.
    pub(crate) member: Option<Member>,
    /// Of a full green thread, until it is retired.
    pub(crate) storage: Option<Storage>,
}

/// Gives `header`, which has none yet, what it is to start with.
pub(crate) fn give(header: &Header, extra: Box<Extra>) {
    debug_assert!(header.extra.get().is_null());
    header.extra.set(Box::into_raw(extra));
}

/// The extra of the code that runs now, made if need be.
pub(crate) fn current() -> *mut Extra {
    let header = context::waiter();
    if header.extra.get().is_null() {
        give(header, Box::default());
    }
    header.extra.get()
}

/// The storage of a green thread, if it is a full one.
#[inline]
pub(crate) fn storage(header: &Header) -> Option<&Storage> {
    if !header.is_full() {
        return None;
    }
    // SAFETY: not null, it is the header's own box; the storage stays in it until the green thread
    // is retired.
    unsafe { header.extra.get().as_ref() }?.storage.as_ref()
}

/// Takes the storage out of a green thread that has ended.
pub(crate) fn take_storage(header: &Header) -> Option<Storage> {
    header.set_kind(Kind::Light);
    // SAFETY: as in `take_member`.
    unsafe { header.extra.get().as_mut() }?.storage.take()
}

/// Takes the place in a pool out, which is left by dropping it.
pub(crate) fn take_member(header: &Header) -> Option<Member> {
    // SAFETY: not null, it is the header's own box, and the reference ends here: whoever ends a
    // green thread is the only one who touches its header.
    unsafe { header.extra.get().as_mut() }?.member.take()
}

/// Frees the extra of a header that nobody uses any more; its locals have been dropped.
pub(crate) fn free(header: &Header) {
    let extra = header.extra.replace(ptr::null_mut());
    if !extra.is_null() {
        // SAFETY: made by `Box::into_raw` in `give`, and taken out of its only place.
        drop(unsafe { Box::from_raw(extra) });
    }
}
