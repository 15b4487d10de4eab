//! How good candidate generation is: how much it leaves out, and how much of that was wanted.

use std::collections::HashMap;

use crate::encode::Token;

/// What candidate generation kept of all pairs (Christen 2012, §7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Candidates {
    /// All pairs of the two tables.
    pub possible: u64,
    /// Pairs that were kept.
    pub kept: u64,
    /// True pairs among those kept.
    pub true_kept: u64,
    /// All true pairs.
    pub true_pairs: u64,
}

impl Candidates {
    /// The candidates of a run that compares every pair.
    #[must_use]
    pub fn all(possible: u64, true_pairs: u64) -> Self {
        Self { possible, kept: possible, true_kept: true_pairs, true_pairs }
    }

    /// Adds the pairs of two tables that agree on a blocking key, in one pass or another; `is_true` says of rows of the left
    /// and the right table whether they are one person. The pairs of the tables themselves are for the caller to add.
    pub fn add_keyed(&mut self, left: &[Token], right: &[Token], is_true: impl Fn(u32, u32) -> bool) {
        let passes = left.first().map_or(0, |token| token.blocking.len());
        let mut blocks: Vec<HashMap<[u8; 16], Vec<u32>>> = vec![HashMap::new(); passes];
        for (row, token) in (0u32..).zip(right) {
            for (block, key) in blocks.iter_mut().zip(&token.blocking) {
                if let Some(key) = key {
                    block.entry(*key).or_default().push(row);
                }
            }
        }
        let mut found: Vec<u32> = Vec::new();
        for (row, token) in (0u32..).zip(left) {
            let keys = blocks.iter().zip(&token.blocking);
            found.extend(keys.filter_map(|(block, key)| block.get(&(*key)?)).flatten());
            // A pair that agrees in two passes is one candidate.
            found.sort_unstable();
            found.dedup();
            self.kept += found.len() as u64;
            self.true_kept += found.drain(..).filter(|other| is_true(row, *other)).count() as u64;
        }
    }

    /// Share of all pairs that was left out; 0 when there are none.
    #[must_use]
    pub fn reduction_ratio(&self) -> f64 {
        if self.possible == 0 { 0.0 } else { 1.0 - self.kept as f64 / self.possible as f64 }
    }

    /// Share of the true pairs that was kept; 1 when there are none, since none is lost.
    #[must_use]
    pub fn pair_completeness(&self) -> f64 {
        if self.true_pairs == 0 { 1.0 } else { self.true_kept as f64 / self.true_pairs as f64 }
    }
}
