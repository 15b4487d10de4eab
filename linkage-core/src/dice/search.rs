//! All pairs of two blocks at or above a threshold.

use std::ops::Range;

use super::block::{ClkBlock, LANES};
use super::choose::{Chooser, order};
use super::job::Job;
use super::kernel::Kernel;
use super::score::score;
use super::screen::Allowance;
use super::threshold::DiceThreshold;

/// A pair at or above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    /// Row of the left block.
    pub left: u32,
    /// Row of the right block.
    pub right: u32,
    /// Bits that both filters set.
    pub intersection: u32,
    /// The sum of both popcounts, over the segments that both rows have.
    pub ones: u32,
}

impl Match {
    /// The Dice similarity.
    pub fn score(&self) -> f64 {
        score(self.intersection, self.ones, 0)
    }
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchStats {
    /// Pairs compared, those given up early included.
    pub compared: u64,
    /// Pairs given up early, because what was left could not lift them to the threshold.
    pub aborted: u64,
}

/// Appends to `out` every pair of `left_rows` × `right_rows` that reaches the threshold, in no particular order.
///
/// Ranges that start at multiples of 8 waste no work; in blocks of segmented tokens they are ranges of the block's order,
/// so that ranges which cover `0..rows()` meet every row once. Empty filters match nothing, nor do rows without a common
/// segment.
///
/// # Panics
/// When a range exceeds its block, when the blocks hold CLKs of different lengths or segments, or when a block has 2³²
/// rows or more: the caller has checked its schema.
pub fn search(
    kernel: Kernel,
    left: &ClkBlock,
    left_rows: Range<usize>,
    right: &ClkBlock,
    right_rows: Range<usize>,
    threshold: DiceThreshold,
    out: &mut Vec<Match>,
) -> SearchStats {
    assert_eq!(left.words(), right.words(), "both blocks must hold CLKs of one length");
    assert_eq!(left.segments(), right.segments(), "both blocks must hold tokens of one layout");
    run(kernel, (left, left_rows), (right, right_rows), threshold, false, out)
}

/// Appends to `out` every pair of two rows of one block that reaches the threshold, once, `left` below `right`.
///
/// Of the pairs, those are looked for whose first row in the block's order lies in `first_rows` and whose second, which comes
/// after it, lies in `second_rows`. So a block is searched in parts, or by several threads, without comparing a pair
/// twice: split either range, and leave the other whole. Parts of `first_rows` near the end have less to do.
///
/// # Panics
/// When a range exceeds the block, or it has 2³² rows or more.
pub fn search_self(
    kernel: Kernel,
    block: &ClkBlock,
    first_rows: Range<usize>,
    second_rows: Range<usize>,
    threshold: DiceThreshold,
    out: &mut Vec<Match>,
) -> SearchStats {
    run(kernel, (block, first_rows), (block, second_rows), threshold, true, out)
}

fn run(
    kernel: Kernel,
    (left, left_order): (&ClkBlock, Range<usize>),
    (right, right_order): (&ClkBlock, Range<usize>),
    threshold: DiceThreshold,
    once: bool,
    out: &mut Vec<Match>,
) -> SearchStats {
    assert!(left_order.end <= left.rows() && right_order.end <= right.rows(), "the ranges must lie within the blocks");
    assert!(u32::try_from(left.rows().max(right.rows())).is_ok(), "rows are numbered in 32 bits");
    let found = out.len();
    let mut stats = SearchStats::default();
    let right_parts = right.parts(&right_order);
    for (left_pattern, left_rows) in left.parts(&left_order) {
        for (right_pattern, right_rows) in &right_parts {
            // The order is by pattern: rows of another pattern come all before, or all after.
            if once && right_pattern < &left_pattern {
                continue;
            }
            let once = once && *right_pattern == left_pattern;
            let (left_rows, right_rows) = (left_rows.clone(), right_rows.clone());
            let (order, allowance) = (Vec::new(), Allowance::default());
            let job = Job { left, left_rows, right, right_rows, threshold, once, order, allowance, screen: None };
            run_job(kernel, job, left_pattern & right_pattern, &mut stats, out);
        }
    }
    for pair in &mut out[found..] {
        let (left, right) = (left.number(pair.left), right.number(pair.right));
        (pair.left, pair.right) = if once { (left.min(right), left.max(right)) } else { (left, right) };
    }
    stats
}

/// Searches rows of one pattern each, tile by tile.
fn run_job(kernel: Kernel, mut job: Job<'_>, shared: u16, stats: &mut SearchStats, out: &mut Vec<Match>) {
    if job.left_rows.is_empty() || job.right_rows.is_empty() {
        return;
    }
    stats.compared += job.pairs();
    let (words, segments) = (job.left.words(), job.left.segments());
    let counts = (0..words as u8).filter(|word| shared & 1 << (usize::from(*word) * segments / words) != 0);
    job.order = order(&job, counts);
    // Nothing in common, so nothing to compare.
    if job.order.is_empty() {
        return;
    }
    job.allowance = Allowance::of(&job);
    let mut chooser = Chooser::new(&job, kernel.looks());
    for tile in job.right_tiles() {
        let mut part = job.clone();
        part.right_rows = (tile.start * LANES).max(job.right_rows.start)..(tile.end * LANES).min(job.right_rows.end);
        part.screen = chooser.choose(&part);
        let aborted = kernel.run(&part, out);
        chooser.measured(&part, aborted);
        stats.aborted += aborted;
    }
}
