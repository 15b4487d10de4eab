//! The people of the gold pairs, in two halves: a person's records are never in both.

use std::collections::HashMap;

use super::Sample;
use crate::block::random::Draws;

/// What the draws of this module are for.
const PURPOSE: u64 = 1;

/// One half of the people.
pub(super) struct Half {
    /// How many there are.
    pub(super) people: usize,
    /// Their pairs of rows, person by person in a random order.
    pub(super) pairs: Vec<(u32, u32)>,
    /// The rows of this half and of nobody in the other, left and right: those who stand in a pair first, as `pairs` has
    /// them, then the others in a random order.
    pub(super) rows: [Vec<u32>; 2],
}

/// Splits the people of the sample. Everyone who is in no pair is in both halves: they are the strangers that a pair
/// has to be told from.
pub(super) fn split(sample: Sample<'_>, seed: u64) -> [Half; 2] {
    let mut draws = Draws::new(seed, PURPOSE);
    let mut people = people(sample.gold);
    shuffle(&mut people, &mut draws);
    let mut taken = [vec![false; sample.left.len()], vec![false; sample.right.len()]];
    for &(left, right) in sample.gold {
        taken[0][left as usize] = true;
        taken[1][right as usize] = true;
    }
    let strangers = taken.each_ref().map(|taken| {
        let mut rows: Vec<u32> = (0u32..).zip(taken).filter(|(_, taken)| !**taken).map(|(row, _)| row).collect();
        shuffle(&mut rows, &mut draws);
        rows
    });
    let judged = people.split_off(people.len().div_ceil(2));
    [people, judged].map(|people| {
        let pairs: Vec<(u32, u32)> = people.iter().flatten().copied().collect();
        let rows = [0, 1].map(|side| {
            let mut rows: Vec<u32> = Vec::new();
            let mut seen = vec![false; taken[side].len()];
            for row in pairs.iter().map(|pair| if side == 0 { pair.0 } else { pair.1 }) {
                if !std::mem::replace(&mut seen[row as usize], true) {
                    rows.push(row);
                }
            }
            rows.extend_from_slice(&strangers[side]);
            rows
        });
        Half { people: people.len(), pairs, rows }
    })
}

/// The pairs, gathered by person: pairs that share a row are of one.
fn people(gold: &[(u32, u32)]) -> Vec<Vec<(u32, u32)>> {
    let mut pairs = gold.to_vec();
    pairs.sort_unstable();
    pairs.dedup();
    let mut parent: Vec<usize> = (0..pairs.len()).collect();
    let root = |parent: &mut [usize], mut pair: usize| {
        while parent[pair] != pair {
            parent[pair] = parent[parent[pair]];
            pair = parent[pair];
        }
        pair
    };
    let mut first: HashMap<(bool, u32), usize> = HashMap::new();
    for (index, &(left, right)) in pairs.iter().enumerate() {
        for row in [(false, left), (true, right)] {
            let other = *first.entry(row).or_insert(index);
            let (a, b) = (root(&mut parent, index), root(&mut parent, other));
            // The smaller number stays, so that people come in the order of their first pair.
            parent[a.max(b)] = a.min(b);
        }
    }
    let mut people: Vec<Vec<(u32, u32)>> = vec![Vec::new(); pairs.len()];
    for (index, &pair) in pairs.iter().enumerate() {
        people[root(&mut parent, index)].push(pair);
    }
    people.retain(|pairs| !pairs.is_empty());
    people
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], draws: &mut Draws) {
    for last in (1..items.len()).rev() {
        items.swap(last, draws.below(last as u64 + 1) as usize);
    }
}
