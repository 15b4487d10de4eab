//! From a message to hash positions: a keyed hash with extended output, reduced without bias.

use super::features::Message;
use super::hash::{KeyedHash, Stream};
use crate::clk::ClkLength;
use crate::schema::HashingProfile;

/// What a message draws beside the bits that every message of its value draws.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    /// Decides which messages of a value draw one position more.
    pub(super) rank: u64,
    /// That position.
    pub(super) next: u16,
}

/// The hash of one field: its key, ready to use, and the length of the filter.
pub(super) struct Positions {
    hashing: HashingProfile,
    keyed: KeyedHash,
    length: u32,
    /// Values from here on are rejected: 65536 rounded down to a multiple of the length.
    limit: u32,
}

impl Positions {
    pub(super) fn new(hashing: HashingProfile, key: &[u8; 32], length: ClkLength) -> Self {
        let length = length.bits() as u32;
        Self { hashing, keyed: KeyedHash::new(hashing, key), length, limit: 65536 - 65536 % length }
    }

    /// Leaves the bits of the first `count` positions of a message in `filter`, however many blocks of output that takes.
    pub(super) fn draw(&self, message: &Message, count: usize, filter: &mut [u64]) -> Draw {
        message.with_bytes(|bytes| self.draw_from(self.keyed.stream(bytes), count, filter))
    }

    /// The same hash under another key, which follows from this one's and a message.
    pub(super) fn rekeyed(&self, message: &[u8]) -> Self {
        let keyed = KeyedHash::new(self.hashing, &self.keyed.key(message));
        Self { hashing: self.hashing, keyed, length: self.length, limit: self.limit }
    }

    #[inline]
    fn draw_from(&self, mut output: Stream<'_>, count: usize, filter: &mut [u64]) -> Draw {
        filter.fill(0);
        let mut block = [0; 64];
        output.fill(&mut block);
        let (rank, mut pairs) = block.split_at(8);
        let rank = rank.iter().rev().fold(0, |rank, byte| rank << 8 | u64::from(*byte));
        let mut left = count;
        let mut more = [0; 64];
        loop {
            for position in pairs.as_chunks::<2>().0.iter().filter_map(|pair| self.position(*pair)) {
                if left == 0 {
                    return Draw { rank, next: position };
                }
                set_bit(filter, position);
                left -= 1;
            }
            output.fill(&mut more);
            pairs = &more;
        }
    }

    /// Two bytes, little-endian, as a position; `None` when they fall into the part that would favour low positions.
    #[inline]
    fn position(&self, pair: [u8; 2]) -> Option<u16> {
        let value = u32::from(u16::from_le_bytes(pair));
        (value < self.limit).then_some((value % self.length) as u16)
    }
}

/// Sets one bit of a filter.
#[inline]
pub(super) fn set_bit(words: &mut [u64], position: u16) {
    words[usize::from(position / 64)] |= 1 << (position % 64);
}

/// So many draws are put in order by counting; a quicker sort pays only for more.
const FEW: usize = 32;

/// Sets the next position of the `count` draws of lowest rank, unless there are many draws or two of one rank: then the
/// answer is false, and nothing has been set.
///
/// Every rank is compared with every other, without a branch that could be guessed wrongly.
#[inline]
pub(super) fn draw_next_of_lowest(draws: &[Draw], count: usize, filter: &mut [u64]) -> bool {
    if draws.len() > FEW {
        return false;
    }
    let (mut places, mut sum) = ([0; FEW], 0);
    for (place, draw) in places.iter_mut().zip(draws) {
        *place = draws.iter().map(|other| usize::from(other.rank < draw.rank)).sum::<usize>();
        sum += *place;
    }
    // Of two draws of different ranks one is the lower, so each pair counts once.
    if sum != draws.len() * draws.len().saturating_sub(1) / 2 {
        return false;
    }
    for (place, draw) in places.iter().zip(draws) {
        filter[usize::from(draw.next / 64)] |= u64::from(*place < count) << (draw.next % 64);
    }
    true
}

/// Adds the bits of one filter to another. A filter of 1024 bits is the usual one: without a loop it is twice as quick.
#[inline]
pub(super) fn unite(filter: &mut [u64], more: &[u64]) {
    if let (Ok(filter), Ok(more)) = (<&mut [u64; 16]>::try_from(&mut *filter), <&[u64; 16]>::try_from(more)) {
        filter.iter_mut().zip(more).for_each(|(word, more)| *word |= more);
    } else {
        filter.iter_mut().zip(more).for_each(|(word, more)| *word |= more);
    }
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
            let hash = Positions::new(HashingProfile::Blake3, &[3; 32], ClkLength::new(bits).unwrap());
            let mut counts = vec![0u32; bits];
            let mut total = 0;
            let mut filter = vec![0; bits / 64];
            for message in some_messages(20_000) {
                for count in 0..28 {
                    counts[usize::from(hash.draw(&message, count, &mut filter).next)] += 1;
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
    fn each_draw_adds_the_position_after_the_last() {
        let length = ClkLength::new(192).unwrap();
        let hash = Positions::new(HashingProfile::Blake3, &[4; 32], length);
        for message in some_messages(200) {
            let (mut filter, mut expected) = ([0; 3], [0; 3]);
            for count in 0..100 {
                let draw = hash.draw(&message, count, &mut filter);
                assert_eq!(filter, expected);
                set_bit(&mut expected, draw.next);
            }
        }
    }
}
