//! A library with greenloop in it, as a foreign program would load it: `tests/patch.rs` does.

use greenloop::monkey;
use std::ffi::{c_char, c_int};

/// Tries to patch the process. Writes what came of it to `text`, which has room for `room` bytes;
/// returns 0 if it is patched.
///
/// # Safety
///
/// `text` has that room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn greenloop_plugin(text: *mut c_char, room: usize) -> c_int {
    let result = monkey::patch_all();
    let failed = c_int::from(result.is_err());
    let said = result.map_or_else(
        |error| format!("{:?}: {error}", error.kind()),
        |patched| patched.to_string(),
    );
    let length = said.len().min(room - 1);
    // SAFETY: the caller's word.
    unsafe {
        text.copy_from_nonoverlapping(said.as_ptr().cast(), length);
        text.add(length).write(0);
    }
    failed
}
