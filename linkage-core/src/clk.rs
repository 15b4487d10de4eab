//! The CLK: the Bloom filter of one record.

use std::fmt;

/// The length of a CLK: a multiple of 64 bits from 64 to 4096.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClkLength {
    words: u8,
}

impl ClkLength {
    /// The length of `bits` bits; `None` when that is not a multiple of 64 from 64 to 4096.
    pub const fn new(bits: usize) -> Option<Self> {
        if bits >= 64 && bits <= 4096 && bits.is_multiple_of(64) {
            Some(Self { words: (bits / 64) as u8 })
        } else {
            None
        }
    }

    /// The length in bits.
    pub const fn bits(self) -> usize {
        self.words as usize * 64
    }

    /// The length in bytes.
    pub const fn bytes(self) -> usize {
        self.words as usize * 8
    }

    /// The length in 64-bit words.
    pub const fn words(self) -> usize {
        self.words as usize
    }
}

/// The cryptographic long-term key of one record.
///
/// Bit i is bit i % 64 of word i / 64; as bytes it is bit i % 8 of byte i / 8. Debug shows the length alone, because
/// the bits of a person must reach no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Clk {
    words: Box<[u64]>,
}

impl Clk {
    /// The CLK without any bit set, as of a record without identifiers.
    pub fn empty(length: ClkLength) -> Self {
        Self { words: vec![0; length.words()].into_boxed_slice() }
    }

    /// Stands where no CLK is for a moment.
    pub(crate) fn none() -> Self {
        Self { words: Box::default() }
    }

    /// The CLK in these little-endian bytes; `None` when no CLK has that length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        ClkLength::new(bytes.len().checked_mul(8)?)?;
        let words = bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk));
        Some(Self { words: words.collect() })
    }

    /// The length.
    #[inline]
    pub fn length(&self) -> ClkLength {
        ClkLength { words: self.words.len() as u8 }
    }

    /// The bits as words, lowest first.
    #[inline]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The bits as bytes, lowest first.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes())
    }

    /// The number of bits that are set.
    pub fn popcount(&self) -> u32 {
        // At most 4096, so that no sum wraps; where that need not be checked, several words are counted at once.
        self.words.iter().fold(0, |sum: u32, word| sum.wrapping_add(word.count_ones()))
    }

    /// The bits as words, for the encoder to fill.
    pub(crate) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }
}

impl fmt::Debug for Clk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clk({} bits)", self.length().bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_multiples_of_64_up_to_4096() {
        for bits in 0..=5000 {
            assert_eq!(ClkLength::new(bits).is_some(), bits % 64 == 0 && (64..=4096).contains(&bits), "{bits}");
        }
        assert!(Clk::from_bytes(&[0; 7]).is_none());
        assert!(Clk::from_bytes(&[]).is_none());
        assert!(Clk::from_bytes(&[0; 520]).is_none());
    }

    #[test]
    fn bit_i_is_bit_i_mod_8_of_byte_i_div_8() {
        let mut bytes = [0; 16];
        bytes[9] = 0b100;
        let clk = Clk::from_bytes(&bytes).unwrap();
        assert_eq!(clk.words(), [0, 1 << 10]);
        assert_eq!(clk.popcount(), 1);
        assert!(clk.bytes().eq(bytes));
    }

    #[test]
    fn debug_hides_the_bits() {
        assert_eq!(format!("{:?}", Clk::from_bytes(&[0xff; 8]).unwrap()), "Clk(64 bits)");
    }
}
