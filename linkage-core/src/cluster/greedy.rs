//! Greedy clustering, the surest pair first.

use std::cmp::Ordering;

use super::union_find::{ExclusiveSets, Outcome};
use super::{Cluster, Member, ScoredPair};

/// Joins records into clusters, taking pairs in the order: exact first, then descending score, then member order.
///
/// `deduplicated[d]` says that database `d` holds each person at most once: no cluster gets two of its records.
/// A database past the end of the slice counts as deduplicated, because a missed link harms less than two merged
/// people. Pairs of a record with itself, and pairs whose score is not a number, are passed over. Clusters that lie
/// within one database are left out: they link nothing.
///
/// The result depends neither on the order of `pairs`, nor on repeated pairs, nor on which side is called left.
/// Clusters come in the order of their smallest member. Time is O(n log n) in the number of pairs.
#[must_use]
pub fn cluster(pairs: Vec<ScoredPair>, deduplicated: &[bool]) -> Vec<Cluster> {
    let Merged { members, mut sets, .. } = merge(pairs, deduplicated);
    collect(&members, &mut sets)
}

/// What greedy merging made of the pairs.
pub(super) struct Merged {
    /// The pairs, the surest first, each with its smaller member left.
    pub(super) pairs: Vec<ScoredPair>,
    /// All records of the pairs, ascending.
    pub(super) members: Vec<Member>,
    /// Which of them belong together, by their places in `members`.
    pub(super) sets: ExclusiveSets,
    /// By pair: what became of it.
    pub(super) outcome: Vec<Outcome>,
}

pub(super) fn merge(mut pairs: Vec<ScoredPair>, deduplicated: &[bool]) -> Merged {
    pairs.retain(|pair| pair.left != pair.right && !pair.score.is_nan());
    for pair in &mut pairs {
        if pair.left > pair.right {
            std::mem::swap(&mut pair.left, &mut pair.right);
        }
    }
    pairs.sort_unstable_by(surest_first);

    let members = distinct_members(&pairs);
    let mut sets = exclusive_sets(&members, deduplicated);
    let outcome =
        pairs.iter().map(|pair| sets.join(position(&members, pair.left), position(&members, pair.right))).collect();
    Merged { pairs, members, sets, outcome }
}

/// The most memory that [`cluster`] takes beside so many pairs of records of up to 64 databases, for the lists that it makes of
/// them and for the clusters. `records` is how many records there are in all.
pub fn cluster_bytes(pairs: usize, records: usize) -> usize {
    // Every record of every pair; and of each that is in one its set, its root, and its part of a cluster of two.
    let of_record = 16 + 8 + size_of::<Member>() + size_of::<Cluster>() / 2;
    pairs * 2 * size_of::<Member>() + records.min(2 * pairs) * of_record
}

/// The order in which pairs are taken. Adding 0.0 makes -0.0 and 0.0 one score.
pub(super) fn surest_first(a: &ScoredPair, b: &ScoredPair) -> Ordering {
    b.exact
        .cmp(&a.exact)
        .then_with(|| (b.score + 0.0).total_cmp(&(a.score + 0.0)))
        .then_with(|| (a.left, a.right).cmp(&(b.left, b.right)))
}

pub(super) fn distinct_members(pairs: &[ScoredPair]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::with_capacity(2 * pairs.len());
    members.extend(pairs.iter().flat_map(|pair| [pair.left, pair.right]));
    members.sort_unstable();
    members.dedup();
    members
}

pub(super) fn position(members: &[Member], member: Member) -> u32 {
    members.binary_search(&member).expect("every member of a pair is in the list made from the pairs") as u32
}

fn exclusive_sets(members: &[Member], deduplicated: &[bool]) -> ExclusiveSets {
    let databases = members.last().map_or(0, |member| usize::from(member.database) + 1);
    let mut sets = ExclusiveSets::new(members.len() as u32, databases);
    for (element, member) in members.iter().enumerate() {
        let database = usize::from(member.database);
        if deduplicated.get(database).copied().unwrap_or(true) {
            sets.hold(element as u32, database);
        }
    }
    sets
}

pub(super) fn collect(members: &[Member], sets: &mut ExclusiveSets) -> Vec<Cluster> {
    // Sorting (root, member position) gathers each set with its members ascending.
    let mut by_root: Vec<(u32, u32)> = (0..members.len() as u32).map(|element| (sets.root(element), element)).collect();
    by_root.sort_unstable();
    let mut clusters: Vec<Cluster> = by_root
        .chunk_by(|a, b| a.0 == b.0)
        .map(|set| set.iter().map(|&(_, element)| members[element as usize]).collect::<Vec<Member>>())
        .filter(|set| set.first().map(|m| m.database) != set.last().map(|m| m.database))
        .map(|members| Cluster { members })
        .collect();
    clusters.sort_unstable();
    clusters
}
