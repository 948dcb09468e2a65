//! Who waits for whom: the things that are waited for, each with its waiters.

use std::cmp::Reverse;
use std::collections::HashMap;

use greenloop_runtime::inspect::{GreenThread, Thing, Wait};
use serde_json::{Value, json};

use crate::row::word;
use crate::snapshot::Snapshot;

/// Things of an answer, unless told otherwise, and at most.
const LIMIT: usize = 50;
const MOST: usize = 1000;
/// Waiters that are named.
const NAMED: usize = 20;

/// What several may wait for: time and bytes are nobody's to give.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Target {
    GreenThread(u64),
    Thing(Thing, usize),
}

/// Those who wait for one thing.
struct Waiters<'a> {
    wait: &'a Wait,
    target: Target,
    count: usize,
    /// Some of them; those of a deadlock first.
    first: Vec<&'a GreenThread>,
    is_deadlocked: bool,
}

pub(crate) fn of(snapshot: &Snapshot, limit: Option<usize>) -> Value {
    let mut groups: HashMap<Target, Waiters<'_>> = HashMap::new();
    for it in &snapshot.dump {
        let Some(wait) = it.wait() else {
            continue;
        };
        let is_deadlocked = snapshot.deadlocked.contains(&it.id());
        for target in targets(wait, snapshot) {
            let none = Waiters {
                wait,
                target,
                count: 0,
                first: Vec::new(),
                is_deadlocked: false,
            };
            let group = groups.entry(target).or_insert(none);
            group.push(it, is_deadlocked);
            group.name_by(wait);
        }
    }
    let total = groups.len();
    let mut groups: Vec<Waiters<'_>> = groups.into_values().collect();
    groups.sort_by_key(|it| (!it.is_deadlocked, Reverse(it.count), it.first[0].id()));
    groups.truncate(limit.unwrap_or(LIMIT).min(MOST));
    let things: Vec<Value> = groups.iter().map(|it| it.to_json(snapshot)).collect();
    json!({ "total": total, "things": things })
}

/// The ids of those that wait for the end of the one with this id; the first ones.
pub(crate) fn joiners(snapshot: &Snapshot, id: u64) -> Vec<u64> {
    let joins = |it: &&GreenThread| match it.wait() {
        Some(Wait::Join(other) | Wait::Job(other)) => *other == id,
        Some(Wait::Scope { left }) => left.contains(&id),
        _ => false,
    };
    let joiners = snapshot.dump.iter().filter(joins);
    joiners.map(GreenThread::id).take(NAMED).collect()
}

/// Of those of a scope only who is part of a deadlock: all of them would drown the rest.
fn targets(wait: &Wait, snapshot: &Snapshot) -> Vec<Target> {
    match wait {
        Wait::Join(id) | Wait::Job(id) => vec![Target::GreenThread(*id)],
        Wait::Scope { left } => {
            let deadlocked = left.iter().filter(|id| snapshot.deadlocked.contains(id));
            deadlocked.map(|id| Target::GreenThread(*id)).collect()
        }
        Wait::On { thing, address, .. } => vec![Target::Thing(*thing, *address)],
        _ => Vec::new(),
    }
}

impl<'a> Waiters<'a> {
    /// A scope's wait is for others as well: a join says better what all wait for.
    fn name_by(&mut self, wait: &'a Wait) {
        if matches!(self.wait, Wait::Scope { .. }) {
            self.wait = wait;
        }
    }

    fn push(&mut self, it: &'a GreenThread, is_deadlocked: bool) {
        self.count += 1;
        self.is_deadlocked |= is_deadlocked;
        if is_deadlocked {
            self.first.insert(0, it);
            self.first.truncate(NAMED);
        } else if self.first.len() < NAMED {
            self.first.push(it);
        }
    }

    fn to_json(&self, snapshot: &Snapshot) -> Value {
        let joined = match self.target {
            Target::GreenThread(id) => snapshot.find(id).map(who),
            Target::Thing(..) => None,
        };
        json!({
            "for": word(self.wait),
            "text": self.wait.to_string(),
            "target": joined,
            "waiters": self.count,
            "first": self.first.iter().map(|it| waiter(it, snapshot)).collect::<Vec<_>>(),
            "deadlocked": self.is_deadlocked,
        })
    }
}

fn waiter(it: &GreenThread, snapshot: &Snapshot) -> Value {
    let is_deadlocked = snapshot.deadlocked.contains(&it.id());
    json!({ "id": it.id(), "name": it.name(), "deadlocked": is_deadlocked })
}

fn who(it: &GreenThread) -> Value {
    json!({ "id": it.id(), "name": it.name() })
}
