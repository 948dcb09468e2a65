//! `shield` and its kin, for threads whose kills come by `park`.

use crate::header::Header;
use crate::park;

pub(crate) fn shield<T>(f: impl FnOnce() -> T) -> T {
    park::shield(f)
}

pub(crate) fn is_panicking() -> bool {
    park::is_panicking()
}

pub(crate) fn caught(_: &Header) {
    unreachable!("only green threads have headers")
}
