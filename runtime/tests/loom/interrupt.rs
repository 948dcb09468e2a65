//! `shield`, for threads whose kills come by `park`.

use crate::park;

pub(crate) fn shield<T>(f: impl FnOnce() -> T) -> T {
    park::shield(f)
}
