//! Other ways to make clusters, to compare [`cluster`](super::cluster) with.

use std::collections::HashMap;

use super::greedy::collect;
use super::union_find::ExclusiveSets;
use super::{Cluster, Member, ScoredPair};

/// Everything that any pair joins: transitive closure. One wrong pair merges two people with all their records.
#[must_use]
pub fn connected_components(pairs: &[ScoredPair]) -> Vec<Cluster> {
    let members = super::greedy::distinct_members(pairs);
    // Nothing is held, so that nothing excludes anything.
    let mut sets = ExclusiveSets::new(members.len() as u32, 1);
    for pair in pairs {
        sets.join(super::greedy::position(&members, pair.left), super::greedy::position(&members, pair.right));
    }
    collect(&members, &mut sets)
}

/// The pairs that are each other's best among the pairs of their two databases. Ties go to the smaller member.
#[must_use]
pub fn mutual_best(pairs: &[ScoredPair]) -> Vec<ScoredPair> {
    let mut best: HashMap<(Member, u16), ScoredPair> = HashMap::new();
    let sides = |pair: &ScoredPair| [(pair.left, pair.right.database), (pair.right, pair.left.database)];
    for pair in pairs {
        for key in sides(pair) {
            let entry = best.entry(key).or_insert(*pair);
            if super::greedy::surest_first(&sorted(*pair), &sorted(*entry)).is_lt() {
                *entry = *pair;
            }
        }
    }
    pairs.iter().filter(|pair| sides(pair).iter().all(|key| best[key] == **pair)).copied().collect()
}

fn sorted(pair: ScoredPair) -> ScoredPair {
    if pair.left <= pair.right { pair } else { ScoredPair { left: pair.right, right: pair.left, ..pair } }
}

/// Between each two databases the one-to-one pairs with the highest sum of scores (Kuhn 1955, Munkres 1957), in
/// components of at most `largest` records a side; in larger ones those that are each other's best. Scores must be
/// positive.
///
/// Cost is cubic in the size of a component, and components grow with the number of pairs: raise the threshold first.
#[must_use]
pub fn assign_optimally(pairs: &[ScoredPair], largest: usize) -> Vec<ScoredPair> {
    let mut links: HashMap<(u16, u16), Vec<ScoredPair>> = HashMap::new();
    for pair in pairs.iter().map(|pair| sorted(*pair)).filter(|pair| pair.left.database != pair.right.database) {
        links.entry((pair.left.database, pair.right.database)).or_default().push(pair);
    }
    let mut kept = Vec::new();
    for pairs in links.values() {
        let mut component: HashMap<Member, usize> = HashMap::new();
        for (number, cluster) in connected_components(pairs).iter().enumerate() {
            component.extend(cluster.members.iter().map(|member| (*member, number)));
        }
        let mut parts: HashMap<usize, Vec<ScoredPair>> = HashMap::new();
        pairs.iter().for_each(|pair| parts.entry(component[&pair.left]).or_default().push(*pair));
        parts.values().for_each(|part| kept.extend(assign_component(part, largest)));
    }
    kept.sort_unstable_by_key(|pair| (pair.left, pair.right));
    kept
}

fn assign_component(pairs: &[ScoredPair], largest: usize) -> Vec<ScoredPair> {
    let index = |of: fn(&ScoredPair) -> Member| {
        let mut members: Vec<Member> = pairs.iter().map(of).collect();
        members.sort_unstable();
        members.dedup();
        members
    };
    let (left, right) = (index(|pair| pair.left), index(|pair| pair.right));
    let size = left.len().max(right.len());
    if size > largest {
        return mutual_best(pairs);
    }
    let place = |members: &[Member], member: Member| members.partition_point(|other| *other < member);
    let mut chosen: Vec<Option<ScoredPair>> = vec![None; size * size];
    for pair in pairs {
        let cell = &mut chosen[place(&left, pair.left) * size + place(&right, pair.right)];
        if cell.is_none_or(|other| value(&other) < value(pair)) {
            *cell = Some(*pair);
        }
    }
    // An empty cell is a record that stays alone, at the value of nothing.
    let cost: Vec<f64> = chosen.iter().map(|pair| -pair.as_ref().map_or(0.0, value)).collect();
    hungarian(&cost, size).into_iter().enumerate().filter_map(|(row, column)| chosen[row * size + column]).collect()
}

/// Exact pairs outrank every score.
fn value(pair: &ScoredPair) -> f64 {
    pair.score + if pair.exact { 1e6 } else { 0.0 }
}

/// The column of each row in the assignment of least cost; `cost` is square. Shortest augmenting paths with potentials,
/// O(n³).
fn hungarian(cost: &[f64], size: usize) -> Vec<usize> {
    // Row and column 0 stand for "none"; rows and columns are numbered from 1.
    let (mut row_potential, mut column_potential) = (vec![0.0; size + 1], vec![0.0; size + 1]);
    let mut row_of = vec![0; size + 1];
    let mut way = vec![0; size + 1];
    for row in 1..=size {
        row_of[0] = row;
        let mut column = 0;
        let (mut least, mut used) = (vec![f64::INFINITY; size + 1], vec![false; size + 1]);
        loop {
            used[column] = true;
            let (current, mut delta, mut next) = (row_of[column], f64::INFINITY, 0);
            for other in 1..=size {
                if used[other] {
                    continue;
                }
                let reduced = cost[(current - 1) * size + other - 1] - row_potential[current] - column_potential[other];
                if reduced < least[other] {
                    least[other] = reduced;
                    way[other] = column;
                }
                if least[other] < delta {
                    delta = least[other];
                    next = other;
                }
            }
            for other in 0..=size {
                if used[other] {
                    row_potential[row_of[other]] += delta;
                    column_potential[other] -= delta;
                } else {
                    least[other] -= delta;
                }
            }
            column = next;
            if row_of[column] == 0 {
                break;
            }
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let mut columns = vec![0; size];
    for column in 1..=size {
        columns[row_of[column] - 1] = column - 1;
    }
    columns
}
