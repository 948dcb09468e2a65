//! What the self-check says where nothing can be patched.

use crate::error::{PatchError, PatchErrorKind};

pub(crate) fn prepare() -> Result<(), PatchError> {
    let why = "it takes Linux with glibc, on x86_64 or aarch64";
    Err(PatchError::new(PatchErrorKind::Platform, why.into()))
}
