//! One-to-one assignment: both tables hold each person once, so a row links at most once.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::LinkedPair;

/// Keeps the best pair of each row: exact pairs first, then by descending score, then by row numbers, each taken when
/// neither row is linked yet.
///
/// Every pair kept is the best of both its rows among those still free: symmetric best match, repeated until nothing is
/// left, which is the stable matching when scores differ. It comes close to the optimal assignment at a fraction of the
/// cost (Franke, Sehili, Gladbach and Rahm 2018). Pairs come out in the order in which they were taken, so the
/// assignment at a higher threshold is the part of this one that the threshold accepts.
#[must_use]
pub fn one_to_one(pairs: &[LinkedPair]) -> Vec<LinkedPair> {
    let mut ordered = pairs.to_vec();
    ordered.sort_unstable_by(surest_first);
    let (mut left, mut right) = (HashSet::new(), HashSet::new());
    ordered.retain(|pair| {
        let free = !left.contains(&pair.left) && !right.contains(&pair.right);
        if free {
            left.insert(pair.left);
            right.insert(pair.right);
        }
        free
    });
    ordered
}

fn surest_first(a: &LinkedPair, b: &LinkedPair) -> Ordering {
    b.exact
        .cmp(&a.exact)
        .then_with(|| b.score.total_cmp(&a.score))
        .then_with(|| (a.left, a.right).cmp(&(b.left, b.right)))
}
