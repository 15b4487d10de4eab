//! CLKs row by row: the layout from which single rows are fetched.

use std::mem::size_of;

use crate::dice::{BlockError, ClkBlock};

/// CLKs of one length, each row in one piece.
///
/// [`ClkBlock`] spreads a row over as many cache lines as it has words, which is right when all rows are read in order.
/// Candidates are fetched one by one; here a row of 1024 bits is two cache lines.
pub struct TokenRows {
    words: usize,
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
        Ok(Self { words, bits: Vec::with_capacity(words * capacity) })
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

    /// The words of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..][..self.words]
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

    /// These rows, laid out for the kernels that compare all pairs.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn block(&self, rows: impl ExactSizeIterator<Item = usize>) -> ClkBlock {
        const VALID: &str = "the length of these rows was checked when they were made";
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
}
