//! From a message to hash positions: keyed BLAKE3 with extended output, reduced without bias.

use blake3::{Hasher, OutputReader};

use super::features::Message;
use crate::clk::ClkLength;

/// Positions in the first 64 bytes of output, after the 8 bytes of the rank.
const FIRST_POSITIONS: usize = 28;

/// The first 64 bytes of a message's output: its rank and its first positions.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    /// Decides which messages of a value draw one position more.
    pub(super) rank: u64,
    positions: [u16; FIRST_POSITIONS],
    count: u8,
}

impl Draw {
    pub(super) const EMPTY: Self = Self { rank: 0, positions: [0; FIRST_POSITIONS], count: 0 };

    /// The first positions; fewer than 28 when some output had to be rejected.
    pub(super) fn positions(&self) -> &[u16] {
        &self.positions[..usize::from(self.count)]
    }
}

/// The hash of one field: its key, ready to use, and the length of the filter.
pub(super) struct Positions {
    keyed: Hasher,
    length: u32,
    /// Values from here on are rejected: 65536 rounded down to a multiple of the length.
    limit: u32,
}

impl Positions {
    pub(super) fn new(key: &[u8; 32], length: ClkLength) -> Self {
        let length = length.bits() as u32;
        Self { keyed: Hasher::new_keyed(key), length, limit: 65536 - 65536 % length }
    }

    /// The rank and the first positions of a message.
    pub(super) fn draw(&self, message: &Message) -> Draw {
        let mut block = [0; 64];
        self.output(message).fill(&mut block);
        let (rank, rest) = block.split_at(8);
        let mut draw = Draw::EMPTY;
        draw.rank = rank.iter().rev().fold(0, |rank, byte| rank << 8 | u64::from(*byte));
        for position in rest.as_chunks::<2>().0.iter().filter_map(|pair| self.position(*pair)) {
            draw.positions[usize::from(draw.count)] = position;
            draw.count += 1;
        }
        draw
    }

    /// Sets the bits of the first `count` positions of a message, however many blocks of output that takes.
    pub(super) fn set_bits(&self, message: &Message, count: usize, words: &mut [u64]) {
        let mut output = self.output(message);
        output.set_position(8);
        let mut left = count;
        while left > 0 {
            let mut block = [0; 64];
            output.fill(&mut block);
            for position in block.as_chunks::<2>().0.iter().filter_map(|pair| self.position(*pair)).take(left) {
                set_bit(words, position);
                left -= 1;
            }
        }
    }

    /// Two bytes, little-endian, as a position; `None` when they fall into the part that would favour low positions.
    #[inline]
    fn position(&self, pair: [u8; 2]) -> Option<u16> {
        let value = u32::from(u16::from_le_bytes(pair));
        (value < self.limit).then_some((value % self.length) as u16)
    }

    fn output(&self, message: &Message) -> OutputReader {
        self.keyed.clone().update(message.as_bytes()).finalize_xof()
    }
}

impl Drop for Positions {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.keyed);
    }
}

/// Sets one bit of a filter.
#[inline]
pub(super) fn set_bit(words: &mut [u64], position: u16) {
    words[usize::from(position / 64)] |= 1 << (position % 64);
}

#[cfg(test)]
mod tests {
    use super::super::features::messages;
    use super::*;
    use crate::schema::Features;

    fn some_messages(count: usize) -> Vec<Message> {
        let text: String = (0..count as u32).map(|i| char::from_u32(0x4e00 + i).unwrap()).collect();
        let mut out = Vec::new();
        messages(Features::QGrams { q: 1, pad: false, positional: false }, &text, &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn positions_lie_in_the_filter_and_favour_none() {
        // 192 does not divide 65536, so that rejection matters.
        for bits in [64, 192, 1024, 4032, 4096] {
            let hash = Positions::new(&[3; 32], ClkLength::new(bits).unwrap());
            let mut counts = vec![0u32; bits];
            let mut total = 0;
            for message in some_messages(20_000) {
                for position in hash.draw(&message).positions() {
                    counts[usize::from(*position)] += 1;
                    total += 1;
                }
            }
            let expected = f64::from(total) / bits as f64;
            let chi2: f64 = counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
            // Chi-square with bits − 1 degrees of freedom: five standard deviations either side.
            let spread = 5.0 * (2.0 * bits as f64).sqrt();
            assert!((chi2 - bits as f64).abs() < spread, "{bits}: {chi2}");
        }
    }

    #[test]
    fn the_first_block_and_the_long_way_draw_the_same_positions() {
        let length = ClkLength::new(192).unwrap();
        let hash = Positions::new(&[4; 32], length);
        for message in some_messages(200) {
            let draw = hash.draw(&message);
            for count in 0..=draw.positions().len() {
                let (mut short, mut long) = ([0; 3], [0; 3]);
                draw.positions()[..count].iter().for_each(|p| set_bit(&mut short, *p));
                hash.set_bits(&message, count, &mut long);
                assert_eq!(short, long);
            }
        }
    }
}
