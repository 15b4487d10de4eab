//! Who is whose best: mutual-best pairs and one-to-one assignment.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::pattern::Candidate;

/// Pairs whose both rows have no candidate of a higher value, each with its lead over the next best candidate of
/// either row. Of equal values the first in row order counts as best, with a lead of nothing.
pub(super) fn mutual_best(candidates: &[Candidate], value: &[f32], rows: [usize; 2]) -> Vec<Best> {
    let mut best = [vec![Top::default(); rows[0]], vec![Top::default(); rows[1]]];
    for (index, (candidate, &value)) in (0u32..).zip(candidates.iter().zip(value)) {
        best[0][candidate.left as usize].offer(index, value);
        best[1][candidate.right as usize].offer(index, value);
    }
    let [left, right] = best;
    left.iter()
        .filter_map(|top| {
            let candidate = candidates.get(top.index as usize)?;
            let other = right[candidate.right as usize];
            (other.index == top.index)
                .then(|| Best { index: top.index, lead: top.value - top.second.max(other.second) })
        })
        .collect()
}

/// A pair that is the best of both its rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    /// Which candidate.
    pub(super) index: u32,
    /// By how much its value exceeds that of any other candidate of its rows.
    pub(super) lead: f32,
}

#[derive(Clone, Copy)]
struct Top {
    index: u32,
    value: f32,
    second: f32,
}

impl Default for Top {
    fn default() -> Self {
        Self { index: u32::MAX, value: f32::NEG_INFINITY, second: f32::NEG_INFINITY }
    }
}

impl Top {
    fn offer(&mut self, index: u32, value: f32) {
        if value > self.value {
            *self = Self { index, value, second: self.value };
        } else if value > self.second {
            self.second = value;
        }
    }
}

/// The candidates that one-to-one assignment keeps, as indices, the surest first: exact, then by value, then by rows.
pub(super) fn assign(candidates: &[Candidate], value: &[f32], rows: [usize; 2]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..candidates.len() as u32).collect();
    order.par_sort_unstable_by(|&a, &b| surest_first(candidates, value, a, b));
    let mut taken = [vec![false; rows[0]], vec![false; rows[1]]];
    order.retain(|&index| {
        let candidate = &candidates[index as usize];
        let (left, right) = (candidate.left as usize, candidate.right as usize);
        let free = !taken[0][left] && !taken[1][right];
        if free {
            taken[0][left] = true;
            taken[1][right] = true;
        }
        free
    });
    order
}

fn surest_first(candidates: &[Candidate], value: &[f32], a: u32, b: u32) -> Ordering {
    let (x, y) = (&candidates[a as usize], &candidates[b as usize]);
    y.exact
        .cmp(&x.exact)
        .then_with(|| value[b as usize].total_cmp(&value[a as usize]))
        .then_with(|| (x.left, x.right).cmp(&(y.left, y.right)))
}
