//! `Search`: for cycles of green threads that wait for each other.
//!
//! What makes a find certain: all waits are noted; then the home worker of each one who waits for a
//! lock says who holds it, and of each who waits for its scope who is left of it; then all waits are
//! looked at again. No two waits are equal (`Worker::stamp`), so whoever waits as before was parked
//! all the time; and the holder that was read is right if it was parked by then (`owner.rs`), and
//! stays so, since only it can let go; who is in a scope, and parked, stays in it. So there was a
//! moment at which all of a cycle were parked, each for the next one.
//!
//! Who waits for a scope waits for several. Cycles that share a member are reported one at a time.

use super::census;
use super::cycles::Graph;
use super::deadlock::{self, Member};
use super::holder::Holder;
use super::wait::Wait;
use crate::clock;
use crate::header::{self, Header, Parked};
use crate::park::{self, Unparker};
use crate::reason::{self, Reason};
use crate::remote;
use crate::request::{self, Ask, Request, Target, Waits};
use crate::suspicion;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ptr::NonNull;
use std::sync::Arc;

/// Shorter waits are left alone, in nanoseconds: whoever raised the suspicion waits for longer.
pub(crate) const YOUNG: u64 = 20_000_000;
/// How long a worker may take to answer, in nanoseconds.
const PATIENCE: u64 = 50_000_000;

/// What has been found so far.
#[derive(Default)]
pub(crate) struct Search {
    /// The waits of the cycles which have been reported, and may still stand.
    reported: Vec<Vec<Stamp>>,
}

/// The id of one who waits, and since when: no other wait has this.
type Stamp = (u64, u64);

pub(crate) struct Looked {
    /// When it began.
    pub(crate) at: u64,
    /// What it has cost, in nanoseconds, without the time in which others answered.
    pub(crate) cost: u64,
    /// All workers have answered, and all that was found still stood.
    pub(crate) complete: bool,
    /// A member of a cycle waits for several, and so may be one of another cycle.
    pub(crate) hides: bool,
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
        let waiting = Waiting::new(&suspects, &waits);
        let mut taken = self.standing(&waiting, complete);
        let cycles = waiting.graph.cycles(&mut taken);
        let hides = taken.iter().any(|it| waiting.graph.others(*it).len() > 1);
        let cost = clock::now() - answered + asked - start;
        let mut confirmed = true;
        for cycle in cycles {
            if let Some(members) = waiting.confirm(&cycle) {
                let stamps = cycle.iter().map(|it| waiting.stamp(*it));
                self.reported.push(stamps.collect());
                deadlock::report(members);
            } else {
                // It may have hidden another one.
                confirmed = false;
            }
        }
        Looked {
            at: start,
            cost,
            complete: complete && confirmed,
            hides,
        }
    }

    /// The members of the reported cycles that still stand. The others are forgotten if all have
    /// answered.
    fn standing(&mut self, waiting: &Waiting<'_>, complete: bool) -> HashSet<usize> {
        let mut standing = HashSet::new();
        if self.reported.is_empty() {
            return standing;
        }
        let all = waiting.places();
        self.reported.retain(|cycle| {
            let places = cycle.iter().map(|it| all.get(it).copied());
            let places: Option<Vec<usize>> = places.collect();
            let stands = places.is_some();
            standing.extend(places.into_iter().flatten());
            stands || !complete
        });
        standing
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

/// Those who wait, and for whom.
struct Waiting<'a> {
    suspects: &'a [Suspect],
    /// Each with the number of its suspect.
    waits: &'a [(usize, Waits)],
    graph: Graph,
}

impl<'a> Waiting<'a> {
    fn new(suspects: &'a [Suspect], waits: &'a [(usize, Waits)]) -> Self {
        let ids: HashMap<u64, usize> = waits.iter().map(|it| it.1.id).zip(0..).collect();
        let has_scopes = waits.iter().any(|it| !it.1.children.is_empty());
        let slots = waits.iter().zip(0..).filter(|_| has_scopes);
        let in_scopes = slots.filter(|((_, it), _)| !it.is_out_of_scope);
        let slots = in_scopes.map(|((number, it), place)| {
            let header = NonNull::from(suspects[*number].header);
            (Unparker::new(header, it.parked.generation), place)
        });
        let slots: HashMap<Unparker, usize> = slots.collect();
        let mut graph = Graph::default();
        for (_, it) in waits {
            let other = match it.parked.wait.reason() {
                Reason::Join(id) => ids.get(&id),
                _ => ids.get(&it.owner),
            };
            let children = it.children.iter().filter_map(|it| slots.get(it));
            graph.push(children.chain(other).copied());
        }
        Waiting {
            suspects,
            waits,
            graph,
        }
    }

    fn stamp(&self, place: usize) -> Stamp {
        let waits = &self.waits[place].1;
        (waits.id, waits.parked.since)
    }

    /// By its stamp.
    fn places(&self) -> HashMap<Stamp, usize> {
        let places = 0..self.waits.len();
        places.map(|it| (self.stamp(it), it)).collect()
    }

    /// Do all of them still wait as they did?
    fn confirm(&self, cycle: &[usize]) -> Option<Vec<Member>> {
        let name = |place: &usize| {
            let (number, it) = &self.waits[*place];
            census::name(self.suspects[*number].header, it.parked)
        };
        let names: Vec<census::Name> = cycle.iter().map(name).collect::<Option<_>>()?;
        let now = clock::now();
        let member = |(number, place): (usize, &usize)| {
            let next = &names[(number + 1) % names.len()];
            let mut wait = Wait::new(self.waits[*place].1.parked.wait, now);
            wait.set_left(vec![next.id]);
            wait.set_holder(Holder {
                id: next.id,
                name: next.name.clone(),
                is_green: true,
            });
            let who = names[number].clone();
            Member { who, wait }
        };
        Some(cycle.iter().enumerate().map(member).collect())
    }
}
