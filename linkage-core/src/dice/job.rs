//! What a kernel is asked to do.

use std::ops::Range;

use super::block::{ClkBlock, LANES, Lanes};
use super::screen::{Allowance, Screen};
use super::search::Match;
use super::threshold::DiceThreshold;

/// Bytes of right rows that a kernel passes over for one group of left rows after another: a share of the second-level
/// cache, so that the rows are read from memory once per tile and not once per left row.
const TILE_BYTES: usize = 256 * 1024;

/// Binary places of fixed-point numbers.
const SHIFT: u32 = 31;

/// All pairs of two ranges of rows. Rows count as they lie in the blocks, those that fill up a group included.
#[derive(Clone)]
pub(super) struct Job<'a> {
    pub(super) left: &'a ClkBlock,
    pub(super) left_rows: Range<usize>,
    pub(super) right: &'a ClkBlock,
    pub(super) right_rows: Range<usize>,
    pub(super) threshold: DiceThreshold,
    /// Both sides are one block, and a pair is wanted once: that with the lower row on the left.
    pub(super) once: bool,
    /// The words that count, the most telling first. Fewer than all where rows lack segments.
    pub(super) order: Vec<u8>,
    /// How what left rows may differ in is written for a screen.
    pub(super) allowance: Allowance,
    /// What to look at before pairs of rows are given up; `None` compares every pair to its end.
    pub(super) screen: Option<Screen>,
}

impl Job<'_> {
    /// The right groups that hold right rows, in tiles.
    pub(super) fn right_tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let groups = groups(&self.right_rows);
        let step = (TILE_BYTES / (self.right.words() * LANES * 8)).max(1);
        let end = groups.end;
        groups.step_by(step).map(move |from| from..(from + step).min(end))
    }

    /// The left groups that hold left rows, `count` at a time.
    pub(super) fn left_chunks(&self, count: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let groups = groups(&self.left_rows);
        let end = groups.end;
        groups.step_by(count).map(move |from| from..(from + count).min(end))
    }

    /// Which of the eight rows of a left group are asked for, as bits.
    pub(super) fn left_mask(&self, group: usize) -> u8 {
        mask(group, &self.left_rows)
    }

    /// Which of the eight rows of a right group are asked for, as bits.
    pub(super) fn right_mask(&self, group: usize) -> u8 {
        mask(group, &self.right_rows)
    }

    /// Pairs asked for.
    pub(super) fn pairs(&self) -> u64 {
        let all = self.left_rows.len() as u64 * self.right_rows.len() as u64;
        if !self.once {
            return all;
        }
        // Left rows from `start` on have ever fewer right rows above them.
        let (left, right) = (&self.left_rows, &self.right_rows);
        left.clone().map(|row| right.end.saturating_sub(right.start.max(row + 1)) as u64).sum()
    }

    /// The popcounts of a group's rows over the words that count.
    pub(super) fn ones(&self, block: &ClkBlock, group: usize) -> [u16; LANES] {
        if self.order.len() == block.words() {
            return *block.counts(group);
        }
        let ones = block.word_ones(group);
        let mut sums = [0; LANES];
        for word in &self.order {
            for (sum, ones) in sums.iter_mut().zip(ones[usize::from(*word)]) {
                *sum += u16::from(ones);
            }
        }
        sums
    }

    /// How many bits a pair may differ in and match: at most what this gives for either row, and one more.
    pub(super) fn may_differ(&self, ones: u16) -> i64 {
        let factor = (u64::from(1_000_000 - self.threshold.ppm()) << SHIFT).div_ceil(1_000_000);
        ((u64::from(ones) * factor) >> SHIFT) as i64
    }

    /// How many bits a pair must have in common to match: at least the sum of what this gives for either row.
    pub(super) fn must_share(&self, ones: u16) -> i64 {
        let factor = (u64::from(self.threshold.ppm()) << SHIFT) / 2_000_000;
        ((u64::from(ones) * factor) >> SHIFT) as i64
    }

    /// Compares eight right rows with those left rows of a group that are `alive`, to the end, and appends those that match.
    /// `common` counts the bits that one left row has in common with eight right rows. Returns how many pairs were compared.
    pub(super) fn finish(
        &self,
        (left_group, alive): (usize, u8),
        right_group: usize,
        out: &mut Vec<Match>,
        common: impl Fn(&[Lanes], usize, &[Lanes]) -> [u64; LANES],
    ) -> u64 {
        let (left_lanes, right_lanes) = (self.left.lanes(left_group), self.right.lanes(right_group));
        let (left_ones, right_ones) = (self.ones(self.left, left_group), self.ones(self.right, right_group));
        let mut compared = 0;
        for row in (0..LANES).filter(|row| alive & 1 << row != 0) {
            let mut asked = self.right_mask(right_group);
            if self.once && left_group == right_group {
                asked &= 0xFE << row;
            }
            compared += u64::from(asked.count_ones());
            let common = common(left_lanes, row, right_lanes);
            for lane in (0..LANES).filter(|lane| asked & 1 << lane != 0) {
                let (intersection, pa, pb) = (common[lane] as u32, left_ones[row].into(), right_ones[lane].into());
                if self.threshold.accepts(intersection, pa, pb) {
                    let (left, right) = ((left_group * LANES + row) as u32, (right_group * LANES + lane) as u32);
                    out.push(Match { left, right, intersection, ones: pa + pb });
                }
            }
        }
        compared
    }
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
