//! CLKs row by row: the layout from which single rows are fetched.

use std::mem::size_of;

use crate::dice::{BlockError, ClkBlock, segment_presence};

/// CLKs of one length, each row in one piece.
///
/// [`ClkBlock`] spreads a row over as many cache lines as it has words, which is right when all rows are read in order.
/// Candidates are fetched one by one; here a row of 1024 bits is two cache lines.
///
/// Rows of segmented tokens are scored over the segments that both have, see [`segmented`](Self::segmented).
pub struct TokenRows {
    words: usize,
    segments: usize,
    bits: Vec<u64>,
}

impl TokenRows {
    /// Room for `capacity` CLKs of `clk_bytes` bytes each.
    ///
    /// # Errors
    /// When the length is not a multiple of 8 within 8..=512 bytes (64 to 4096 bits).
    pub fn with_capacity(clk_bytes: usize, capacity: usize) -> Result<Self, BlockError> {
        let words = clk_bytes / 8;
        if !clk_bytes.is_multiple_of(8) || !(1..=64).contains(&words) {
            return Err(BlockError::Length { clk_bytes });
        }
        Ok(Self { words, segments: 1, bits: Vec::with_capacity(words * capacity) })
    }

    /// Room for `capacity` CLKs of `segments` equal segments each. A row has the segments in which it has bits.
    ///
    /// # Errors
    /// As [`with_capacity`](Self::with_capacity), and when the length does not divide into 1 to
    /// [`MAX_SEGMENTS`](crate::dice::MAX_SEGMENTS) segments of whole words.
    pub fn segmented(clk_bytes: usize, segments: usize, capacity: usize) -> Result<Self, BlockError> {
        // A block checks the same, and so says the same.
        ClkBlock::segmented(clk_bytes, segments, std::iter::empty())?;
        Ok(Self { segments, ..Self::with_capacity(clk_bytes, capacity)? })
    }

    /// The given CLKs, each of `clk_bytes` bytes.
    ///
    /// # Errors
    /// When `clk_bytes` is no CLK length, or a row has another length.
    pub fn from_rows<'a>(clk_bytes: usize, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, BlockError> {
        let rows = rows.into_iter();
        let mut out = Self::with_capacity(clk_bytes, rows.size_hint().0)?;
        for row in rows {
            out.push(row)?;
        }
        Ok(out)
    }

    /// Makes room for exactly `rows` more CLKs.
    pub fn reserve(&mut self, rows: usize) {
        self.bits.reserve_exact(rows * self.words);
    }

    /// Appends a CLK. An all-zero CLK matches nothing, so it also stands for a row that has none.
    ///
    /// # Errors
    /// When it is not of the rows' length.
    pub fn push(&mut self, clk: &[u8]) -> Result<(), BlockError> {
        if clk.len() != self.words * 8 {
            return Err(BlockError::Ragged { row: self.rows(), clk_bytes: clk.len(), expected: self.words * 8 });
        }
        self.bits.extend(clk.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)));
        Ok(())
    }

    /// Appends a CLK that is already in words.
    ///
    /// # Errors
    /// When it is not of the rows' length.
    pub fn push_words(&mut self, clk: &[u64]) -> Result<(), BlockError> {
        if clk.len() != self.words {
            return Err(BlockError::Ragged { row: self.rows(), clk_bytes: clk.len() * 8, expected: self.words * 8 });
        }
        self.bits.extend_from_slice(clk);
        Ok(())
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.bits.len() / self.words
    }

    /// 64-bit words per row.
    pub fn words(&self) -> usize {
        self.words
    }

    /// Segments per row; 1 for composite tokens.
    pub fn segments(&self) -> usize {
        self.segments
    }

    /// What a row has in common with a row of other rows of the same layout: the bits that both set, and the sum of both
    /// popcounts, over the segments that both have.
    ///
    /// # Panics
    /// When there is no such row, or the layouts differ.
    pub fn in_common(&self, row: usize, other: &Self, other_row: usize) -> (u32, u32) {
        assert_eq!((self.words, self.segments), (other.words, other.segments), "rows of one layout");
        let width = self.words / self.segments;
        let segments = self.row(row).chunks_exact(width).zip(other.row(other_row).chunks_exact(width));
        let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
        segments.fold((0, 0), |(common, all), (a, b)| {
            let (ones_a, ones_b) = (ones(a), ones(b));
            if ones_a == 0 || ones_b == 0 {
                return (common, all);
            }
            let both: u32 = a.iter().zip(b).map(|(a, b)| (a & b).count_ones()).sum();
            (common + both, all + ones_a + ones_b)
        })
    }

    /// The words of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..][..self.words]
    }

    /// The words of rows that lie one after another.
    ///
    /// # Panics
    /// When there are no such rows.
    pub fn in_one_piece(&self, rows: std::ops::Range<usize>) -> &[u64] {
        &self.bits[rows.start * self.words..rows.end * self.words]
    }

    /// The number of bits set in a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn popcount(&self, row: usize) -> u32 {
        self.row(row).iter().map(|word| word.count_ones()).sum()
    }

    /// Memory that the rows hold.
    pub fn bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }

    /// All words, row after row.
    pub(super) fn all(&self) -> &[u64] {
        &self.bits
    }

    /// Memory that so many of these rows take when they are laid out in a [`block`](Self::block).
    pub fn block_bytes(&self, rows: usize) -> usize {
        match self.segments {
            1 => ClkBlock::bytes_for(self.words * 8, rows),
            segments => ClkBlock::bytes_for_segmented(self.words * 8, segments, rows),
        }
    }

    /// These rows, laid out for the kernels that compare all pairs.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn block(&self, rows: impl ExactSizeIterator<Item = usize>) -> ClkBlock {
        const VALID: &str = "the length of these rows was checked when they were made";
        if self.segments > 1 {
            let clks: Vec<u8> = rows.flat_map(|row| self.row(row)).flat_map(|word| word.to_le_bytes()).collect();
            let rows = clks.chunks_exact(self.words * 8).map(|clk| (clk, segment_presence(clk, self.segments)));
            return ClkBlock::segmented(self.words * 8, self.segments, rows).expect(VALID);
        }
        let mut block = ClkBlock::with_capacity(self.words * 8, rows.len()).expect(VALID);
        let mut bytes = [0_u8; 512];
        for row in rows {
            for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.row(row)) {
                *bytes = word.to_le_bytes();
            }
            block.push(&bytes[..self.words * 8]).expect(VALID);
        }
        block
    }
}

impl std::fmt::Debug for TokenRows {
    /// Sizes only: no token bytes in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRows").field("rows", &self.rows()).field("words", &self.words).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were_and_others_are_refused() {
        let clks: Vec<Vec<u8>> = (0..5_u8).map(|row| (0..16).map(|byte| row * byte).collect()).collect();
        let mut rows = TokenRows::from_rows(16, clks.iter().map(Vec::as_slice)).unwrap();
        let block = rows.block(0..5);
        for (at, clk) in clks.iter().enumerate() {
            let back: Vec<u8> = rows.row(at).iter().flat_map(|word| word.to_le_bytes()).collect();
            assert_eq!((&back, rows.popcount(at)), (clk, block.popcount(at)));
        }
        assert_eq!(rows.push(&[0; 8]), Err(BlockError::Ragged { row: 5, clk_bytes: 8, expected: 16 }));
        assert_eq!(rows.push_words(&[0]), Err(BlockError::Ragged { row: 5, clk_bytes: 8, expected: 16 }));
        assert_eq!(TokenRows::with_capacity(12, 0).unwrap_err(), BlockError::Length { clk_bytes: 12 });
    }

    #[test]
    fn segments_that_a_row_lacks_do_not_count() {
        let mut rows = TokenRows::segmented(16, 2, 2).unwrap();
        for words in [[0xFF, 0xF0], [0x0F, 0]] {
            rows.push_words(&words).unwrap();
        }
        assert_eq!((rows.segments(), rows.in_common(0, &rows, 1), rows.in_common(0, &rows, 0)), (2, (4, 12), (12, 24)));
        let block = rows.block(0..2);
        assert_eq!((block.segments(), block.popcount(0), block.popcount(1)), (2, 12, 4));
        assert_eq!(block.order().collect::<Vec<_>>(), [1, 0]);
        let refused = TokenRows::segmented(16, 3, 0).unwrap_err();
        assert_eq!(refused, BlockError::Segments { clk_bytes: 16, segments: 3 });
    }
}
