//! What is patched: the groups of calls, and how they are put in force.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

/// A group of calls that are patched together, as gevent has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Group {
    /// Sockets, pipes and terminals: `read`, `recv`, `accept`, `connect`, `poll`, `select`, …
    Socket,
    /// `sleep`, `nanosleep`, …
    Time,
    /// `getaddrinfo`, `getnameinfo`, …
    Dns,
    /// `waitpid` and its family.
    Process,
    /// Mutexes, condition variables, futexes, joins.
    Sync,
    /// Regular files: on the blocking pool. Not part of [`patch_all`].
    Fs,
}

impl Group {
    const ALL: [Group; 6] = [
        Group::Socket,
        Group::Time,
        Group::Dns,
        Group::Process,
        Group::Sync,
        Group::Fs,
    ];

    pub(crate) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The bits of the groups in force. 0: every hook is the plain call.
static PATCHED: AtomicU32 = AtomicU32::new(0);

/// May the caller wait in a hook of this group?
#[inline]
pub(crate) fn waits(group: Group) -> bool {
    PATCHED.load(Ordering::Relaxed) & group.bit() != 0 && greenloop_runtime::foreign::may_wait()
}

/// Is anything patched, so that there may be green waiters to be woken?
#[inline]
pub(crate) fn is_any() -> bool {
    PATCHED.load(Ordering::Relaxed) != 0
}

/// Is this group patched?
pub fn is_patched(group: Group) -> bool {
    PATCHED.load(Ordering::Relaxed) & group.bit() != 0
}

/// What is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patched {
    groups: u32,
}

/// Why nothing was patched.
#[derive(Debug)]
pub struct PatchError {
    why: String,
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for PatchError {}

/// Patches everything but files, and makes spawned green threads full ones from now on.
pub fn patch_all() -> Result<Patched, PatchError> {
    let groups = Group::ALL
        .into_iter()
        .filter(|group| *group != Group::Fs)
        .fold(0, |bits, group| bits | group.bit());
    greenloop_runtime::foreign::offer(crate::block::take);
    greenloop_runtime::foreign::make_default();
    PATCHED.fetch_or(groups, Ordering::SeqCst);
    Ok(Patched {
        groups: PATCHED.load(Ordering::SeqCst),
    })
}
