//! `Options`: what the handles of one stream share because it belongs to the description that they
//! share: timeouts and the mode.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Shared options, made when a handle is cloned or an option set; until then they cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Options(OnceLock<Arc<Values>>);

/// All fields are `Relaxed`: each stands alone, and a call that is under way when one changes may
/// see either value, as in the kernel.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Nanoseconds, 0 for no timeout; written by `set_read_timeout` of any handle.
    read_timeout: AtomicU64,
    /// Nanoseconds, 0 for no timeout; written by `set_write_timeout` of any handle.
    write_timeout: AtomicU64,
    /// Whether the user asked for `WouldBlock`; written by `set_nonblocking` of any handle.
    nonblocking: AtomicBool,
}

impl Options {
    /// Returns the values, or `None` while all of them are std's defaults.
    #[inline]
    pub(crate) fn get(&self) -> Option<&Values> {
        self.0.get().map(Arc::as_ref)
    }

    /// Returns options for a clone, which from now on are these.
    pub(crate) fn share(&self) -> Options {
        Options(OnceLock::from(self.values().clone()))
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) {
        if timeout.is_some() || self.get().is_some() {
            self.values().read_timeout.store(to_nanos(timeout), Relaxed);
        }
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) {
        if timeout.is_some() || self.get().is_some() {
            self.values()
                .write_timeout
                .store(to_nanos(timeout), Relaxed);
        }
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        if nonblocking || self.get().is_some() {
            self.values().nonblocking.store(nonblocking, Relaxed);
        }
    }

    fn values(&self) -> &Arc<Values> {
        self.0.get_or_init(Arc::default)
    }
}

impl Values {
    pub(crate) fn read_timeout(&self) -> Option<Duration> {
        from_nanos(self.read_timeout.load(Relaxed))
    }

    pub(crate) fn write_timeout(&self) -> Option<Duration> {
        from_nanos(self.write_timeout.load(Relaxed))
    }

    pub(crate) fn nonblocking(&self) -> bool {
        self.nonblocking.load(Relaxed)
    }
}

fn to_nanos(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX))
}

fn from_nanos(nanos: u64) -> Option<Duration> {
    (nanos != 0).then(|| Duration::from_nanos(nanos))
}
