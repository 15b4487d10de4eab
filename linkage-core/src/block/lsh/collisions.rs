//! How often rows of the two sides agree in bands of so many bits: measured, because real records agree far more often
//! than their densities alone would say.

use super::super::random::Draws;
use super::super::rows::TokenRows;
use super::error::Stopped;

/// Most bits of a band.
pub(super) const MAX_BITS: usize = 64;

/// Rows looked at per side, and bands tried.
const SAMPLE_ROWS: usize = 1 << 16;
const TRIES: u64 = 4;

/// What the streams of draws are for.
const LEFT: u64 = 1 << 40;
const RIGHT: u64 = 2 << 40;
const BITS: u64 = 3 << 40;

/// A sample of both sides and what it says of the whole.
pub(super) struct Collisions {
    /// Share of all pairs that agree in a band of so many bits.
    pub(super) rate: [f64; MAX_BITS + 1],
    /// The popcount below which 99 % of the filled rows lie, left plus right.
    pub(super) popcount_sum: u32,
    /// Mean share of bits set.
    pub(super) density: f64,
}

impl Collisions {
    /// `None` when a side has no filled row.
    pub(super) fn measure(
        left: &TokenRows,
        right: &TokenRows,
        seed: u64,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<Self>, Stopped> {
        let go_on = || if stop() { Err(Stopped) } else { Ok(()) };
        go_on()?;
        let (left_rows, right_rows) = (sample(left, seed, LEFT), sample(right, seed, RIGHT));
        go_on()?;
        let (left_ones, right_ones) = (popcounts(left, &left_rows), popcounts(right, &right_rows));
        let (Some(left_most), Some(right_most)) = (quantile(&left_ones), quantile(&right_ones)) else {
            return Ok(None);
        };
        let all: u64 = left_ones.iter().chain(&right_ones).map(|ones| u64::from(*ones)).sum();
        let bits = (left_ones.len() + right_ones.len()) as f64 * (left.words() * 64) as f64;
        let mut rate = [0.0; MAX_BITS + 1];
        rate[0] = 1.0;
        for attempt in 0..TRIES {
            let at = positions(left.words() * 64, seed, attempt);
            go_on()?;
            let left_keys = keys(left, &left_rows, &at);
            go_on()?;
            let right_keys = keys(right, &right_rows, &at);
            for (bits, rate) in rate.iter_mut().enumerate().skip(1) {
                go_on()?;
                *rate += agreeing(&left_keys, &right_keys, bits as u32) as f64 / TRIES as f64;
            }
        }
        let pairs = left_rows.len() as f64 * right_rows.len() as f64;
        rate[1..].iter_mut().for_each(|rate| *rate /= pairs);
        Ok(Some(Self { rate, popcount_sum: left_most + right_most, density: all as f64 / bits }))
    }
}

/// Filled rows, all or as many as are looked at.
fn sample(tokens: &TokenRows, seed: u64, purpose: u64) -> Vec<usize> {
    let filled = |row: &usize| tokens.row(*row).iter().any(|word| *word != 0);
    if tokens.rows() <= SAMPLE_ROWS {
        return (0..tokens.rows()).filter(filled).collect();
    }
    // With repetition: among more rows than are drawn, hardly any comes twice.
    let mut draws = Draws::new(seed, purpose);
    (0..SAMPLE_ROWS).map(|_| draws.below(tokens.rows() as u64) as usize).filter(filled).collect()
}

fn popcounts(tokens: &TokenRows, rows: &[usize]) -> Vec<u32> {
    let mut ones: Vec<u32> = rows.iter().map(|row| tokens.popcount(*row)).collect();
    ones.sort_unstable();
    ones
}

fn quantile(sorted: &[u32]) -> Option<u32> {
    sorted.get(sorted.len() * 99 / 100).copied()
}

/// Different bits in random order; a CLK of 64 bits has just enough.
fn positions(clk_bits: usize, seed: u64, attempt: u64) -> Vec<usize> {
    let mut draws = Draws::new(seed, BITS + attempt);
    let mut all: Vec<usize> = (0..clk_bits).collect();
    for at in 0..MAX_BITS {
        all.swap(at, at + draws.below((clk_bits - at) as u64) as usize);
    }
    all.truncate(MAX_BITS);
    all
}

/// The bits at these positions, the first one highest: two keys agree in the first `b` bits when they do as numbers
/// shifted right by `64 − b`. Sorted.
fn keys(tokens: &TokenRows, rows: &[usize], positions: &[usize]) -> Vec<u64> {
    let key = |row: &usize| {
        let row = tokens.row(*row);
        positions.iter().fold(0, |key, at| key << 1 | row[at / 64] >> (at % 64) & 1)
    };
    let mut keys: Vec<u64> = rows.iter().map(key).collect();
    keys.sort_unstable();
    keys
}

/// Pairs of two sorted lists that agree in their first `bits` bits.
fn agreeing(left: &[u64], right: &[u64], bits: u32) -> u64 {
    let shift = MAX_BITS as u32 - bits;
    let (mut pairs, mut right) = (0, right);
    for run in left.chunk_by(|a, b| a >> shift == b >> shift) {
        let key = run[0] >> shift;
        let before = right.iter().take_while(|right| *right >> shift < key).count();
        right = &right[before..];
        let equal = right.iter().take_while(|right| *right >> shift == key).count();
        pairs += (run.len() * equal) as u64;
        right = &right[equal..];
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_agree_are_counted_for_every_number_of_bits() {
        let mut draws = Draws::new(1, 2);
        let mut side = |rows: usize| {
            let clks: Vec<[u8; 8]> = (0..rows).map(|_| (draws.next() & draws.next()).to_le_bytes()).collect();
            TokenRows::from_rows(8, clks.iter().map(<[u8; 8]>::as_slice)).unwrap()
        };
        let (left, right) = (side(300), side(200));
        let at = positions(64, 9, 0);
        let all: Vec<usize> = (0..300).collect();
        let (left_keys, right_keys) = (keys(&left, &all, &at), keys(&right, &all[..200], &at));
        for bits in [1, 3, 8, 20, 64] {
            let naive = (0..300 * 200)
                .filter(|pair| {
                    let (left, right) = (left.row(pair / 200)[0], right.row(pair % 200)[0]);
                    at[..bits].iter().all(|bit| (left ^ right) >> bit & 1 == 0)
                })
                .count();
            assert_eq!(agreeing(&left_keys, &right_keys, bits as u32), naive as u64, "{bits}");
        }
        let measured = Collisions::measure(&left, &right, 1, &|| false).unwrap().unwrap();
        // At a density of a quarter two bits agree with a chance of 10/16.
        assert!((measured.rate[1] - 0.625).abs() < 0.1 && measured.rate.windows(2).all(|two| two[0] >= two[1]));
        assert!((measured.density - 0.25).abs() < 0.02);
    }
}
