//! What is left of a header: for what one waits.

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    Join,
    Signal,
    Queue,
}
