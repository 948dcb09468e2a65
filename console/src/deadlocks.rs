//! `Report`: a deadlock that was found while a page was served, and whether it lasts.
//!
//! The runtime reports each one once, when it has formed, so the last ones are kept here.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Once, PoisonError};
use std::time::Instant;

use greenloop_runtime::inspect::{self, Deadlock, GreenThread, Member, Wait};
use greenloop_runtime::sync::Mutex;
use serde_json::{Value, json};

use crate::row::{place, word};
use crate::snapshot::Snapshot;

/// Reports that are kept.
const KEPT: usize = 100;
/// Deadlocks of an answer, unless told otherwise.
const LIMIT: usize = 20;
/// Members that are named of each.
const NAMED: usize = 200;

struct Report {
    /// The how manyth it is.
    number: u64,
    reported: Instant,
    deadlock: Deadlock,
}

/// The last ones, newest first; and how many there were.
struct Reports {
    last: VecDeque<Arc<Report>>,
    count: u64,
}

/// Callbacks stay for the life of the process: all pages share one.
static REPORTS: Mutex<Reports> = Mutex::new(Reports {
    last: VecDeque::new(),
    count: 0,
});
static KEEPING: Once = Once::new();

/// Keeps what is reported from now on.
pub(crate) fn keep() {
    KEEPING.call_once(|| inspect::on_deadlock(note));
}

fn note(deadlock: &Deadlock) {
    let mut reports = REPORTS.lock().unwrap_or_else(PoisonError::into_inner);
    reports.count += 1;
    let number = reports.count;
    reports.last.push_front(Arc::new(Report {
        number,
        reported: Instant::now(),
        deadlock: deadlock.clone(),
    }));
    reports.last.truncate(KEPT);
}

/// All that are kept, and how many there were.
fn reports() -> (Vec<Arc<Report>>, u64) {
    let reports = REPORTS.lock().unwrap_or_else(PoisonError::into_inner);
    (reports.last.iter().cloned().collect(), reports.count)
}

/// The ids of the members of those that last.
pub(crate) fn members(snapshot: &Snapshot) -> HashSet<u64> {
    let (reports, _) = reports();
    let lasting = reports.iter().filter(|it| it.lasts(snapshot));
    let members = lasting.flat_map(|it| it.deadlock.members());
    members.map(Member::id).collect()
}

/// How many there are, and were.
pub(crate) fn count(snapshot: &Snapshot) -> Value {
    let (reports, reported) = reports();
    let lasting = reports.iter().filter(|it| it.lasts(snapshot));
    json!({ "present": lasting.count(), "reported": reported })
}

/// Those that last first, then newest first.
pub(crate) fn of(snapshot: &Snapshot, limit: Option<usize>) -> Value {
    let (reports, reported) = reports();
    let mut reports: Vec<_> = reports.iter().map(|it| (it, it.lasts(snapshot))).collect();
    reports.sort_by_key(|(_, lasts)| !lasts);
    reports.truncate(limit.unwrap_or(LIMIT));
    let deadlocks = reports.iter().map(|(it, lasts)| it.to_json(*lasts));
    json!({ "reported": reported, "deadlocks": deadlocks.collect::<Vec<_>>() })
}

impl Report {
    /// Does each of them still wait as it did? Only a kill ends a deadlock, and by one member all.
    fn lasts(&self, snapshot: &Snapshot) -> bool {
        let age = snapshot.begun().saturating_duration_since(self.reported);
        self.deadlock.members().iter().all(|member| {
            let found = snapshot.find(member.id());
            // Whoever has gone on since may wait for the same again.
            let old = found.and_then(GreenThread::since).filter(|it| *it >= age);
            let wait = found.and_then(GreenThread::wait);
            old.is_some() && wait.is_some_and(|it| is_same(it, member.wait()))
        })
    }

    fn to_json(&self, lasts: bool) -> Value {
        let members = self.deadlock.members();
        json!({
            "number": self.number,
            "ago": self.reported.elapsed().as_secs_f64(),
            "present": lasts,
            "count": members.len(),
            "members": members.iter().take(NAMED).map(to_json).collect::<Vec<_>>(),
        })
    }
}

fn to_json(it: &Member) -> Value {
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

/// For the same thing; who holds it is not always known.
fn is_same(left: &Wait, right: &Wait) -> bool {
    let thing = |it: &Wait| match it {
        Wait::On { thing, address, .. } => Some((*thing, *address)),
        _ => None,
    };
    left == right || thing(left).is_some() && thing(left) == thing(right)
}
