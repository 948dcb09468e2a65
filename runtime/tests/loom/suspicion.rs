//! Nobody looks for deadlocks here.

pub(crate) struct Waiting;

pub(crate) fn raise(_for_ever: bool) -> Waiting {
    Waiting
}
