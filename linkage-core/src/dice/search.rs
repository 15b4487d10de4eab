//! All pairs of two blocks at or above a threshold.

use std::ops::Range;

use super::block::{ClkBlock, LANES};
use super::kernel::Kernel;
use super::threshold::DiceThreshold;

/// Bytes of right rows that a kernel passes over for one group of left rows after another: a share of the second-level
/// cache, so that the rows are read from memory once per tile and not once per left row.
const TILE_BYTES: usize = 256 * 1024;

/// What a test of the bound costs, in words compared. Measured on Zen 4 with eight left rows at a time.
const TEST_COST: f64 = 1.0;

/// What it costs to compare a left row once more with eight right rows, relative to doing so in a tile: also what a
/// branch costs that went the other way.
const FINISH_COST: f64 = 6.0;

/// A pair at or above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    /// Row of the left block.
    pub left: u32,
    /// Row of the right block.
    pub right: u32,
    /// Bits that both filters set.
    pub intersection: u32,
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchStats {
    /// Pairs compared, those given up early included.
    pub compared: u64,
    /// Pairs given up early, because what was left could not lift them to the threshold.
    pub aborted: u64,
}

/// What a kernel is asked to do.
pub(super) struct Job<'a> {
    pub(super) left: &'a ClkBlock,
    pub(super) left_rows: Range<usize>,
    pub(super) right: &'a ClkBlock,
    pub(super) right_rows: Range<usize>,
    pub(super) threshold: DiceThreshold,
    /// Which of the blocks' checkpoints to test the bound at; `None` compares every pair to its end.
    pub(super) checkpoint: Option<usize>,
}

impl Job<'_> {
    /// The right groups that hold right rows, in tiles.
    pub(super) fn right_tiles(&self) -> impl Iterator<Item = Range<usize>> {
        let groups = groups(&self.right_rows);
        let step = (TILE_BYTES / (self.right.words() * LANES * 8)).max(1);
        let end = groups.end;
        groups.step_by(step).map(move |from| from..(from + step).min(end))
    }

    /// Which of the eight rows of a left group are asked for, as bits.
    pub(super) fn left_mask(&self, group: usize) -> u8 {
        mask(group, &self.left_rows)
    }

    /// Which of the eight rows of a right group are asked for, as bits.
    pub(super) fn right_mask(&self, group: usize) -> u8 {
        mask(group, &self.right_rows)
    }
}

/// Appends to `out` every pair of `left_rows` × `right_rows` that reaches the threshold, in no particular order.
///
/// Ranges that start at multiples of 8 waste no work. Empty filters match nothing.
///
/// # Panics
/// When a range exceeds its block, when the blocks hold CLKs of different lengths, or when a block has more than 2³²
/// rows: the caller has checked its schema.
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
    assert!(left_rows.end <= left.rows() && right_rows.end <= right.rows(), "the ranges must lie within the blocks");
    assert!(u32::try_from(left.rows().max(right.rows())).is_ok(), "rows are numbered in 32 bits");
    if left_rows.is_empty() || right_rows.is_empty() {
        return SearchStats::default();
    }
    let compared = left_rows.len() as u64 * right_rows.len() as u64;
    let mut job = Job { left, left_rows, right, right_rows, threshold, checkpoint: None };
    job.checkpoint = choose_checkpoint(&job);
    let aborted = kernel.run(&job, out);
    SearchStats { compared, aborted }
}

/// The checkpoint at which stopping pays most, from the survivors of a sample; `None` when it does not pay at all.
///
/// The best one depends on threshold and data, and on diffused tokens hardly a pair can be given up at any of them.
fn choose_checkpoint(job: &Job<'_>) -> Option<usize> {
    let groups = groups(&job.right_rows);
    let samples = samples(job.left_rows.len() * groups.len());
    // A handful of samples says nothing, and a job that small is over before the question matters.
    if samples < 16 {
        return None;
    }
    let checkpoints = job.left.checkpoints();
    let mut survivors = vec![0_usize; checkpoints.len()];
    for sample in 0..samples {
        // Multiples of the golden ratio spread evenly over rows and groups, and are the same in every run.
        let spread = |salt: u64, count: usize| {
            let fraction = (sample as u64 * 2 + salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            (fraction as usize * count) >> 32
        };
        let row = job.left_rows.start + spread(0, job.left_rows.len());
        let group = groups.start + spread(1, groups.len());
        for (count, survives) in survivors.iter_mut().zip(survivals(job, row, group)) {
            *count += usize::from(survives);
        }
    }
    let words = job.left.words() as f64;
    let mut best = (words, None);
    for (at, (word, survivors)) in checkpoints.iter().zip(survivors).enumerate() {
        let cost = *word as f64 + TEST_COST + survivors as f64 / samples as f64 * FINISH_COST * words;
        if cost < best.0 {
            best = (cost, Some(at));
        }
    }
    best.1
}

/// How many of the comparisons of one left row with eight right rows are sampled to choose a checkpoint: a few at once, so
/// that small jobs choose too, and more where a survivor in a hundred makes a difference and the time for it is there.
fn samples(comparisons: usize) -> usize {
    (comparisons / 1024).min(256).max((comparisons / 8192).min(2048))
}

/// Whether any pair of a left row with a right group could still match, at each checkpoint.
fn survivals(job: &Job<'_>, row: usize, group: usize) -> Vec<bool> {
    let (lane, left_group) = (row % LANES, row / LANES);
    let lanes = job.right.lanes(group);
    let mut common = [0_u32; LANES];
    let mut from = 0;
    let mut survivals = Vec::with_capacity(job.left.checkpoints().len());
    for (at, word) in job.left.checkpoints().iter().enumerate() {
        for (offset, right) in lanes[from..*word].iter().enumerate() {
            let left = job.left.word(row, from + offset);
            for (common, right) in common.iter_mut().zip(right.0) {
                *common = common.wrapping_add((left & right).count_ones());
            }
        }
        from = *word;
        let (left_all, left_rest) = (job.left.counts(left_group, 0)[lane], job.left.counts(left_group, at + 1)[lane]);
        let (right_all, right_rest) = (job.right.counts(group, 0), job.right.counts(group, at + 1));
        survivals.push((0..LANES).any(|lane| {
            // The weaker of the bounds that kernels use, and the cheaper: see `arch::avx512`.
            let reachable = common[lane] + u32::from(left_rest + right_rest[lane]).div_ceil(2);
            job.threshold.accepts(reachable, left_all.into(), right_all[lane].into())
        }));
    }
    survivals
}

/// The groups of eight that hold `rows`.
pub(super) fn groups(rows: &Range<usize>) -> Range<usize> {
    rows.start / LANES..rows.end.div_ceil(LANES)
}

/// The bits of `group`'s eight rows that lie in `rows`.
fn mask(group: usize, rows: &Range<usize>) -> u8 {
    let first = group * LANES;
    if rows.start <= first && first + LANES <= rows.end {
        return 0xFF;
    }
    (0..LANES).filter(|lane| rows.contains(&(first + lane))).fold(0, |mask, lane| mask | 1 << lane)
}
