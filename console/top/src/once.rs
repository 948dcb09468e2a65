//! One frame as plain text.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::ask::{Deadlock, Metrics, Numbers, Row, Seen, Summary, Worker};

pub(crate) fn print(to: &mut impl Write, seen: &Seen) -> io::Result<()> {
    writeln!(to, "{}", title(&seen.summary))?;
    for line in worker_lines(seen, None) {
        writeln!(to, "{line}")?;
    }
    for line in deadlock_lines(seen) {
        writeln!(to, "{line}")?;
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
        .map(|(word, count)| format!("{count} {}", printable(word)))
        .collect();
    words.join(", ")
}

/// A line for each worker: what it does, and its numbers since `before`, or since the start.
pub(crate) fn worker_lines(seen: &Seen, before: Option<&Metrics>) -> Vec<String> {
    let line = |worker: &Worker| {
        let is_it = |it: &&Numbers| it.index == worker.index;
        let now = seen.metrics.workers.iter().find(is_it);
        let before = before.and_then(|it| it.workers.iter().find(is_it));
        let numbers = now.map(|it| numbers(it, before)).unwrap_or_default();
        worker_line(worker) + &numbers
    };
    seen.summary.workers.iter().map(line).collect()
}

/// Its time is either busy or idle, so that both say how long it was.
fn numbers(now: &Numbers, before: Option<&Numbers>) -> String {
    let (switches, busy, idle) = before.map_or((0, 0.0, 0.0), |it| (it.switches, it.busy, it.idle));
    let busy = now.busy - busy;
    let time = busy + now.idle - idle;
    if time <= 0.0 {
        return String::new();
    }
    let (share, rate) = (
        100.0 * busy / time,
        now.switches.saturating_sub(switches) as f64 / time,
    );
    let p99 = now.latency.p99.map(|it| format!(", p99 {} µs", it * 1e6));
    let p99 = p99.unwrap_or_default();
    format!("; {share:.0} % busy, {rate:.0} switches/s{p99}")
}

/// The members of each deadlock that lasts, below a line that says so.
pub(crate) fn deadlock_lines(seen: &Seen) -> Vec<String> {
    let lines = |it: &Deadlock| {
        let mut lines = vec![format!("DEADLOCK of {}:", it.count)];
        lines.extend(it.members.iter().map(|it| {
            let name = it.name.as_deref().map(printable);
            let name = name.map(|it| format!(" '{it}'")).unwrap_or_default();
            let (id, place, wait) = (it.id, printable(&it.place), printable(&it.wait));
            format!("  green thread {id}{name} (spawned at {place}): {wait}")
        }));
        lines
    };
    seen.deadlocks.iter().flat_map(lines).collect()
}

fn worker_line(it: &Worker) -> String {
    let what = if it.hub { "hub" } else { "worker" };
    let runs = it
        .running
        .map(|id| format!(", runs green thread {id}"))
        .unwrap_or_default();
    let queued = it
        .queued
        .map(|count| format!(", {count} queued"))
        .unwrap_or_default();
    let (index, live, unstarted) = (it.index, it.live, it.unstarted);
    let activity = printable(&it.activity);
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
        printable(it.wait.as_ref().unwrap_or(&it.state)),
        since.unwrap_or_default(),
        it.home
            .map(|home| format!("worker {home}"))
            .unwrap_or_default(),
        stack.unwrap_or_default(),
        printable(&it.place),
    ]
}

/// Control characters in what the other side says would be commands to the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect()
}
