//! No chance: an execution can be run again, and runs the same way.

pub(crate) fn below(_: usize) -> usize {
    0
}
