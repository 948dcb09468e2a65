//! `within`: an end to tests that would hang, and bounds for delays.

use std::iter;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for every test that does not hang, on a slow and busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// Runs `f` on an OS thread of its own; fails if it has not ended after `limit`.
#[track_caller]
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    f: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (sender, receiver) = mpsc::channel();
    let runner = thread::spawn(move || {
        let _ = sender.send(f());
    });
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("it hangs: not done after {limit:?}"),
        Err(RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(runner.join().unwrap_err())
        }
    }
}

/// Waits for `condition`, which another thread brings about; fails after two minutes.
#[track_caller]
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LONG, "never happened: {what}");
        greenloop::yield_now();
    }
}

/// What a noisy machine may add to a delay. Without the remedy that is tested it would be `STUCK`, or for ever.
pub(crate) const NOISE: Duration = Duration::from_secs(5);

/// What it adds less than, once in a few times.
pub(crate) const PROMPT: Duration = Duration::from_millis(500);

/// Measures a delay five times: each has to be within `NOISE`, and one to be `PROMPT`.
#[track_caller]
pub(crate) fn assert_prompt(what: &str, delay: impl FnMut() -> Duration) {
    let mut delays: Vec<Duration> = iter::repeat_with(delay).take(5).collect();
    delays.sort();
    assert!(
        delays[0] < PROMPT && delays[4] < NOISE,
        "{what}: {delays:?}"
    );
}
