//! Pairs that greedy merging passed over for others that are hardly surer.

use std::collections::BTreeMap;

use super::greedy::{Merged, collect, merge, position};
use super::union_find::Outcome;
use super::{Cluster, MOST_REPAIRED, ScoredPair};

/// A pair that was passed over, and the pair that it would have had to do without.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rivals {
    /// Passed over: with it a cluster would hold two records of one deduplicated database.
    pub barred: ScoredPair,
    /// The least sure of the pairs that keep those two records in the clusters of the barred one.
    pub kept: ScoredPair,
}

/// [`cluster`](super::cluster), and of each pair that it passed over the rival that it was passed over for, where that one
/// leads by less than `margin` in score and is not exact against a pair that is not.
///
/// Greedy merging takes the surest first, however little it is surer; of equals the first by row number. So these are
/// choices that somebody should look at. Rivals need not share a record: a barred pair a–b may stand against c–d where
/// a–c is sure and b, d are of one database. Where several databases forbid a pair, the rival is that of the one which
/// forbids it most surely.
///
/// Rivals come in the order of the barred pairs, the surest first. Those within clusters of more than [`MOST_REPAIRED`]
/// members are not looked for, so that time stays in proportion to the number of pairs.
#[must_use]
pub fn cluster_with_rivals(pairs: Vec<ScoredPair>, deduplicated: &[bool], margin: f64) -> (Vec<Cluster>, Vec<Rivals>) {
    let mut merged = merge(pairs, deduplicated);
    let tree = Tree::new(&merged);
    let barred: Vec<usize> = (0..merged.pairs.len()).filter(|&at| merged.outcome[at] == Outcome::Barred).collect();
    let mut rivals = Vec::new();
    for at in barred {
        let pair = merged.pairs[at];
        // Two records of one database have no rival: nothing could ever join them.
        if pair.left.database == pair.right.database {
            continue;
        }
        let ends = [pair.left, pair.right].map(|member| position(&merged.members, member));
        if ends.iter().any(|&end| merged.sets.size(end) > MOST_REPAIRED) {
            continue;
        }
        let [left, right] = ends.map(|end| tree.weakest_on_the_way(&merged, end, at, deduplicated));
        // What bars it is as sure as the surest database that does, and that is as sure as its weakest pair.
        let bars = left.iter().filter_map(|(database, one)| {
            let other = right.get(database)?;
            [*one, *other].into_iter().flatten().max()
        });
        let Some(kept) = bars.min().map(|kept| merged.pairs[kept]) else { continue };
        if kept.score - pair.score < margin && (pair.exact || !kept.exact) {
            rivals.push(Rivals { barred: pair, kept });
        }
    }
    (collect(&merged.members, &mut merged.sets), rivals)
}

/// The pairs that joined clusters, as a forest over the members.
struct Tree {
    /// Where the neighbours of each member begin.
    starts: Vec<u32>,
    /// Neighbours, each with the number of the pair that joined it.
    neighbours: Vec<(u32, usize)>,
}

impl Tree {
    fn new(merged: &Merged) -> Self {
        let mut edges = Vec::new();
        for (at, pair) in merged.pairs.iter().enumerate().filter(|(at, _)| merged.outcome[*at] == Outcome::Joined) {
            let [a, b] = [pair.left, pair.right].map(|member| position(&merged.members, member));
            edges.extend([(a, b, at), (b, a, at)]);
        }
        edges.sort_unstable();
        let starts = 0..=merged.members.len() as u32;
        let starts = starts.map(|member| edges.partition_point(|edge| edge.0 < member) as u32).collect();
        Self { starts, neighbours: edges.into_iter().map(|(_, other, at)| (other, at)).collect() }
    }

    /// By deduplicated database with a record in the cluster of `from` before pair number `before` was looked at: the
    /// number of the least sure pair on the way to that record; none where `from` is that record itself.
    fn weakest_on_the_way(
        &self,
        merged: &Merged,
        from: u32,
        before: usize,
        deduplicated: &[bool],
    ) -> BTreeMap<u16, Option<usize>> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![(from, from, None)];
        while let Some((member, came_from, weakest)) = waiting.pop() {
            let database = merged.members[member as usize].database;
            if deduplicated.get(usize::from(database)).copied().unwrap_or(true) {
                found.insert(database, weakest);
            }
            let [start, end] = [0, 1].map(|next| self.starts[member as usize + next] as usize);
            for &(other, at) in &self.neighbours[start..end] {
                // Pairs are numbered from the surest on.
                if other != came_from && at < before {
                    waiting.push((other, member, weakest.max(Some(at))));
                }
            }
        }
        found
    }
}
