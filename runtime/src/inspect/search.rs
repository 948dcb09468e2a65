//! `Search`: for cycles of green threads that wait for each other.
//!
//! What makes a find certain: all waits are noted; then the home worker of each one who waits for a
//! lock says who holds it; then all waits are looked at again. No two waits are equal
//! (`Worker::stamp`), so whoever waits as before was parked all the time; and the holder that was
//! read is right if it was parked by then (`owner.rs`), and stays so, since only it can let go. So
//! there was a moment at which all of a cycle were parked, each for the next one.

use super::census;
use super::deadlock::{self, Member};
use super::holder::Holder;
use super::wait::Wait;
use crate::clock;
use crate::header::{self, Header, Parked};
use crate::park;
use crate::reason::{self, Reason};
use crate::remote;
use crate::request::{self, Ask, Request, Target, Waits};
use crate::suspicion;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Shorter waits are left alone, in nanoseconds: whoever raised the suspicion waits for longer.
const YOUNG: u64 = 20_000_000;
/// How long a worker may take to answer, in nanoseconds.
const PATIENCE: u64 = 50_000_000;

/// What has been found so far.
#[derive(Default)]
pub(crate) struct Search {
    /// The waits that begin the cycles which have been reported.
    reported: HashSet<(u64, u64)>,
}

/// What a look has cost, in nanoseconds, without the time in which others answered.
pub(crate) struct Looked {
    pub(crate) cost: u64,
    /// All workers have answered.
    pub(crate) complete: bool,
}

/// One who has waited for some time for what only another thread gives.
struct Suspect {
    header: &'static Header,
    parked: Parked,
}

impl Search {
    /// Reports the cycles that have formed since the last look.
    pub(crate) fn look(&mut self) -> Looked {
        let start = clock::now();
        let suspects = suspects(start);
        let asked = clock::now();
        let (waits, complete) = ask(&suspects);
        let answered = clock::now();
        let cycles = cycles(&suspects, &waits);
        let cost = clock::now() - answered + asked - start;
        let mut found = HashSet::new();
        for cycle in cycles {
            let first = cycle.iter().map(|it| (it.id, it.parked.since)).min();
            let first = first.expect("a cycle has members");
            let is_new = !self.reported.contains(&first);
            if let Some(members) = confirm(&suspects, &waits, &cycle) {
                found.insert(first);
                if is_new {
                    deadlock::report(members);
                }
            }
        }
        if complete {
            self.reported = found;
        } else {
            self.reported.extend(found);
        }
        Looked { cost, complete }
    }
}

fn suspects(now: u64) -> Vec<Suspect> {
    let mut all = Vec::new();
    header::for_each_slot(|header| {
        let parked = header.parked().filter(|it| {
            let old = now.saturating_sub(it.since) >= YOUNG;
            old && suspicion::is_for_another(it.wait)
        });
        all.extend(parked.map(|parked| Suspect { header, parked }));
    });
    all
}

/// Asks the home workers for whom the suspects wait; false if not all have answered.
fn ask(suspects: &[Suspect]) -> (Vec<(usize, Waits)>, bool) {
    let mut targets: BTreeMap<usize, Vec<Target>> = BTreeMap::new();
    for (number, it) in suspects.iter().enumerate() {
        targets.entry(it.parked.home).or_default().push(Target {
            header: it.header,
            generation: it.parked.generation,
            number,
        });
    }
    let requests: Vec<(usize, Arc<Request>)> = targets
        .into_iter()
        .map(|(home, targets)| {
            let request = Request::new(targets, Ask::Waits);
            request::ask(remote::at(home), request.clone());
            (home, request)
        })
        .collect();
    let deadline = clock::now() + PATIENCE;
    while requests.iter().any(|it| !it.1.is_done()) && clock::now() < deadline {
        park::park_uncancellable(deadline, reason::Wait::UNPARK);
    }
    collect(suspects, requests)
}

fn collect(
    suspects: &[Suspect],
    requests: Vec<(usize, Arc<Request>)>,
) -> (Vec<(usize, Waits)>, bool) {
    let (mut waits, mut complete) = (Vec::new(), true);
    for (home, request) in requests {
        if !request.is_done() {
            complete = false;
            remote::at(home).forget_request(&request);
        }
        let answers = request.close().0.into_iter();
        let answers = answers.filter_map(|it| Some((it.number, it.wait?)));
        waits.extend(answers.filter(|(number, it)| it.parked == suspects[*number].parked));
    }
    (waits, complete)
}

/// Whose end, or lock, it waits for, or 0.
fn other(waits: &Waits) -> u64 {
    match waits.parked.wait.reason() {
        Reason::Join(id) => id,
        _ => waits.owner,
    }
}

/// Each waits for one other, so that from each there is one way to go.
fn cycles(suspects: &[Suspect], waits: &[(usize, Waits)]) -> Vec<Vec<Waits>> {
    debug_assert!(waits.len() <= suspects.len());
    let places: HashMap<u64, usize> = waits.iter().map(|it| it.1.id).zip(0..).collect();
    let next = |place: usize| places.get(&other(&waits[place].1)).copied();
    let mut walked_by = vec![usize::MAX; waits.len()];
    let mut cycles = Vec::new();
    for start in 0..waits.len() {
        let mut at = Some(start);
        while let Some(place) = at.filter(|it| walked_by[*it] == usize::MAX) {
            walked_by[place] = start;
            at = next(place);
        }
        let Some(first) = at.filter(|it| walked_by[*it] == start) else {
            continue;
        };
        let around = std::iter::successors(next(first), |it| next(*it));
        let rest = around.take_while(|it| *it != first);
        cycles.push(
            std::iter::once(first)
                .chain(rest)
                .map(|it| waits[it].1)
                .collect(),
        );
    }
    cycles
}

/// Do all of them still wait as they did?
fn confirm(suspects: &[Suspect], waits: &[(usize, Waits)], cycle: &[Waits]) -> Option<Vec<Member>> {
    let headers: HashMap<u64, &'static Header> = waits
        .iter()
        .map(|(number, it)| (it.id, suspects[*number].header))
        .collect();
    let names = cycle
        .iter()
        .map(|it| census::name(headers.get(&it.id)?, it.parked));
    let names: Vec<census::Name> = names.collect::<Option<_>>()?;
    let now = clock::now();
    let member = |(place, it): (usize, &Waits)| {
        let next = &names[(place + 1) % names.len()];
        let mut wait = Wait::new(it.parked.wait, now);
        wait.set_holder(Holder {
            id: next.id,
            name: next.name.clone(),
            is_green: true,
        });
        let who = names[place].clone();
        Member { who, wait }
    };
    Some(cycle.iter().enumerate().map(member).collect())
}
