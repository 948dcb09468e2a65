//! What `wait_any` and its kin want of a thing that can be waited for.

use crate::wait_queue::Waiter;
use std::ptr::NonNull;

#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceRef(pub(crate) NonNull<Waiter>);

pub(crate) trait Linkable {
    fn is_ready(&self) -> bool;

    /// # Safety
    ///
    /// The place is in no queue, and stays where it is until it is unlinked.
    unsafe fn link(&self, place: PlaceRef) -> bool;

    /// # Safety
    ///
    /// The place was linked to this.
    unsafe fn unlink(&self, place: PlaceRef);
}
