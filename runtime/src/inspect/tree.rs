//! The text of a dump: the workers, then the green threads, each below the one that spawned it.

use super::dump::Dump;
use super::entry::{Backtrace, GreenThread, Kind, write_name};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} green threads, {} workers",
            self.len(),
            self.workers().len()
        )?;
        for worker in self.workers() {
            writeln!(f, "{worker}")?;
        }
        let mut children: BTreeMap<Option<u64>, Vec<&GreenThread>> = BTreeMap::new();
        let known: BTreeSet<u64> = self.iter().map(GreenThread::id).collect();
        for it in self {
            // Those whose spawner has ended stand at the margin, and name it.
            let parent = it.spawner().filter(|id| known.contains(id));
            children.entry(parent).or_default().push(it);
        }
        // Deep chains of spawners are usual, so no recursion.
        let mut open: Vec<(usize, &GreenThread)> = below(&mut children, None, 0);
        while let Some((depth, it)) = open.pop() {
            write_one(f, it, depth)?;
            open.extend(below(&mut children, Some(it.id()), depth + 1));
        }
        Ok(())
    }
}

/// Those spawned by `parent`, the oldest last, to be taken from the end.
fn below<'a>(
    children: &mut BTreeMap<Option<u64>, Vec<&'a GreenThread>>,
    parent: Option<u64>,
    depth: usize,
) -> Vec<(usize, &'a GreenThread)> {
    let mut those = children.remove(&parent).unwrap_or_default();
    those.sort_by_key(|it| std::cmp::Reverse(it.id()));
    those.into_iter().map(|it| (depth, it)).collect()
}

/// Deeper ones are not moved further to the right.
const DEEPEST: usize = 40;

fn write_one(f: &mut fmt::Formatter<'_>, it: &GreenThread, depth: usize) -> fmt::Result {
    let margin = 2 * depth.min(DEEPEST);
    write!(f, "{:margin$}{it}", "")?;
    if depth == 0
        && let Some(spawner) = it.spawner()
    {
        write!(f, " by {spawner}, which has ended")?;
    }
    writeln!(f)?;
    match it.backtrace() {
        Backtrace::NotTaken => Ok(()),
        Backtrace::NoRoom => writeln!(
            f,
            "{:margin$}  too little stack is left for a backtrace",
            ""
        ),
        Backtrace::Taken(frames) => {
            let text = if f.alternate() {
                format!("{frames:#}")
            } else {
                frames.to_string()
            };
            text.lines()
                .try_for_each(|line| writeln!(f, "{:margin$}  {line}", ""))
        }
    }
}

/// One line: who it is, what it does and for how long, its stack, and where it was spawned.
impl fmt::Display for GreenThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::Light => write!(f, "green thread {}", self.id())?,
            Kind::Full => write!(f, "full green thread {}", self.id())?,
            Kind::Job => write!(f, "job {}", self.id())?,
        }
        write_name(f, self.name())?;
        match (self.wait(), self.since()) {
            (Some(wait), Some(since)) => write!(f, ": {wait}, for {:.1} s", since.as_secs_f64())?,
            _ => write!(f, ": {}", self.state())?,
        }
        if let Some(home) = self.home() {
            write!(f, ", on worker {home}")?;
        }
        if let Some(used) = self.stack_used() {
            let reserved = self.stack_reserved() >> 10;
            write!(
                f,
                ", {:.1} of {reserved} KiB of stack",
                used as f64 / 1024.0
            )?;
        }
        write!(f, "; spawned at {}", self.spawned_at())
    }
}
