//! `busy_pool`: makes sure that a call on the blocking pool has to wait.

use greenloop::{Runtime, monkey, run, spawn_blocking, spawn_local};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;

/// Patches, and gives the blocking pool one thread alone.
pub(crate) fn patch() {
    monkey::patch_all().unwrap();
    // It fails for all tests but the first.
    let _ = Runtime::builder().blocking_threads(1).start();
}

/// Runs `f` on a full green thread, while the pool has no thread for it until another one has run.
pub(crate) fn beside<T: 'static>(f: impl FnOnce() -> T + 'static) -> (T, bool) {
    patch();
    let (release, released) = mpsc::channel();
    let job = spawn_blocking(move || released.recv().unwrap());
    let result = run(|| {
        let ran = Rc::new(Cell::new(false));
        let witness = Rc::clone(&ran);
        let first = spawn_local(move || {
            let result = f();
            (result, ran.get())
        });
        let other = spawn_local(move || {
            witness.set(true);
            release.send(()).unwrap();
        });
        other.join().unwrap();
        first.join().unwrap()
    });
    job.join().unwrap();
    result
}
