//! What is looked at before pairs are given up, laid side by side.
//!
//! Filters `a` and `b` match only when they differ in few bits: `2i ≥ t·(pa + pb)` is the same as
//! `d ≤ (1 - t)·(pa + pb)`. Two cheap numbers that `d` cannot fall below add up, because they speak of different words:
//! - of two words, the bits set in `(a₀ ^ b₀) | (a₁ ^ b₁)`: one popcount and one addition for both;
//! - of the other words, cut into pieces or put into piles, the differences between the popcounts of those: bytes, so that
//!   one instruction adds up eight of them per row. One byte carries what the left row may differ in, which saves a
//!   subtraction.
//!
//! With an instruction that counts bits, pairs of words tell most for what they cost, and seven piles are enough. Without one
//! ([AVX2](super::arch)), pieces tell more, and only they are looked at: at density .35 the words' own popcounts differ in
//! some 69 bits, those of their halves in 97, of their quarters in 138, of their bytes in 196, where filters differ in 415.

use std::ops::Range;

use super::block::{ClkBlock, LANES, Lanes};
use super::job::Job;

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
    /// Per row the popcounts of pieces, a byte each. On the left the highest byte of the last lane is what the row may differ
    /// in, below [`most`]; on the right it is 0.
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

    pub(super) fn prepare_left(&mut self, job: &Job<'_>, groups: Range<usize>, most: i64) {
        let last = self.screen.lanes;
        self.prepare(job, job.left, groups, |lanes, group, mask| {
            *mask = job.left_mask(group);
            for (lane, ones) in lanes[last].0.iter_mut().zip(job.ones(job.left, group)) {
                // At most 255 fit; less than is true only keeps pairs alive.
                *lane |= ((most - job.may_differ(ones)).clamp(0, 255) as u64) << 56;
            }
        });
    }

    pub(super) fn prepare_right(&mut self, job: &Job<'_>, groups: Range<usize>, most: i64) {
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
        let pieces = Pieces::new(&job.order[2 * pairs..], pieces_lanes);
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

/// The most bits that any left row of a job may differ in.
pub(super) fn most(job: &Job<'_>) -> i64 {
    let groups = super::job::groups(&job.left_rows);
    groups.flat_map(|group| job.ones(job.left, group)).max().map_or(0, |ones| job.may_differ(ones))
}

/// How words become the bytes of some lanes.
pub(super) struct Pieces<'a> {
    words: &'a [u8],
    /// Pieces of every word, the same number for each or twice as many for the first ones: 1, 2, 4 or 8. Empty when there
    /// are more words than bytes, which are then put on piles.
    cut: Vec<usize>,
    /// Bytes there are: all but the highest.
    bytes: usize,
}

impl<'a> Pieces<'a> {
    /// The words in so many lanes; the first words, which tell most, are cut into the most pieces.
    pub(super) fn new(words: &'a [u8], lanes: usize) -> Self {
        let bytes = 8 * lanes - 1;
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

    /// Writes the popcounts of eight rows.
    pub(super) fn write(&self, block: &ClkBlock, group: usize, lanes: &mut [Lanes]) {
        for row in 0..LANES {
            self.row(block, group, row, |lane, bytes| lanes[lane].0[row] = bytes);
        }
    }

    /// The popcounts of one row, lane by lane.
    #[inline]
    pub(super) fn row(&self, block: &ClkBlock, group: usize, row: usize, mut lane: impl FnMut(usize, u64)) {
        // At most 4096 bits, a byte each; what is written begins within them and is eight bytes.
        let mut bytes = [0_u8; 512 + 8];
        if self.cut.is_empty() {
            let ones = block.word_ones(group);
            for (at, word) in self.words.iter().enumerate() {
                // Where a pile overflows it stays full: two full piles differ by less than they should, which loses no pair.
                let pile = &mut bytes[at % self.bytes];
                *pile = pile.saturating_add(ones[usize::from(*word)][row]);
            }
        } else {
            let (words, mut at) = (block.lanes(group), 0);
            for (word, cut) in self.words.iter().zip(&self.cut) {
                let ones = piece_ones(words[usize::from(*word)].0[row], *cut);
                bytes[at..at + 8].copy_from_slice(&ones.to_le_bytes());
                at += cut;
            }
        }
        let lanes = bytes.as_chunks::<8>().0.iter().take(self.bytes.div_ceil(8));
        lanes.enumerate().for_each(|(at, bytes)| lane(at, u64::from_le_bytes(*bytes)));
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
    fn words_are_cut_into_no_more_pieces_than_there_are_bytes_and_the_first_into_the_most() {
        let words: Vec<u8> = (0..16).collect();
        let cut = |count: usize, lanes: usize| Pieces::new(&words[..count], lanes).cut;
        assert!(cut(16, 1).is_empty() && cut(16, 2).is_empty(), "seven bytes, or fifteen, are piles of 16 words");
        assert_eq!(cut(16, 3), [[2; 7].as_slice(), &[1; 9]].concat());
        assert_eq!(cut(16, 8), [[4; 15].as_slice(), &[2; 1]].concat());
        assert_eq!(cut(16, 16), [[8; 15].as_slice(), &[4; 1]].concat());
        assert_eq!(cut(2, 9), [8, 8]);
    }
}
