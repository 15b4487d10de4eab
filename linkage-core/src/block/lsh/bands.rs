//! Which bits each band looks at.

use super::super::random::Draws;

/// What the streams of draws are for; bands use their own numbers.
const MULTIPLIERS: u64 = u64::MAX;

/// The bits of every band, as masks over the words of a CLK.
pub(super) struct Bands {
    words: usize,
    masks: Vec<u64>,
    /// One odd number per word, to hash the bits of a band.
    multipliers: Vec<u64>,
}

impl Bands {
    /// `bands` bands of `bits` different bits each, drawn uniformly: only then is the chance of a pair to agree a matter of
    /// its distance alone, whatever the data.
    pub(super) fn draw(words: usize, bits: u32, bands: u32, seed: u64) -> Self {
        let mut masks = vec![0_u64; words * bands as usize];
        for (band, mask) in masks.chunks_exact_mut(words).enumerate() {
            let mut draws = Draws::new(seed, band as u64);
            let mut left = bits;
            while left > 0 {
                let bit = draws.below(words as u64 * 64) as usize;
                let (word, bit) = (&mut mask[bit / 64], 1 << (bit % 64));
                if *word & bit == 0 {
                    *word |= bit;
                    left -= 1;
                }
            }
        }
        let mut draws = Draws::new(seed, MULTIPLIERS);
        Self { words, masks, multipliers: (0..words).map(|_| draws.next() | 1).collect() }
    }

    pub(super) fn mask(&self, band: usize) -> &[u64] {
        &self.masks[band * self.words..][..self.words]
    }

    /// A hash of each row's bits in a band, and whether the row has any bit at all.
    ///
    /// Rows that agree in the band have equal keys. Other pairs do with a chance of about 2⁻³², which costs a comparison.
    pub(super) fn keys(&self, band: usize, rows: &[u64], out: &mut [u32]) {
        match self.words {
            16 => self.keys_of::<16>(band, rows, out),
            _ => {
                for (row, key) in rows.chunks_exact(self.words).zip(out) {
                    *key = finish(sum(row, self.mask(band), &self.multipliers));
                }
            }
        }
    }

    /// The same with the number of words known, so that the loop is unrolled.
    fn keys_of<const WORDS: usize>(&self, band: usize, rows: &[u64], out: &mut [u32]) {
        let (Some(mask), Some(multipliers)) =
            (self.mask(band).as_array::<WORDS>(), self.multipliers.as_array::<WORDS>())
        else {
            return;
        };
        for (row, key) in rows.as_chunks::<WORDS>().0.iter().zip(out) {
            *key = finish(sum(row, mask, multipliers));
        }
    }

    /// Whether two rows agree in `band` and in none before it.
    pub(super) fn is_first(&self, band: usize, left: &[u64], right: &[u64]) -> bool {
        let agree = |band: usize| {
            self.mask(band).iter().zip(left.iter().zip(right)).all(|(mask, (left, right))| (left ^ right) & mask == 0)
        };
        agree(band) && !(0..band).any(agree)
    }
}

/// Multilinear hashing: every bit of the sum depends on all lower bits of the words, so its upper half is used.
#[inline]
fn sum(row: &[u64], mask: &[u64], multipliers: &[u64]) -> u64 {
    row.iter()
        .zip(mask)
        .zip(multipliers)
        .fold(0, |sum: u64, ((word, mask), multiplier)| sum.wrapping_add((word & mask).wrapping_mul(*multiplier)))
}

#[inline]
fn finish(sum: u64) -> u32 {
    ((sum ^ (sum >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_has_so_many_bits_and_follows_from_the_seed() {
        let bands = Bands::draw(16, 30, 50, 7);
        for band in 0..50 {
            assert_eq!(bands.mask(band).iter().map(|word| word.count_ones()).sum::<u32>(), 30);
        }
        assert_eq!(bands.masks, Bands::draw(16, 30, 50, 7).masks);
        assert_ne!(bands.masks, Bands::draw(16, 30, 50, 8).masks);
        // A plan with more bands begins with the same ones.
        assert_eq!(bands.masks, Bands::draw(16, 30, 99, 7).masks[..16 * 50]);
    }

    #[test]
    fn rows_that_agree_in_a_band_have_its_key_and_others_hardly_ever() {
        for words in [2, 16] {
            let bands = Bands::draw(words, 12, 3, 1);
            let mut draws = Draws::new(3, 3);
            let rows: Vec<u64> = (0..2000 * words).map(|_| draws.next()).collect();
            for band in 0..3 {
                let mut keys = vec![0; 2000];
                bands.keys(band, &rows, &mut keys);
                let row = |at: usize| &rows[at * words..][..words];
                let mut agreeing = 0;
                for at in 1..2000 {
                    let agree =
                        row(0).iter().zip(row(at)).zip(bands.mask(band)).all(|((a, b), mask)| (a ^ b) & mask == 0);
                    assert_eq!(keys[0] == keys[at], agree);
                    agreeing += usize::from(agree);
                }
                assert!(agreeing < 10);
            }
        }
    }

    #[test]
    fn only_the_first_band_in_which_a_pair_agrees_takes_it() {
        let bands = Bands::draw(1, 4, 20, 5);
        for differ in [0_u64, 1, 0xF0F0, 0xFFFF_0000_FFFF, u64::MAX] {
            let agree: Vec<usize> = (0..20).filter(|band| differ & bands.mask(*band)[0] == 0).collect();
            let first: Vec<usize> = (0..20).filter(|band| bands.is_first(*band, &[differ], &[0])).collect();
            assert_eq!(first, agree.first().copied().into_iter().collect::<Vec<_>>());
        }
    }
}
