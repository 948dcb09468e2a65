//! `Graph`: who waits for whom, and the cycles among them.

use std::collections::HashSet;
use std::ops::Range;

/// Nodes are numbered in the order in which they were added.
#[derive(Default, Debug)]
pub(super) struct Graph {
    /// Of all nodes, one after the other: to whom their edges lead.
    ends: Vec<usize>,
    /// Of each node, where its edges begin in there.
    starts: Vec<usize>,
}

/// How far a walk has come with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walked {
    Never,
    /// It is on the way.
    Begun,
    Done,
}

impl Graph {
    /// Adds a node, which waits for each of the `others`.
    pub(super) fn push(&mut self, others: impl Iterator<Item = usize>) {
        self.starts.push(self.ends.len());
        self.ends.extend(others);
    }

    /// For whom the node waits.
    pub(super) fn others(&self, node: usize) -> &[usize] {
        let end = self.starts.get(node + 1).copied();
        &self.ends[self.starts[node]..end.unwrap_or(self.ends.len())]
    }

    fn nodes(&self) -> Range<usize> {
        0..self.starts.len()
    }

    /// Cycles of which no two share a node, and none has one of the `taken`, to which theirs are added:
    /// without those no cycle is left. In each a node waits for the next one.
    pub(super) fn cycles(&self, taken: &mut HashSet<usize>) -> Vec<Vec<usize>> {
        let mut all = Vec::new();
        loop {
            let cycles = self.walk(taken);
            if cycles.is_empty() {
                return all;
            }
            // The walk may have missed one that leads past those that it has found.
            all.extend(cycles);
        }
    }

    /// Depth first: whoever leads back to one on the way closes a cycle.
    fn walk(&self, taken: &mut HashSet<usize>) -> Vec<Vec<usize>> {
        let mut walked = vec![Walked::Never; self.starts.len()];
        taken.iter().for_each(|it| walked[*it] = Walked::Done);
        // Who is on the way, and how many of its edges have been walked.
        let (mut way, mut cycles) = (Vec::new(), Vec::new());
        for start in self.nodes() {
            if walked[start] == Walked::Never {
                walked[start] = Walked::Begun;
                way.push((start, 0));
            }
            while let Some((node, edge)) = way.last_mut() {
                let Some(other) = self.others(*node).get(*edge).copied() else {
                    walked[*node] = Walked::Done;
                    way.pop();
                    continue;
                };
                *edge += 1;
                match walked[other] {
                    Walked::Never => {
                        walked[other] = Walked::Begun;
                        way.push((other, 0));
                    }
                    Walked::Begun => cycles.extend(close(&way, other, taken)),
                    Walked::Done => {}
                }
            }
        }
        cycles
    }
}

/// The end of the way, from `first` on; none if one of it is taken, and else all of it is.
fn close(way: &[(usize, usize)], first: usize, taken: &mut HashSet<usize>) -> Option<Vec<usize>> {
    if taken.contains(&first) {
        return None;
    }
    let start = way.iter().rposition(|it| it.0 == first)?;
    let cycle: Vec<usize> = way[start..].iter().map(|it| it.0).collect();
    let is_free = !cycle.iter().any(|it| taken.contains(it));
    is_free.then(|| {
        taken.extend(&cycle);
        cycle
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{hash_set, vec};
    use proptest::prelude::*;

    fn graph(nodes: &[Vec<usize>]) -> Graph {
        let mut graph = Graph::default();
        nodes.iter().for_each(|it| graph.push(it.iter().copied()));
        graph
    }

    /// Takes away, until none is left, who waits only for those that are gone.
    fn has_cycle(nodes: &[Vec<usize>], without: &HashSet<usize>) -> bool {
        let mut gone = without.clone();
        loop {
            let is_free = |it: &usize| nodes[*it].iter().all(|other| gone.contains(other));
            let present = (0..nodes.len()).filter(|it| !gone.contains(it));
            let free: Vec<usize> = present.filter(is_free).collect();
            if free.is_empty() {
                return gone.len() < nodes.len();
            }
            gone.extend(free);
        }
    }

    fn nodes() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1..20_usize).prop_flat_map(|count| vec(vec(0..count, 0..4), count))
    }

    proptest! {
        #[test]
        fn cycles_are_closed_and_apart_and_leave_none(
            nodes in nodes(),
            before in hash_set(0..20_usize, 0..4),
        ) {
            let before: HashSet<usize> = before.into_iter().filter(|it| *it < nodes.len()).collect();
            let mut taken = before.clone();
            let cycles = graph(&nodes).cycles(&mut taken);
            let mut seen = before;
            for cycle in &cycles {
                for (place, node) in cycle.iter().enumerate() {
                    prop_assert!(seen.insert(*node), "{node} is taken: {cycles:?}");
                    let next = cycle[(place + 1) % cycle.len()];
                    prop_assert!(nodes[*node].contains(&next), "no edge: {cycles:?}");
                }
            }
            prop_assert_eq!(&seen, &taken);
            prop_assert!(!has_cycle(&nodes, &taken), "one is left: {cycles:?}");
        }
    }

    #[test]
    fn a_cycle_that_leads_past_another_one_is_found() {
        let nodes = [
            [2, 2, 2],
            [3, 5, 0],
            [3, 5, 1],
            [3, 1, 0],
            [5, 5, 5],
            [4, 3, 3],
        ];
        let graph = graph(&nodes.map(Vec::from));
        let mut taken = HashSet::new();
        let first = graph.walk(&mut taken);
        assert!(
            !first.is_empty() && !graph.walk(&mut taken).is_empty(),
            "{first:?}"
        );
    }
}
