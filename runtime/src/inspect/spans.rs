//! `trace_spans`: a span of the crate `tracing` for each green thread.

use super::observer::{Observed, Observer, observe};
use super::wait::Wait;
use crate::lock::Lock;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use tracing::Span;

/// The target of all spans and events, for filters.
const TARGET: &str = "greenloop";

/// From now on each green thread that is spawned has a span of [`tracing`]; further calls do
/// nothing.
///
/// The span is called `green_thread`, has the target `greenloop` and the level `DEBUG`, and the
/// fields `id`, `name`, `kind`, `spawned_at` and `spawner`. It is entered while the green thread
/// runs, so that what is recorded there belongs to it, and left while it yields or waits; events of
/// the level `TRACE` say what it `waits` for, and when it is `woken`. It is a root, as a green
/// thread may outlive its spawner, but follows from the span in which it was spawned.
///
/// A span that a light green thread enters itself and has not left when it waits is entered for all
/// of its worker: leave it before, or give the green thread
/// [thread-locals of its own](crate::Builder::own_tls). In such a full one the subscriber's own
/// thread-locals are the green thread's too, so the span is not the current one there; its times
/// and events are recorded all the same.
///
/// The subscriber is called by workers, as any [`Observer`] is.
///
/// # Examples
///
/// ```
/// use greenloop::inspect;
///
/// tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).init();
/// inspect::trace_spans();
/// let greeter = greenloop::Builder::new().name("greeter".into()).spawn(|| {
///     tracing::info!("hello"); // INFO green_thread{id=7 name="greeter" …}: hello
/// })?;
/// greeter.join().unwrap();
/// # std::io::Result::Ok(())
/// ```
pub fn trace_spans() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if !BEGUN.swap(true, Ordering::Relaxed) {
        observe(Spans::default());
    }
}

/// The span of each green thread that a subscriber is interested in, by its id.
struct Spans([Lock<HashMap<u64, Span>>; 64]);

impl Default for Spans {
    fn default() -> Self {
        Spans(std::array::from_fn(|_| Lock::default()))
    }
}

impl Spans {
    fn shard(&self, it: &Observed<'_>) -> &Lock<HashMap<u64, Span>> {
        &self.0[it.id() as usize % self.0.len()]
    }

    /// A copy, as the subscriber is not to be called while the lock is held.
    fn of(&self, it: &Observed<'_>) -> Option<Span> {
        self.shard(it).lock().get(&it.id()).cloned()
    }
}

impl Observer for Spans {
    fn spawned(&self, it: &Observed<'_>) {
        let span = tracing::debug_span!(
            target: TARGET,
            parent: None,
            "green_thread",
            id = it.id(),
            name = it.name(),
            kind = %it.kind(),
            spawned_at = %it.spawned_at(),
            spawner = it.spawner(),
        );
        if !span.is_disabled() {
            span.follows_from(Span::current());
            self.shard(it).lock().insert(it.id(), span);
        }
    }

    fn resumed(&self, it: &Observed<'_>) {
        if let Some(span) = self.of(it) {
            span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
        }
    }

    fn suspended(&self, it: &Observed<'_>) {
        if let Some(span) = self.of(it) {
            span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
        }
    }

    fn waits(&self, it: &Observed<'_>, wait: &Wait) {
        if let Some(span) = self.of(it) {
            tracing::trace!(target: TARGET, parent: &span, %wait, "waits");
        }
    }

    fn woken(&self, it: &Observed<'_>) {
        if let Some(span) = self.of(it) {
            tracing::trace!(target: TARGET, parent: &span, "woken");
        }
    }

    fn ended(&self, it: &Observed<'_>) {
        let span = self.shard(it).lock().remove(&it.id());
        drop(span); // and the subscriber closes it, with no lock held
    }
}
