//! One green thread: where it comes from, what it does, who waits for it, and where it is.

use greenloop_runtime::inspect::{self, Backtrace, Frames, GreenThread, Options, State};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::row::Row;
use crate::snapshot::Snapshot;
use crate::waits;

/// Spawners that are named.
const ANCESTORS: usize = 20;

/// Which backtrace is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    None,
    Short,
    Full,
}

pub(crate) const WANTED: [(&str, Wanted); 3] = [
    ("0", Wanted::None),
    ("1", Wanted::Short),
    ("full", Wanted::Full),
];

pub(crate) fn answer(snapshot: &Snapshot, id: u64, wanted: Wanted) -> Answer {
    let Some(it) = snapshot.find(id) else {
        return Answer::not_found(&format!("green thread {id} has ended, or never was"));
    };
    let (backtrace, note) = match backtrace(it, wanted) {
        Ok(backtrace) => (backtrace, None),
        Err(note) => (None, Some(note)),
    };
    Answer::json(&json!({
        "row": Row::new(it, snapshot),
        "ancestors": ancestors(snapshot, it),
        "joiners": waits::joiners(snapshot, id),
        "backtrace": backtrace,
        "note": note,
    }))
}

fn ancestors(snapshot: &Snapshot, it: &GreenThread) -> Vec<Value> {
    let mut ancestors = Vec::new();
    let mut next = it.spawner();
    while let Some(id) = next.filter(|_| ancestors.len() < ANCESTORS) {
        let found = snapshot.find(id);
        let name = found.and_then(GreenThread::name);
        ancestors.push(json!({ "id": id, "name": name, "lives": found.is_some() }));
        next = found.and_then(GreenThread::spawner);
    }
    ancestors
}

/// The backtrace, if it is wanted, or why there is none.
fn backtrace(it: &GreenThread, wanted: Wanted) -> Result<Option<String>, &'static str> {
    let write = match wanted {
        Wanted::None => return Ok(None),
        Wanted::Short => |it: &Frames| it.to_string(),
        Wanted::Full => |it: &Frames| format!("{it:#}"),
    };
    match it.state() {
        State::Unstarted => return Err("it has not started"),
        State::Running => return Err("it runs: only one that waits can be looked at"),
        _ => {}
    }
    let dump = inspect::dump_with(Options::new().backtraces(true).only(it.id()));
    match dump.iter().next().map(GreenThread::backtrace) {
        Some(Backtrace::Taken(frames)) => Ok(Some(write(frames))),
        Some(Backtrace::NoRoom) => Err("too little of its stack is left"),
        Some(_) => Err("its worker did not answer, or it ran meanwhile"),
        None => Err("it has ended meanwhile"),
    }
}
