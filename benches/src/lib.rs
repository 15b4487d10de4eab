//! What the benchmarks share: tokens to compare. The benchmarks themselves lie in `benches/`, their figures in `record/`.

use std::fs;
use std::io;

use linkage_core::dice::ClkBlock;

/// Bytes of a CLK of 1024 bits.
pub const CLK_BYTES: usize = 128;

/// Q-grams of one record, and bits that each sets: together a density of about a third.
const QGRAMS: usize = 36;
const BITS_PER_QGRAM: u64 = 12;

/// Different q-grams; the low numbers are drawn far more often, as syllables of names are.
const VOCABULARY: u64 = 2500;

/// `rows` CLKs that resemble those of person records: unions of the bits of q-grams drawn from one skewed vocabulary, so
/// that unrelated records share more bits than chance alone would give them.
///
/// The same seed gives the same CLKs. Every hundredth row is nearly the same under any seed: a person in both databases,
/// with two q-grams changed.
pub fn person_like(seed: u64, rows: usize) -> ClkBlock {
    let mut block = ClkBlock::with_capacity(CLK_BYTES, rows).expect("1024 bits are a CLK length");
    for row in 0..rows as u64 {
        block.push(&person_like_clk(seed, row)).expect("the length is the block's");
    }
    block
}

/// The same in so many segments, all of which every row has but for some: rows of one presence pattern.
///
/// # Panics
/// When a CLK does not divide into so many segments.
pub fn person_like_segments(seed: u64, rows: usize, segments: usize, pattern: u16) -> ClkBlock {
    let clks: Vec<[u8; CLK_BYTES]> = (0..rows as u64)
        .map(|row| {
            let mut clk = person_like_clk(seed, row);
            for (segment, bits) in clk.chunks_mut(CLK_BYTES / segments).enumerate() {
                if pattern & 1 << segment == 0 {
                    bits.fill(0);
                }
            }
            clk
        })
        .collect();
    let rows = clks.iter().map(|clk| (clk.as_slice(), pattern));
    ClkBlock::segmented(CLK_BYTES, segments, rows).expect("a CLK of 1024 bits in segments of whole words")
}

/// One of these CLKs.
fn person_like_clk(seed: u64, row: u64) -> [u8; CLK_BYTES] {
    let mut own = Draws::new(seed.wrapping_mul(0x1_0000_0000) + row);
    let mut shared = Draws::new(u64::MAX - row);
    let mut clk = [0_u8; CLK_BYTES];
    for at in 0..QGRAMS {
        let draws = if row.is_multiple_of(100) && at >= 2 { &mut shared } else { &mut own };
        // The square of an even draw favours low numbers.
        let even = draws.next() % VOCABULARY;
        let qgram = even * even / VOCABULARY;
        let mut bits = Draws::new(qgram);
        for _ in 0..BITS_PER_QGRAM {
            let bit = (bits.next() >> 32) as usize % (CLK_BYTES * 8);
            clk[bit / 8] |= 1 << (bit % 8);
        }
    }
    clk
}

/// CPU time of this thread, as the scheduler counts it: on a shared machine the clock on the wall says little. Linux only.
///
/// # Errors
/// When `/proc/thread-self/schedstat` cannot be read, or does not start with a number of nanoseconds.
pub fn cpu_seconds() -> io::Result<f64> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = schedstat.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    nanoseconds.map(|number| number as f64 / 1e9).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Xorshift: quick, and the same everywhere.
struct Draws(u64);

impl Draws {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(2).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
