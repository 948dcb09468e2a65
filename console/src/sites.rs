//! The places that spawn, by how many of their green threads live, with the stack that those use.

use std::collections::HashMap;

use greenloop_runtime::inspect::{self, GreenThread, SiteUse};
use serde_json::{Value, json};

use crate::row::place;
use crate::snapshot::Snapshot;
use crate::summary::count;

/// Places of an answer, unless told otherwise, and at most.
const LIMIT: usize = 50;
const MOST: usize = 1000;

/// One place.
#[derive(Default)]
struct Site<'a> {
    living: Vec<&'a GreenThread>,
    stack: Option<SiteUse>,
}

pub(crate) fn of(snapshot: &Snapshot, limit: Option<usize>) -> Value {
    let mut sites: HashMap<String, Site<'_>> = HashMap::new();
    for it in &snapshot.dump {
        sites
            .entry(place(it.spawned_at()))
            .or_default()
            .living
            .push(it);
    }
    // Those whose green threads have all ended are of use for the choice of a stack's size.
    for it in inspect::stacks() {
        sites.entry(place(it.location())).or_default().stack = Some(it);
    }
    let total = sites.len();
    let mut sites: Vec<(String, Site<'_>)> = sites.into_iter().collect();
    sites.sort_by(|(a, left), (b, right)| {
        right
            .living
            .len()
            .cmp(&left.living.len())
            .then_with(|| a.cmp(b))
    });
    sites.truncate(limit.unwrap_or(LIMIT).min(MOST));
    let sites: Vec<Value> = sites
        .iter()
        .map(|(place, site)| site.to_json(place))
        .collect();
    json!({ "total": total, "sites": sites })
}

impl Site<'_> {
    fn to_json(&self, place: &str) -> Value {
        json!({
            "place": place,
            "count": self.living.len(),
            "states": count(self.living.iter().map(|it| it.state().to_string())),
            "measured": self.stack.map(|it| it.count()),
            "high_water": self.stack.map(|it| it.high_water()),
            "reserved": self.stack.map(|it| it.reserved()),
        })
    }
}
