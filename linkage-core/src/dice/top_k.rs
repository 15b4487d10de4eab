//! The best pairs of every row.

use std::cmp::Reverse;
use std::ops::Range;

use super::block::ClkBlock;
use super::kernel::Kernel;
use super::search::{Match, SearchStats, search};
use super::threshold::DiceThreshold;

/// Left rows searched before what is found is cut down, so that a low threshold does not fill the memory.
const STRIP_ROWS: usize = 256;

/// Appends to `out`, for every left row, its `k` best pairs at or above the threshold, by row and then by rank.
///
/// Higher similarity is better; of equal ones, the lower right row. So the result depends on nothing else, and partial
/// results over parts of the right rows combine by [`keep_top_k`].
///
/// # Panics
/// As [`search`] does.
#[expect(clippy::too_many_arguments, reason = "those of `search`, and how many")]
pub fn search_top_k(
    kernel: Kernel,
    left: &ClkBlock,
    left_rows: Range<usize>,
    right: &ClkBlock,
    right_rows: Range<usize>,
    threshold: DiceThreshold,
    k: usize,
    out: &mut Vec<Match>,
) -> SearchStats {
    let mut stats = SearchStats::default();
    let mut strip = Vec::new();
    for from in left_rows.clone().step_by(STRIP_ROWS) {
        let rows = from..(from + STRIP_ROWS).min(left_rows.end);
        let done = search(kernel, left, rows, right, right_rows.clone(), threshold, &mut strip);
        stats.compared += done.compared;
        stats.aborted += done.aborted;
        keep_top_k(&mut strip, k);
        out.append(&mut strip);
    }
    stats
}

/// Keeps of every left row its `k` best pairs, and sorts by left row and then by rank: higher similarity, then lower right
/// row.
///
/// Pairs may come from any number of searches. Keeping the best of parts, and then of what the parts kept, gives the
/// same as keeping the best of all.
pub fn keep_top_k(pairs: &mut Vec<Match>, k: usize) {
    pairs.sort_unstable_by(|a, b| {
        // Ratios compared crosswise, in whole numbers: higher first.
        let (a_share, b_share) = (u64::from(a.intersection), u64::from(b.intersection));
        let better = Reverse(a_share * u64::from(b.ones)).cmp(&Reverse(b_share * u64::from(a.ones)));
        a.left.cmp(&b.left).then(better).then(a.right.cmp(&b.right))
    });
    let (mut row, mut rank) = (None, 0);
    pairs.retain(|pair| {
        rank = if row == Some(pair.left) { rank + 1 } else { 0 };
        row = Some(pair.left);
        rank < k
    });
}
