//! `assert_yields`: a test that code lets others run in time.

use super::monitor::{Blocked, Watched};
use crate::clock;
use crate::context;
use crate::futex;
use crate::remote::{self, Remote};
use crate::sample;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Runs `f`, and fails if it holds its worker, or anything else does meanwhile that runs there, for
/// longer than `bound` at a time. For tests; an OS thread looks four times in `bound`, and once at
/// the end, so that who holds it for a fourth longer may go unseen, and on a loaded machine for more.
///
/// # Panics
///
/// With who it was and where, if that was so; on an OS thread, which holds no worker; and if the OS
/// thread that looks can't be started. A panic of `f` goes through.
///
/// # Examples
///
/// ```
/// use greenloop::{inspect, run, sleep, spawn};
/// use std::time::Duration;
///
/// let long = Duration::from_millis(500);
/// let ten = spawn(move || inspect::assert_yields(long, || {
///     sleep(Duration::from_millis(1));
///     10
/// }));
/// assert_eq!(ten.join().unwrap(), 10);
/// ```
#[track_caller]
pub fn assert_yields<T>(bound: Duration, f: impl FnOnce() -> T) -> T {
    let (worker, _) = context::green().expect("assert_yields is for green threads");
    // Without a signal the place stays unknown, which is no reason to fail.
    let _ = sample::install();
    let watch = Watch::start(worker.remote(), bound);
    let result = f();
    if let Some(blocked) = watch.end() {
        panic!("it does not yield: {blocked}");
    }
    result
}

/// An OS thread that looks at one worker.
struct Watch {
    stop: Arc<AtomicU32>,
    thread: Option<std::thread::JoinHandle<Option<Blocked>>>,
}

impl Watch {
    fn start(remote: &'static Remote, bound: Duration) -> Watch {
        let bound = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let stop = Arc::new(AtomicU32::new(0));
        let stopped = stop.clone();
        let builder = std::thread::Builder::new().name("greenloop-assert".into());
        let thread = builder.spawn(move || look(remote.index, bound, &stopped));
        Watch {
            stop,
            thread: Some(thread.expect("an OS thread that looks whether it yields")),
        }
    }

    fn end(mut self) -> Option<Blocked> {
        self.join()
    }

    fn join(&mut self) -> Option<Blocked> {
        let thread = self.thread.take()?;
        self.stop.store(1, Ordering::Relaxed);
        futex::wake_one(&*self.stop);
        thread.join().expect("it only looks")
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.join();
    }
}

fn look(index: usize, bound: u64, stop: &AtomicU32) -> Option<Blocked> {
    let mut watched = Watched::default();
    loop {
        // Before the look: the last one comes when `f` has ended, while its worker waits for it.
        let is_last = stop.load(Ordering::Relaxed) != 0;
        let found = watched.look(remote::at(index), bound);
        if is_last || found.is_some() {
            return found;
        }
        futex::wait(stop, 0, clock::now().saturating_add(bound / 4 + 1));
    }
}
