//! The numbers at the top of the page.

use std::collections::BTreeMap;
use std::process;

use greenloop_runtime::inspect::GreenThread;
use serde_json::{Value, json};

use crate::deadlocks;
use crate::row::word;
use crate::snapshot::Snapshot;

pub(crate) fn of(snapshot: &Snapshot) -> Value {
    let dump = &snapshot.dump;
    let waits = dump.iter().filter_map(GreenThread::wait);
    json!({
        "green_threads": dump.len(),
        "states": count(dump.iter().map(|it| it.state().to_string())),
        "kinds": count(dump.iter().map(|it| it.kind().to_string())),
        "waits": count(waits.map(|it| word(it).into_owned())),
        "workers": dump.workers(),
        "deadlocks": deadlocks::count(snapshot),
        "took": snapshot.took.as_secs_f64(),
        "process": process::id(),
    })
}

/// How many there are of each.
pub(crate) fn count(words: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}
