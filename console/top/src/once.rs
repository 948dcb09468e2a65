//! One frame as plain text.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::ask::{Row, Seen, Summary, Worker};

pub(crate) fn print(to: &mut impl Write, seen: &Seen) -> io::Result<()> {
    writeln!(to, "{}", title(&seen.summary))?;
    for worker in &seen.summary.workers {
        writeln!(to, "{}", worker_line(worker))?;
    }
    writeln!(to, "waits: {}", counts(&seen.summary.waits))?;
    for row in &seen.list.rows {
        writeln!(to, "{}", cells(row).join("  ").trim_end())?;
    }
    match seen.list.matching - seen.list.rows.len().min(seen.list.matching) {
        0 => Ok(()),
        more => writeln!(to, "… and {more} more"),
    }
}

pub(crate) fn title(it: &Summary) -> String {
    let (process, count) = (it.process, it.green_threads);
    format!(
        "process {process}: {count} green threads: {}",
        counts(&it.states)
    )
}

pub(crate) fn counts(of: &BTreeMap<String, usize>) -> String {
    let words: Vec<String> = of
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    words.join(", ")
}

pub(crate) fn worker_line(it: &Worker) -> String {
    let what = if it.hub { "hub" } else { "worker" };
    let runs = it
        .running
        .map(|id| format!(", runs green thread {id}"))
        .unwrap_or_default();
    let queued = it
        .queued
        .map(|count| format!(", {count} queued"))
        .unwrap_or_default();
    let (index, activity, live, unstarted) = (it.index, &it.activity, it.live, it.unstarted);
    format!("{what} {index}: {activity}{runs}, {live} live{queued}, {unstarted} unstarted")
}

/// Id, name, what it does, for how long, worker, stack, place.
pub(crate) fn cells(it: &Row) -> [String; 7] {
    let since = it.since.map(|since| format!("{since:.1} s"));
    let stack = it
        .stack_used
        .map(|used| format!("{:.1} KiB", used as f64 / 1024.0));
    [
        it.id.to_string(),
        printable(it.name.as_deref().unwrap_or("-")),
        it.wait
            .as_deref()
            .map_or_else(|| it.state.clone(), printable),
        since.unwrap_or_default(),
        it.home
            .map(|home| format!("worker {home}"))
            .unwrap_or_default(),
        stack.unwrap_or_default(),
        it.place.clone(),
    ]
}

/// Control characters in a name would be commands to the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect()
}
