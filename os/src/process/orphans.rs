//! Orphans: processes whose `Child` was dropped, and which must not become zombies.

use super::child::Process;
use greenloop_runtime::queue::Queue;
use greenloop_runtime::sync::LazyLock;
use std::thread;

/// Waits for the end of `process`, on nobody's time.
pub(super) fn adopt(process: Process) {
    // Unbounded and never shut down, it takes everything.
    let _ = ORPHANS.put(process);
}

/// A hub of its own waits for all of them, a green thread each. It starts with the first.
static ORPHANS: LazyLock<Queue<Process>> = LazyLock::new(|| {
    let builder = thread::Builder::new().name("greenloop-orphans".into());
    let hub = builder.spawn(|| greenloop_runtime::run(reap_all));
    if let Err(error) = hub {
        log::warn!("greenloop: dropped processes will be zombies, for lack of a thread: {error}");
    }
    Queue::new()
});

fn reap_all() {
    while let Ok(mut process) = ORPHANS.get() {
        greenloop_runtime::spawn(move || process.wait());
    }
}
