//! `PatchError`: why nothing was patched.

use std::error::Error;
use std::fmt;

/// Why nothing was patched. Its text names the cause, and says what to do.
///
/// # Examples
///
/// ```
/// use greenloop::monkey::{self, PatchErrorKind};
///
/// match monkey::patch_all() {
///     Ok(patched) => println!("{patched}"),
///     Err(error) if error.kind() == PatchErrorKind::Platform => println!("threads, as {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok::<(), monkey::PatchError>(())
/// ```
#[derive(Debug)]
pub struct PatchError {
    kind: PatchErrorKind,
    why: String,
}

/// The kinds of [`PatchError`].
///
/// # Examples
///
/// ```
/// use greenloop::monkey::{self, PatchErrorKind};
///
/// let kind = monkey::patch_all().map_err(|error| error.kind());
/// assert_ne!(kind, Err(PatchErrorKind::Forked));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PatchErrorKind {
    /// The platform can't be patched: only Linux with a shared glibc on x86_64 and aarch64 can.
    Platform,
    /// A call of the C library would not arrive here, or another library stands behind it.
    Symbol,
    /// A call was tried, and did not do what it should.
    Probe,
    /// The memory allocator keeps its threads apart in a way that full green threads break.
    Allocator,
    /// This process was forked off a patched one.
    Forked,
    /// A limit of the system was met.
    System,
}

impl PatchError {
    pub(crate) fn new(kind: PatchErrorKind, why: String) -> Self {
        PatchError { kind, why }
    }

    /// Says which kind of failure it is.
    pub fn kind(&self) -> PatchErrorKind {
        self.kind
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't monkey patch: {}", self.why)
    }
}

impl Error for PatchError {}
