//! `Row`: what a list says of one green thread.

use std::borrow::Cow;
use std::panic::Location;

use greenloop_runtime::inspect::{GreenThread, Wait};
use serde::Serialize;

use crate::snapshot::Snapshot;

/// One green thread, in words that a page can show.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    id: u64,
    name: Option<&'a str>,
    kind: String,
    state: String,
    wait: Option<String>,
    r#for: Option<Cow<'static, str>>,
    since: Option<f64>,
    home: Option<usize>,
    place: String,
    spawner: Option<u64>,
    children: usize,
    stack_used: Option<usize>,
    stack_reserved: usize,
    deadlocked: bool,
}

impl<'a> Row<'a> {
    pub(crate) fn new(it: &'a GreenThread, snapshot: &Snapshot) -> Row<'a> {
        Row {
            id: it.id(),
            name: it.name(),
            kind: it.kind().to_string(),
            state: it.state().to_string(),
            wait: it.wait().map(Wait::to_string),
            r#for: it.wait().map(word),
            since: it.since().map(|it| it.as_secs_f64()),
            home: it.home(),
            place: place(it.spawned_at()),
            spawner: it.spawner(),
            children: snapshot.children(it.id()),
            stack_used: it.stack_used(),
            stack_reserved: it.stack_reserved(),
            deadlocked: snapshot.deadlocked.contains(&it.id()),
        }
    }
}

/// As a compiler writes a place, without the column.
pub(crate) fn place(location: &Location<'_>) -> String {
    format!("{}:{}", location.file(), location.line())
}

/// One word for what is waited for, as in a dump's JSON.
pub(crate) fn word(wait: &Wait) -> Cow<'static, str> {
    match wait {
        Wait::Unpark => "unpark".into(),
        Wait::Sleep(_) => "sleep".into(),
        Wait::Read(_) => "read".into(),
        Wait::Write(_) => "write".into(),
        Wait::Join(_) => "join".into(),
        Wait::Job(_) => "job".into(),
        Wait::Scope { .. } => "scope".into(),
        Wait::Any => "any".into(),
        Wait::On { thing, .. } => format!("{thing:?}").into(),
        _ => "other".into(),
    }
}
