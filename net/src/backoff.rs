//! `Backoff`: keeps a loop over `accept` from spinning while the process or the system is out of
//! descriptors or memory.
//!
//! The connection that could not be accepted stays in the queue, so the very next `accept` would
//! fail at once. std returns that error each time, and so does this crate; but the next call waits
//! first. Rejected: waiting before the error is returned (it would come late to a caller who could
//! close something), and closing a spare descriptor to accept and drop (it loses connections).

use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use greenloop_runtime::sleep;
use rustix::io::Errno;

const FIRST_MS: u32 = 10;
const LAST_MS: u32 = 1_000;

/// How long the next `accept` is to wait.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Milliseconds; 0, then 10 doubling to 1000 at each failure, 0 again at the first success. Any
    /// acceptor writes it, `Relaxed`: a lost update among them only changes a wait by one step.
    delay_ms: AtomicU32,
}

impl Backoff {
    /// Waits if the last `accept` found no resources.
    pub(crate) fn wait(&self) {
        match self.delay_ms.load(Relaxed) {
            0 => {}
            ms => sleep(Duration::from_millis(ms.into())),
        }
    }

    /// Learns how an `accept` ended.
    pub(crate) fn learn<T>(&self, outcome: &io::Result<T>) {
        let now = self.delay_ms.load(Relaxed);
        let next = match outcome {
            Err(error) if is_exhaustion(error) => (now * 2).clamp(FIRST_MS, LAST_MS),
            Err(_) => now,
            Ok(_) => 0,
        };
        if next != now {
            self.delay_ms.store(next, Relaxed);
        }
    }
}

/// Tells a lack of descriptors or memory, which may end, from what is wrong with one connection.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(outcomes: &[io::Result<()>]) -> Vec<u32> {
        let backoff = Backoff::default();
        let mut delays = Vec::new();
        for outcome in outcomes {
            backoff.learn(outcome);
            delays.push(backoff.delay_ms.load(Relaxed));
        }
        delays
    }

    #[test]
    fn doubles_from_10_ms_to_1_s_and_ends_at_a_success() {
        let full = || Err(Errno::MFILE.into());
        let outcomes: Vec<_> = (0..9).map(|_| full()).chain([Ok(()), full()]).collect();
        let expected = [10, 20, 40, 80, 160, 320, 640, 1000, 1000, 0, 10];
        assert_eq!(delays(&outcomes), expected);
    }

    #[test]
    fn a_peers_fault_is_not_waited_for() {
        let aborted = Err(io::ErrorKind::ConnectionAborted.into());
        assert_eq!(delays(&[aborted, Err(Errno::NFILE.into())]), [0, 10]);
    }
}
