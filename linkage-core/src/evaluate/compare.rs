//! The links that a run would propose between two tables, computed in the simplest way: no plan, no service.

use std::collections::{HashMap, HashSet};

use super::LinkedPair;
use crate::dice::{self, BlockError, ClkBlock, DiceThreshold, Kernel};
use crate::encode::Token;

/// How many left rows are compared before the number of pairs is looked at.
const STEP: usize = 512;

/// Two tables of tokens, ready to be compared.
pub struct Comparison {
    left: ClkBlock,
    right: ClkBlock,
    exact: Vec<LinkedPair>,
}

impl Comparison {
    /// Takes the composite tokens of two tables, made by one encoder, in row order.
    ///
    /// # Errors
    /// [`BlockError`] when the CLKs are not of one length.
    pub fn new(left: &[Token], right: &[Token]) -> Result<Self, BlockError> {
        Self::segmented(left, right, 1)
    }

    /// Takes the tokens of two tables, made by one encoder with so many segments (1: composite), in row order.
    ///
    /// # Errors
    /// [`BlockError`] when the CLKs are not of one length, or do not divide into so many segments.
    pub fn segmented(left: &[Token], right: &[Token], segments: usize) -> Result<Self, BlockError> {
        let any = left.first().or(right.first());
        let bytes = any.map_or(8 * segments, |token| token.clk.length().bytes());
        let block = |tokens: &[Token]| block(tokens, bytes, segments);
        Ok(Self { left: block(left)?, right: block(right)?, exact: exact_pairs(left, right, segments) })
    }

    /// Every pair that agrees on an exact token, then, among the rows that no exact token has linked, every pair whose
    /// Dice similarity reaches the threshold. That is what a run proposes. `None` when there are more than `limit` pairs.
    #[must_use]
    pub fn pairs(&self, kernel: Kernel, threshold: DiceThreshold, limit: usize) -> Option<Vec<LinkedPair>> {
        let linked_left: HashSet<u32> = self.exact.iter().map(|pair| pair.left).collect();
        let linked_right: HashSet<u32> = self.exact.iter().map(|pair| pair.right).collect();
        let mut pairs = self.exact.clone();

        let (rows, all) = (self.left.rows(), 0..self.right.rows());
        let mut found = Vec::new();
        for from in (0..rows).step_by(STEP) {
            let step = from..(from + STEP).min(rows);
            dice::search(kernel, &self.left, step, &self.right, all.clone(), threshold, &mut found);
            found.sort_unstable();
            pairs.extend(
                found
                    .drain(..)
                    .filter(|found| !linked_left.contains(&found.left) && !linked_right.contains(&found.right))
                    .map(|found| LinkedPair {
                        left: found.left,
                        right: found.right,
                        score: found.score(),
                        exact: false,
                    }),
            );
            if pairs.len() > limit {
                return None;
            }
        }
        Some(pairs)
    }
}

/// The CLKs of tokens, of so many bytes and segments (1: composite), ready to be compared.
pub(crate) fn block(tokens: &[Token], bytes: usize, segments: usize) -> Result<ClkBlock, BlockError> {
    let clks: Vec<Vec<u8>> = tokens.iter().map(|token| token.clk.bytes().collect()).collect();
    if segments == 1 {
        return ClkBlock::from_rows(bytes, clks.iter().map(Vec::as_slice));
    }
    let rows = clks.iter().zip(tokens).map(|(clk, token)| (clk.as_slice(), token.presence));
    ClkBlock::segmented(bytes, segments, rows)
}

/// The rows that agree on an exact token, in order and each pair once.
pub(crate) fn exact_rows(left: &[Token], right: &[Token]) -> Vec<(u32, u32)> {
    let kinds = left.first().map_or(0, |token| token.exact.len());
    let mut rows = Vec::new();
    for kind in 0..kinds {
        let mut by_token: HashMap<[u8; 16], Vec<u32>> = HashMap::new();
        for (row, token) in (0u32..).zip(right) {
            if let Some(value) = token.exact[kind] {
                by_token.entry(value).or_default().push(row);
            }
        }
        for (row, token) in (0u32..).zip(left) {
            let others = token.exact[kind].and_then(|value| by_token.get(&value));
            rows.extend(others.into_iter().flatten().map(|&other| (row, other)));
        }
    }
    rows.sort_unstable();
    rows.dedup();
    rows
}

/// The pairs that agree on an exact token, with their Dice similarity, by which they are ordered among themselves.
fn exact_pairs(left: &[Token], right: &[Token], segments: usize) -> Vec<LinkedPair> {
    exact_rows(left, right)
        .into_iter()
        .map(|(row, other)| {
            let score = similarity(&left[row as usize], &right[other as usize], segments);
            LinkedPair { left: row, right: other, score, exact: true }
        })
        .collect()
}

fn similarity(a: &Token, b: &Token, segments: usize) -> f64 {
    if segments == 1 {
        let common = a.clk.words().iter().zip(b.clk.words()).map(|(a, b)| (a & b).count_ones()).sum();
        return dice::score(common, a.clk.popcount(), b.clk.popcount());
    }
    let bytes = |token: &Token| token.clk.bytes().collect::<Vec<u8>>();
    dice::segmented_similarity((&bytes(a), a.presence), (&bytes(b), b.presence), segments)
}
