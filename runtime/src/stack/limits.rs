//! `Refusal`: the system refused memory for stacks, told with the limits that are likely the cause.

use super::class::SizeClass;
use super::slab;
use crate::context;
use std::io;

/// What the system refused, for which class.
#[derive(Debug)]
pub(super) enum Refusal {
    Slab(SizeClass, io::Error),
    Guards(SizeClass, io::Error),
}

impl Refusal {
    /// Returns an error of the same kind with the whole story. Reads `/proc`, so only for an error
    /// that is returned.
    pub(super) fn explain(self) -> io::Error {
        // The caller's worker has lent its cache, which others would want during a wait in a hook.
        let _own = context::hooks_off();
        let existing: usize = slab::slabs().map(|slab| slab.slots).sum();
        let (what, error, causes) = match self {
            Refusal::Slab(class, error) => (
                format!("map a stack of {}", size(class)),
                error,
                mapping_limits(),
            ),
            Refusal::Guards(class, error) => (
                format!("guard a slab of stacks of {}", size(class)),
                error,
                guard_limits(),
            ),
        };
        let text =
            format!("cannot {what} ({existing} stacks exist): {error}; likely limit: {causes}");
        io::Error::new(error.kind(), text)
    }
}

fn size(class: SizeClass) -> String {
    format!("{} KiB", class.slot() >> 10)
}

fn mapping_limits() -> String {
    let space = address_space().map(|bytes| format!("RLIMIT_AS = {bytes} bytes, "));
    format!(
        "{}vm.max_map_count = {}, vm.overcommit_memory = {}",
        space.unwrap_or_default(),
        sysctl("max_map_count"),
        sysctl("overcommit_memory")
    )
}

fn guard_limits() -> String {
    format!(
        "vm.max_map_count = {}, of which each stack takes two before Linux 6.13 or in locked memory",
        sysctl("max_map_count")
    )
}

fn sysctl(name: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/vm/{name}"))
        .map_or_else(|_| "unknown".into(), |text| text.trim().into())
}

/// Returns RLIMIT_AS, unless there is none.
fn address_space() -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid, writable rlimit.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) };
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}
