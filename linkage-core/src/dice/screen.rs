//! What is looked at before pairs are given up, laid side by side.
//!
//! Filters `a` and `b` match only when they differ in few bits: `2i ≥ t·(pa + pb)` is the same as
//! `d ≤ (1 - t)·(pa + pb)`. Two cheap numbers that `d` cannot fall below add up, because they speak of different words:
//! - of two words, the bits set in `(a₀ ^ b₀) | (a₁ ^ b₁)`: one popcount and one addition for both;
//! - of the other words, put into seven piles, the differences between the piles' popcounts: bytes, so that one
//!   instruction adds up seven of them for eight rows. The eighth byte carries what the left row may differ in, which
//!   saves a subtraction.

use std::ops::Range;

use super::block::{ClkBlock, LANES, Lanes};
use super::job::Job;

/// Piles that the words are put into which are not looked at one by one.
const PILES: usize = 7;

/// Bytes of left rows that meet each right group in turn: half of the first-level cache, so that a right group is fetched
/// from the second once for all of them.
const CHUNK_BYTES: usize = 16 * 1024;

/// Eight rows, as the screen needs them.
pub(super) struct Group<'a> {
    pub(super) group: usize,
    /// The words looked at, twice as many as pairs of words.
    pub(super) words: &'a [Lanes],
    /// Per row seven popcounts of piles. On the left the highest byte is what the row may differ in, below [`Side::most`];
    /// on the right it is 0.
    pub(super) piles: &'a Lanes,
    /// On the right: a number per row (as `i64`) that the lower bound of the difference is added to. Negative sums live.
    pub(super) start: &'a Lanes,
    /// Which of the rows are asked for.
    pub(super) mask: u8,
}

/// Groups prepared for the screen.
#[derive(Default)]
pub(super) struct Side {
    first: usize,
    stride: usize,
    /// Per group its start, its piles, and its words.
    lanes: Vec<Lanes>,
    masks: Vec<u8>,
}

impl Side {
    /// How many left groups to prepare at a time.
    pub(super) fn chunk(pairs: usize) -> usize {
        (CHUNK_BYTES / ((2 + 2 * pairs) * size_of::<Lanes>())).max(1)
    }

    pub(super) fn prepare_left(&mut self, job: &Job<'_>, pairs: usize, groups: Range<usize>, most: i64) {
        self.prepare(job, pairs, job.left, groups, |lanes, group, mask| {
            *mask = job.left_mask(group);
            for (lane, ones) in lanes[1].0.iter_mut().zip(job.ones(job.left, group)) {
                // At most 255 fit; less than is true only keeps pairs alive.
                *lane |= ((most - job.may_differ(ones)).clamp(0, 255) as u64) << (8 * PILES);
            }
        });
    }

    pub(super) fn prepare_right(&mut self, job: &Job<'_>, pairs: usize, groups: Range<usize>, most: i64) {
        self.prepare(job, pairs, job.right, groups, |lanes, group, mask| {
            *mask = job.right_mask(group);
            // One because both sides are rounded down, and one so that a pair which may differ in just so many bits is negative.
            lanes[0] = Lanes(job.ones(job.right, group).map(|ones| (-most - job.may_differ(ones) - 2) as u64));
        });
    }

    fn prepare(
        &mut self,
        job: &Job<'_>,
        pairs: usize,
        block: &ClkBlock,
        groups: Range<usize>,
        mut rest: impl FnMut(&mut [Lanes], usize, &mut u8),
    ) {
        self.first = groups.start;
        self.stride = 2 + 2 * pairs;
        self.lanes.resize(self.stride * groups.len(), Lanes::default());
        self.masks.resize(groups.len(), 0);
        let lanes = self.lanes.chunks_exact_mut(self.stride).zip(&mut self.masks);
        for (group, (lanes, mask)) in groups.zip(lanes) {
            let words = block.lanes(group);
            lanes[1] = piles(&job.order[2 * pairs..], block.word_ones(group));
            for (lane, word) in lanes[2..].iter_mut().zip(&job.order) {
                *lane = words[usize::from(*word)];
            }
            rest(lanes, group, mask);
        }
    }

    /// The prepared groups, in order; those up to `last` when it is given.
    #[inline(always)]
    pub(super) fn groups(&self, last: Option<usize>) -> impl Iterator<Item = Group<'_>> {
        let count = last.map_or(self.masks.len(), |last| (last + 1).saturating_sub(self.first).min(self.masks.len()));
        let lanes = self.lanes.chunks_exact(self.stride.max(1));
        lanes.zip(&self.masks).take(count).enumerate().map(|(at, (lanes, mask))| Group {
            group: self.first + at,
            start: &lanes[0],
            piles: &lanes[1],
            words: &lanes[2..],
            mask: *mask,
        })
    }
}

/// The most bits that any left row of a job may differ in.
pub(super) fn most(job: &Job<'_>) -> i64 {
    let groups = super::job::groups(&job.left_rows);
    groups.flat_map(|group| job.ones(job.left, group)).max().map_or(0, |ones| job.may_differ(ones))
}

/// The popcounts of seven piles of `words`, a byte each, per row.
pub(super) fn piles(words: &[u8], ones: &[[u8; LANES]]) -> Lanes {
    let mut piles = [[0_u8; LANES]; LANES];
    for (at, word) in words.iter().enumerate() {
        // Where a pile overflows it stays full: two full piles differ by less than they should, which loses no pair.
        for (pile, ones) in piles[at % PILES].iter_mut().zip(ones[usize::from(*word)]) {
            *pile = pile.saturating_add(ones);
        }
    }
    let piles = piles.map(u64::from_le_bytes);
    Lanes(transposed(piles))
}

/// Byte `i` of number `j` becomes byte `j` of number `i`.
fn transposed(mut numbers: [u64; LANES]) -> [u64; LANES] {
    for (step, keep) in [(1, 0x00FF_00FF_00FF_00FF_u64), (2, 0x0000_FFFF_0000_FFFF), (4, 0x0000_0000_FFFF_FFFF)] {
        for at in (0..LANES).filter(|at| at & step == 0) {
            let (low, high) = (numbers[at], numbers[at + step]);
            numbers[at] = (low & keep) | ((high & keep) << (8 * step));
            numbers[at + step] = ((low >> (8 * step)) & keep) | (high & !keep);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_change_places_with_numbers() {
        let numbers: [u64; 8] =
            std::array::from_fn(|at| u64::from_le_bytes(std::array::from_fn(|byte| (at * 8 + byte) as u8)));
        for (at, number) in transposed(numbers).into_iter().enumerate() {
            assert_eq!(number.to_le_bytes(), std::array::from_fn(|byte| (byte * 8 + at) as u8));
        }
    }
}
