//! CLKs laid out for comparison.

use std::mem::size_of;

use super::error::BlockError;

/// Rows that are compared side by side: one 64-bit lane each.
pub(super) const LANES: usize = 8;

/// Longest CLK in words (4096 bits).
const MAX_WORDS: usize = 64;

/// One word of eight rows: a cache line, and one 512-bit register.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Lanes(pub(super) [u64; LANES]);

/// Popcounts of eight rows. No CLK has more than 4096 bits, so 16 bits hold them.
pub(super) type Counts = [u16; LANES];

/// CLKs of one length in a lane-transposed layout, with their popcounts.
///
/// Rows are kept in groups of eight; within a group lie word 0 of all eight rows, then word 1, and so on, so that one
/// aligned load brings one word of eight rows. The last group is filled up with zeros, which match nothing. Beside the
/// words are the popcounts of whole rows and of what remains after each checkpoint, which bound what
/// a half-finished comparison can still reach.
pub struct ClkBlock {
    words: usize,
    rows: usize,
    checkpoints: Vec<usize>,
    /// `words` per group.
    lanes: Vec<Lanes>,
    /// Per group: the whole rows' popcounts, then one entry per checkpoint.
    counts: Vec<Counts>,
}

impl ClkBlock {
    /// An empty block for `capacity` CLKs of `clk_bytes` bytes each.
    ///
    /// # Errors
    /// When the length is not a multiple of 8 within 8..=512 bytes (64 to 4096 bits).
    pub fn with_capacity(clk_bytes: usize, capacity: usize) -> Result<Self, BlockError> {
        let words = clk_bytes / 8;
        if !clk_bytes.is_multiple_of(8) || !(1..=MAX_WORDS).contains(&words) {
            return Err(BlockError::Length { clk_bytes });
        }
        let checkpoints = checkpoints(words);
        let groups = capacity.div_ceil(LANES);
        Ok(Self {
            words,
            rows: 0,
            lanes: Vec::with_capacity(groups * words),
            counts: Vec::with_capacity(groups * (1 + checkpoints.len())),
            checkpoints,
        })
    }

    /// A block of the given CLKs, each of `clk_bytes` bytes.
    ///
    /// # Errors
    /// When `clk_bytes` is no CLK length, or a row has another length.
    pub fn from_rows<'a>(clk_bytes: usize, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BlockError> {
        let rows = rows.into_iter();
        let mut block = Self::with_capacity(clk_bytes, rows.size_hint().0)?;
        for row in rows {
            block.push(row)?;
        }
        Ok(block)
    }

    /// Makes room for `rows` more CLKs and no more than that, so that [`bytes_for`](Self::bytes_for) stays true.
    pub fn reserve(&mut self, rows: usize) {
        let groups = (self.rows + rows).div_ceil(LANES);
        let (lanes, counts) = (groups * self.words, groups * (1 + self.checkpoints.len()));
        self.lanes.reserve_exact(lanes.saturating_sub(self.lanes.len()));
        self.counts.reserve_exact(counts.saturating_sub(self.counts.len()));
    }

    /// Appends a CLK. An all-zero CLK matches nothing, so it also stands for a row that has none.
    ///
    /// # Errors
    /// When it is not of the block's length.
    pub fn push(&mut self, clk: &[u8]) -> Result<(), BlockError> {
        if clk.len() != self.words * 8 {
            return Err(BlockError::Ragged { row: self.rows, clk_bytes: clk.len(), expected: self.words * 8 });
        }
        let lane = self.rows % LANES;
        let per_group = 1 + self.checkpoints.len();
        if lane == 0 {
            self.lanes.resize(self.lanes.len() + self.words, Lanes::default());
            self.counts.resize(self.counts.len() + per_group, [0; LANES]);
        }
        let lanes_from = self.lanes.len() - self.words;
        let counts_from = self.counts.len() - per_group;
        let (lanes, counts) = (&mut self.lanes[lanes_from..], &mut self.counts[counts_from..]);
        for (word, bytes) in clk.as_chunks::<8>().0.iter().enumerate() {
            let bits = u64::from_le_bytes(*bytes);
            lanes[word].0[lane] = bits;
            let ones = bits.count_ones() as u16;
            counts[0][lane] += ones;
            for (entry, checkpoint) in counts[1..].iter_mut().zip(&self.checkpoints) {
                if word >= *checkpoint {
                    entry[lane] += ones;
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// 64-bit words per row.
    pub fn words(&self) -> usize {
        self.words
    }

    /// The number of bits set in a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn popcount(&self, row: usize) -> u32 {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        self.counts(row / LANES, 0)[row % LANES].into()
    }

    /// Memory that the block holds.
    pub fn bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lanes>() + self.counts.capacity() * size_of::<Counts>()
    }

    /// Memory that a block of `rows` rows of `clk_bytes` bytes takes, to be reserved before it is built.
    pub fn bytes_for(clk_bytes: usize, rows: usize) -> usize {
        let words = clk_bytes.div_ceil(8);
        let per_group = words * size_of::<Lanes>() + (1 + checkpoints(words).len()) * size_of::<Counts>();
        rows.div_ceil(LANES) * per_group
    }

    /// Words after which a comparison may stop, ascending; all below [`words`](Self::words).
    pub(super) fn checkpoints(&self) -> &[usize] {
        &self.checkpoints
    }

    /// The words of a group of eight rows.
    pub(super) fn lanes(&self, group: usize) -> &[Lanes] {
        &self.lanes[group * self.words..][..self.words]
    }

    /// A group's popcounts: entry 0 those of whole rows, entry `k + 1` those of the words from checkpoint `k` on.
    pub(super) fn counts(&self, group: usize, entry: usize) -> &Counts {
        &self.counts[group * (1 + self.checkpoints.len()) + entry]
    }

    /// One word of one row.
    pub(super) fn word(&self, row: usize, word: usize) -> u64 {
        self.lanes[row / LANES * self.words + word].0[row % LANES]
    }
}

impl std::fmt::Debug for ClkBlock {
    /// Sizes only: no token bytes in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClkBlock").field("rows", &self.rows).field("words", &self.words).finish_non_exhaustive()
    }
}

/// Three to eight sixteenths of the words: where stopping was worth while at thresholds from 0.9 down to 0.8.
fn checkpoints(words: usize) -> Vec<usize> {
    let mut at: Vec<usize> = (3..=8).map(|sixteenths| words * sixteenths / 16).filter(|word| *word > 0).collect();
    at.dedup();
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_popcounts_are_those_of_the_rows() {
        let rows: Vec<Vec<u8>> = (0..13_u8).map(|row| (0..128).map(|byte| row.wrapping_mul(byte)).collect()).collect();
        let block = ClkBlock::from_rows(128, rows.iter().map(Vec::as_slice)).unwrap();
        assert_eq!((block.rows(), block.words(), block.checkpoints()), (13, 16, &[3, 4, 5, 6, 7, 8][..]));
        for (at, row) in rows.iter().enumerate() {
            let words: Vec<u64> = row.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
            let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
            assert_eq!((0..16).map(|word| block.word(at, word)).collect::<Vec<_>>(), words);
            assert_eq!(block.popcount(at), ones(&words));
            for (entry, from) in [(1, 3), (2, 4), (3, 5), (4, 6), (5, 7), (6, 8)] {
                assert_eq!(u32::from(block.counts(at / LANES, entry)[at % LANES]), ones(&words[from..]));
            }
        }
    }

    #[test]
    fn only_rows_of_one_valid_length_are_taken() {
        for clk_bytes in [0, 7, 12, 520] {
            assert_eq!(ClkBlock::with_capacity(clk_bytes, 1).unwrap_err(), BlockError::Length { clk_bytes });
        }
        let refused = ClkBlock::from_rows(16, [&[0_u8; 16][..], &[0; 8][..]]).unwrap_err();
        assert_eq!(refused, BlockError::Ragged { row: 1, clk_bytes: 8, expected: 16 });
    }

    #[test]
    fn the_memory_estimate_is_what_a_filled_block_takes() {
        for (clk_bytes, rows) in [(8, 0), (8, 1), (128, 1000), (512, 17)] {
            let mut block = ClkBlock::with_capacity(clk_bytes, rows).unwrap();
            for _ in 0..rows {
                block.push(&vec![1; clk_bytes]).unwrap();
            }
            assert_eq!(block.bytes(), ClkBlock::bytes_for(clk_bytes, rows));
            block.reserve(100);
            assert_eq!(block.bytes(), ClkBlock::bytes_for(clk_bytes, rows + 100));
        }
    }
}
