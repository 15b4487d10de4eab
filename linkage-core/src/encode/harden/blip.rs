//! BLIP: randomised response on every bit, with coins that are a keyed function of the filter itself.

use crate::encode::hash::KeyedHash;

/// Tells the coins of a filter from other messages.
const TAG_COINS: u8 = 0x70;

pub(super) struct Blip {
    hash: KeyedHash,
    /// A bit is flipped when its 32-bit coin is below this: half of the probability of being replaced.
    below: u64,
}

impl Blip {
    pub(super) fn new(hash: KeyedHash, flip_ppm: u32) -> Self {
        Self { hash, below: (u64::from(flip_ppm) << 32) / 2_000_000 }
    }

    pub(super) fn apply(&self, filter: &[u64]) -> Vec<u64> {
        let mut message = vec![TAG_COINS];
        filter.iter().for_each(|word| message.extend_from_slice(&word.to_le_bytes()));
        let mut stream = self.hash.stream(&message);
        let mut coins = [0; 256];
        let flipped = filter.iter().map(|word| {
            stream.fill(&mut coins);
            let flip = |coin: &[u8; 4]| u64::from(u64::from(u32::from_le_bytes(*coin)) < self.below);
            let mask =
                coins.as_chunks::<4>().0.iter().enumerate().fold(0, |mask, (bit, coin)| mask | flip(coin) << bit);
            word ^ mask
        });
        flipped.collect()
    }
}
