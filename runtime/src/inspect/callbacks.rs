//! `Callbacks`: what wants to hear of reports, beside the log.

use crate::abort;
use crate::lock::Lock;
use std::fmt::Display;
use std::sync::Arc;

type Callback<R> = Arc<dyn Fn(&R) + Send + Sync>;

/// Those of one kind of report; they stay.
pub(super) struct Callbacks<R>(Lock<Vec<Callback<R>>>);

impl<R: Display> Callbacks<R> {
    pub(super) const fn new() -> Self {
        Callbacks(Lock::new(Vec::new()))
    }

    pub(super) fn add(&self, f: impl Fn(&R) + Send + Sync + 'static) {
        self.0.lock().push(Arc::new(f));
    }

    /// Is there none?
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Tells the log and the callbacks: foreign code, which may do wrong, and ends nothing by that.
    pub(super) fn report(&self, report: &R) {
        let callbacks = self.0.lock().clone();
        abort::contain(|| log::warn!("greenloop: {report}"));
        for callback in callbacks {
            abort::contain(|| callback(report));
        }
    }
}
