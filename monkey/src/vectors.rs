//! Vectors of buffers, as `readv` and `sendmsg` take them.

use libc::iovec;

/// How many bytes they hold.
pub(crate) fn total(vectors: &[iovec]) -> usize {
    vectors
        .iter()
        .fold(0, |sum, vector| sum.saturating_add(vector.iov_len))
}

/// What is left of them when `done` bytes are through.
pub(crate) fn after(vectors: &[iovec], mut done: usize) -> Vec<iovec> {
    let mut rest = Vec::with_capacity(vectors.len());
    for vector in vectors {
        let skipped = done.min(vector.iov_len);
        done -= skipped;
        if skipped < vector.iov_len || vector.iov_len == 0 {
            rest.push(iovec {
                iov_base: vector.iov_base.wrapping_byte_add(skipped),
                iov_len: vector.iov_len - skipped,
            });
        }
    }
    rest
}
