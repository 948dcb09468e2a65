//! The deadlocks that were reported, and whether they last.

use std::collections::HashSet;

use greenloop_runtime::inspect::{self, Deadlock, GreenThread, Member, Wait};
use serde_json::{Value, json};

use crate::row::{place, word};
use crate::snapshot::Snapshot;

/// Deadlocks of an answer, unless told otherwise.
const LIMIT: usize = 20;
/// Members that are named of each.
const NAMED: usize = 200;

/// The ids of the members of those that last.
pub(crate) fn members(snapshot: &Snapshot) -> HashSet<u64> {
    let reported = inspect::deadlocks();
    let lasting = reported.iter().filter(|it| lasts(it, snapshot));
    lasting
        .flat_map(Deadlock::members)
        .map(Member::id)
        .collect()
}

/// How many there are, and were.
pub(crate) fn count(snapshot: &Snapshot) -> Value {
    let reported = inspect::deadlocks();
    let lasting = reported.iter().filter(|it| lasts(it, snapshot));
    json!({ "present": lasting.count(), "reported": number(&reported) })
}

/// Those that last first, then newest first.
pub(crate) fn of(snapshot: &Snapshot, limit: Option<usize>) -> Value {
    let reported = inspect::deadlocks();
    let mut deadlocks: Vec<_> = reported
        .iter()
        .map(|it| (it, lasts(it, snapshot)))
        .collect();
    deadlocks.sort_by_key(|(_, lasts)| !lasts);
    deadlocks.truncate(limit.unwrap_or(LIMIT));
    let deadlocks = deadlocks.iter().map(|(it, lasts)| deadlock(it, *lasts));
    json!({ "reported": number(&reported), "deadlocks": deadlocks.collect::<Vec<_>>() })
}

/// How many there were, of which the last ones are kept.
fn number(reported: &[Deadlock]) -> u64 {
    reported.first().map_or(0, Deadlock::number)
}

/// Does each of them still wait as it did? Only a kill ends a deadlock, and by one member all.
fn lasts(it: &Deadlock, snapshot: &Snapshot) -> bool {
    let age = snapshot.begun().saturating_duration_since(it.reported_at());
    it.members().iter().all(|member| {
        let found = snapshot.find(member.id());
        // Whoever has gone on since may wait for the same again.
        let old = found.and_then(GreenThread::since).filter(|it| *it >= age);
        let wait = found.and_then(GreenThread::wait);
        old.is_some() && wait.is_some_and(|it| is_same(it, member.wait()))
    })
}

fn deadlock(it: &Deadlock, lasts: bool) -> Value {
    let members = it.members();
    json!({
        "number": it.number(),
        "ago": it.reported_at().elapsed().as_secs_f64(),
        "present": lasts,
        "count": members.len(),
        "members": members.iter().take(NAMED).map(member).collect::<Vec<_>>(),
    })
}

fn member(it: &Member) -> Value {
    let holder = match it.wait() {
        Wait::On { holder, .. } => holder.as_ref(),
        _ => None,
    };
    json!({
        "id": it.id(),
        "name": it.name(),
        "place": place(it.spawned_at()),
        "wait": it.wait().to_string(),
        "for": word(it.wait()),
        "holder": holder.map(|it| json!({ "id": it.id(), "name": it.name() })),
    })
}

/// For the same thing; who holds it is not always known, and of a scope others may be left.
fn is_same(left: &Wait, right: &Wait) -> bool {
    let thing = |it: &Wait| match it {
        Wait::On { thing, address, .. } => Some((*thing, *address)),
        _ => None,
    };
    match (left, right) {
        (Wait::Scope { .. }, Wait::Scope { .. }) => true,
        _ => left == right || thing(left).is_some() && thing(left) == thing(right),
    }
}
