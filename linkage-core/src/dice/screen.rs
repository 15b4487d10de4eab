//! What is looked at before pairs are given up, laid side by side.
//!
//! Filters `a` and `b` match only when they differ in few bits: `2i ≥ t·(pa + pb)` is the same as
//! `d ≤ (1 - t)·(pa + pb)`. Two cheap numbers that `d` cannot fall below add up, because they speak of different words:
//! - of two words, the bits set in `(a₀ ^ b₀) | (a₁ ^ b₁)`: one popcount and one addition for both;
//! - of the other words, cut into pieces or put into piles, the differences between the popcounts of those: bytes, so that
//!   one instruction adds up eight of them per row. One byte, or more where rows are long and unlike, carries what the left
//!   row may differ in, which saves a subtraction.
//!
//! With an instruction that counts bits, pairs of words tell most for what they cost, and seven piles are enough. Without one
//! ([AVX2](super::arch)), pieces tell more, and only they are looked at: at density .35 the words' own popcounts differ in
//! some 69 bits, those of their halves in 97, of their quarters in 138, of their bytes in 196, where filters differ in 415.

use std::ops::Range;

use super::block::{ClkBlock, LANES, Lanes};
use super::job::{Job, groups};

/// Bytes of left rows that meet each right group in turn: half of the first-level cache, so that a right group is fetched
/// from the second once for all of them.
const CHUNK_BYTES: usize = 16 * 1024;

/// What of a pair of rows is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Screen {
    /// Pairs of words that are looked at one by one.
    pub(super) pairs: usize,
    /// Lanes of eight bytes for the popcounts of the pieces of the other words; at least one.
    pub(super) lanes: usize,
}

impl Screen {
    /// What a group takes: its start, its pieces, and its words.
    fn stride(self) -> usize {
        1 + self.lanes + 2 * self.pairs
    }
}

/// Eight rows, as the screen needs them.
pub(super) struct Group<'a> {
    pub(super) group: usize,
    /// The words looked at, twice as many as pairs of words.
    pub(super) words: &'a [Lanes],
    /// Per row the popcounts of pieces, a byte each. On the left the highest bytes of the last lane are what the row may differ
    /// in, below the [`Allowance`]; on the right they are 0.
    pub(super) pieces: &'a [Lanes],
    /// On the right: a number per row (as `i64`) that the lower bound of the difference is added to. Negative sums live.
    pub(super) start: &'a Lanes,
    /// Which of the rows are asked for.
    pub(super) mask: u8,
}

/// Groups prepared for the screen.
pub(super) struct Side {
    screen: Screen,
    first: usize,
    /// Per group its start, its pieces, and its words.
    lanes: Vec<Lanes>,
    masks: Vec<u8>,
}

impl Side {
    pub(super) fn new(screen: Screen) -> Self {
        Self { screen, first: 0, lanes: Vec::new(), masks: Vec::new() }
    }

    /// How many left groups to prepare at a time.
    pub(super) fn chunk(screen: Screen) -> usize {
        (CHUNK_BYTES / (screen.stride() * size_of::<Lanes>())).max(1)
    }

    pub(super) fn prepare_left(&mut self, job: &Job<'_>, groups: Range<usize>) {
        let last = self.screen.lanes;
        self.prepare(job, job.left, groups, |lanes, group, mask| {
            *mask = job.left_mask(group);
            for (lane, ones) in lanes[last].0.iter_mut().zip(job.ones(job.left, group)) {
                *lane |= job.allowance.bytes_of(job.may_differ(ones));
            }
        });
    }

    pub(super) fn prepare_right(&mut self, job: &Job<'_>, groups: Range<usize>) {
        let most = job.allowance.most;
        self.prepare(job, job.right, groups, |lanes, group, mask| {
            *mask = job.right_mask(group);
            // One because both sides are rounded down, and one so that a pair which may differ in just so many bits is negative.
            lanes[0] = Lanes(job.ones(job.right, group).map(|ones| (-most - job.may_differ(ones) - 2) as u64));
        });
    }

    fn prepare(
        &mut self,
        job: &Job<'_>,
        block: &ClkBlock,
        groups: Range<usize>,
        mut rest: impl FnMut(&mut [Lanes], usize, &mut u8),
    ) {
        self.first = groups.start;
        let Screen { pairs, lanes: pieces_lanes } = self.screen;
        let stride = self.screen.stride();
        self.lanes.resize(stride * groups.len(), Lanes::default());
        self.masks.resize(groups.len(), 0);
        let pieces = Pieces::new(&job.order[2 * pairs..], pieces_lanes, job.allowance);
        let lanes = self.lanes.chunks_exact_mut(stride).zip(&mut self.masks);
        for (group, (lanes, mask)) in groups.zip(lanes) {
            let words = block.lanes(group);
            pieces.write(block, group, &mut lanes[1..=pieces_lanes]);
            for (lane, word) in lanes[1 + pieces_lanes..].iter_mut().zip(&job.order) {
                *lane = words[usize::from(*word)];
            }
            rest(lanes, group, mask);
        }
    }

    /// The prepared groups, in order; those up to `last` when it is given.
    #[inline(always)]
    pub(super) fn groups(&self, last: Option<usize>) -> impl Iterator<Item = Group<'_>> {
        let count = last.map_or(self.masks.len(), |last| (last + 1).saturating_sub(self.first).min(self.masks.len()));
        let (pieces, lanes) = (self.screen.lanes, self.lanes.chunks_exact(self.screen.stride()));
        lanes.zip(&self.masks).take(count).enumerate().map(move |(at, (lanes, mask))| Group {
            group: self.first + at,
            start: &lanes[0],
            pieces: &lanes[1..=pieces],
            words: &lanes[1 + pieces..],
            mask: *mask,
        })
    }
}

/// How what a left row may differ in is written beside its pieces: as the bits that it falls short of the most that any of
/// them may differ in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowance {
    most: i64,
    /// Bytes that it takes, the highest of a lane: one, unless rows are long and some far fuller than others.
    bytes: usize,
}

impl Allowance {
    /// With more, too few bytes would be left for pieces.
    const MOST_BYTES: usize = 4;

    pub(super) fn of(job: &Job<'_>) -> Self {
        let (mut least, mut most) = (i64::MAX, 0);
        for group in groups(&job.left_rows) {
            let (mask, ones) = (job.left_mask(group), job.ones(job.left, group));
            for (_, ones) in (0..LANES).zip(ones).filter(|(row, _)| mask & 1 << row != 0) {
                let may = job.may_differ(ones);
                (least, most) = (least.min(may), most.max(may));
            }
        }
        let bytes = usize::try_from(most - least).unwrap_or(0).div_ceil(255);
        Self { most, bytes: bytes.clamp(1, Self::MOST_BYTES) }
    }

    /// The bytes for a row that may differ in so many bits. Where they are too small, less than is true only keeps pairs alive.
    fn bytes_of(self, may_differ: i64) -> u64 {
        let mut short = (self.most - may_differ).max(0) as u64;
        (0..self.bytes).fold(0, |bytes, at| {
            let byte = short.min(255);
            short -= byte;
            bytes | byte << (56 - 8 * at)
        })
    }
}

/// How words become the bytes of some lanes.
pub(super) struct Pieces<'a> {
    words: &'a [u8],
    /// Pieces of every word, the same number for each or twice as many for the first ones: 1, 2, 4 or 8. Empty when there
    /// are more words than bytes, which are then put on piles.
    cut: Vec<usize>,
    /// Bytes there are: all but those of the allowance.
    bytes: usize,
}

impl<'a> Pieces<'a> {
    /// The words in so many lanes; the first words, which tell most, are cut into the most pieces.
    pub(super) fn new(words: &'a [u8], lanes: usize, allowance: Allowance) -> Self {
        let bytes = 8 * lanes - allowance.bytes;
        let Some(mut left) = bytes.checked_sub(words.len()) else { return Self { words, cut: Vec::new(), bytes } };
        let mut cut = vec![1; words.len()];
        for pieces in [1, 2, 4] {
            for cut in cut.iter_mut().filter(|cut| **cut == pieces) {
                if left >= pieces {
                    left -= pieces;
                    *cut *= 2;
                }
            }
        }
        Self { words, cut, bytes }
    }

    /// Writes the popcounts of eight rows, lane by lane.
    pub(super) fn write(&self, block: &ClkBlock, group: usize, lanes: &mut [Lanes]) {
        lanes.fill(Lanes::default());
        if self.cut.is_empty() {
            let ones = block.word_ones(group);
            for pile in 0..self.bytes {
                let mut sums = [0_u8; LANES];
                for word in self.words.iter().skip(pile).step_by(self.bytes) {
                    for (sum, ones) in sums.iter_mut().zip(ones[usize::from(*word)]) {
                        // Where a pile overflows it stays full: two full piles differ by less than they should, which loses no pair.
                        *sum = sum.saturating_add(ones);
                    }
                }
                for (bytes, sum) in lanes[pile / 8].0.iter_mut().zip(sums) {
                    *bytes |= u64::from(sum) << (8 * (pile % 8));
                }
            }
            return;
        }
        let (words, mut at) = (block.lanes(group), 0);
        for (word, cut) in self.words.iter().zip(&self.cut) {
            let ones = words[usize::from(*word)].0.map(|word| piece_ones(word, *cut));
            let (lane, shift) = (at / 8, 8 * (at % 8));
            for (bytes, ones) in lanes[lane].0.iter_mut().zip(ones) {
                *bytes |= ones << shift;
            }
            if at % 8 + cut > 8 {
                for (bytes, ones) in lanes[lane + 1].0.iter_mut().zip(ones) {
                    *bytes |= ones >> (64 - shift);
                }
            }
            at += cut;
        }
    }
}

/// The popcounts of 1, 2, 4 or 8 equal pieces of a word, in as many bytes, the lowest first; the others are 0.
#[inline]
fn piece_ones(word: u64, pieces: usize) -> u64 {
    if pieces == 1 {
        return u64::from(word.count_ones());
    }
    let ones = word - ((word >> 1) & 0x5555_5555_5555_5555);
    let ones = (ones & 0x3333_3333_3333_3333) + ((ones >> 2) & 0x3333_3333_3333_3333);
    let ones = (ones + (ones >> 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    if pieces == 8 {
        return ones;
    }
    // No byte overflows: a piece has at most 32 bits.
    let ones = (ones + (ones >> 8)) & 0x00FF_00FF_00FF_00FF;
    if pieces == 4 {
        let ones = (ones | (ones >> 8)) & 0x0000_FFFF_0000_FFFF;
        return (ones | (ones >> 16)) & 0xFFFF_FFFF;
    }
    let ones = (ones + (ones >> 16)) & 0x0000_00FF_0000_00FF;
    (ones | (ones >> 24)) & 0xFFFF
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_counted_each_for_itself() {
        for at in 0..200_u64 {
            let word = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) | if at % 7 == 0 { u64::MAX << (at % 64) } else { 0 };
            for pieces in [1, 2, 4, 8] {
                let bits = 64 / pieces;
                let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
                let piece = |piece: usize| u64::from(((word >> (piece * bits)) & mask).count_ones());
                let expected = (0..pieces).fold(0, |bytes, at| bytes | piece(at) << (8 * at));
                assert_eq!(piece_ones(word, pieces), expected, "{word:x} in {pieces}");
            }
        }
    }

    #[test]
    fn what_a_row_falls_short_of_the_most_is_written_in_full_while_there_are_bytes() {
        for (bytes, may_differ, written) in
            [(1, 819, 0), (1, 600, 219), (1, 287, 255), (3, 287, 532), (3, 0, 765), (4, 0, 819)]
        {
            let of = Allowance { most: 819, bytes }.bytes_of(may_differ).to_le_bytes();
            assert_eq!(of.iter().map(|byte| u32::from(*byte)).sum::<u32>(), written, "{may_differ} in {bytes}");
            assert!(of[..8 - bytes].iter().all(|byte| *byte == 0), "beside the pieces");
        }
    }

    #[test]
    fn words_are_cut_into_no_more_pieces_than_there_are_bytes_and_the_first_into_the_most() {
        let words: Vec<u8> = (0..16).collect();
        let one = Allowance { most: 0, bytes: 1 };
        let cut = |count: usize, lanes: usize| Pieces::new(&words[..count], lanes, one).cut;
        assert!(cut(16, 1).is_empty() && cut(16, 2).is_empty(), "seven bytes, or fifteen, are piles of 16 words");
        assert_eq!(cut(16, 3), [[2; 7].as_slice(), &[1; 9]].concat());
        assert_eq!(cut(16, 8), [[4; 15].as_slice(), &[2; 1]].concat());
        assert_eq!(cut(16, 16), [[8; 15].as_slice(), &[4; 1]].concat());
        assert_eq!(cut(2, 9), [8, 8]);
    }
}
