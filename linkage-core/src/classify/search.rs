//! Candidates in the simplest way, all in memory: every pair of two databases above a floor. A service has a plan for it.

use std::collections::HashSet;

use rayon::prelude::*;

use super::pattern::Candidate;
use super::segments::SegmentTable;
use crate::dice::{self, BlockError, DiceThreshold, Kernel};
use crate::encode::Token;
use crate::evaluate::{block, exact_rows};

/// Left rows that one search compares.
const STEP: usize = 1024;

/// Random pairs from which a floor is worked out.
const SAMPLE: usize = 1 << 20;

/// Candidates of each record, on average, that a floor should give: enough to see how strangers spread.
pub const CANDIDATES_PER_RECORD: f64 = 10.0;

/// The similarity that about `per_record` candidates of each record reach, from a sample of random pairs; always the same
/// for the same tables, and never 0.
#[must_use]
pub fn search_floor(left: &SegmentTable, right: &SegmentTable, per_record: f64) -> DiceThreshold {
    let (n, m) = (left.rows() as u64, right.rows() as u64);
    let least = DiceThreshold::from_ppm(1).expect("a millionth is a threshold");
    if n == 0 || m == 0 {
        return least;
    }
    let rate = per_record * (n + m) as f64 / (n as f64 * m as f64);
    let mut scores: Vec<f64> = (0..SAMPLE as u64)
        .into_par_iter()
        .map(|i| {
            let draw = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (a, b) = (
                (u128::from(draw) * u128::from(n)) >> 64,
                (u128::from(draw.wrapping_mul(0xBF58_476D_1CE4_E5B9)) * u128::from(m)) >> 64,
            );
            left.score(a as u32, right, b as u32)
        })
        .collect();
    scores.par_sort_unstable_by(|a, b| b.total_cmp(a));
    let floor = scores[((rate * SAMPLE as f64) as usize).min(SAMPLE - 1)];
    DiceThreshold::from_ppm((floor * 1e6) as u32).unwrap_or(least)
}

/// A table of the CLKs of these tokens. `None` when they cannot be cut into so many segments.
#[must_use]
pub fn segment_table(tokens: &[Token], clk_bytes: usize, segments: usize) -> Option<SegmentTable> {
    let mut table = SegmentTable::new(clk_bytes, segments)?;
    tokens.iter().for_each(|token| table.push(token.clk.words(), token.presence));
    Some(table)
}

/// Every pair whose similarity over what both have reaches the floor, and every pair that agrees on an exact token, in the
/// order of rows.
///
/// # Errors
/// [`BlockError`] when the tokens are not of one length.
pub fn search_candidates(
    kernel: Kernel,
    tokens: [&[Token]; 2],
    tables: [&SegmentTable; 2],
    floor: DiceThreshold,
) -> Result<Vec<Candidate>, BlockError> {
    let [left, right] = tables;
    let any = tokens[0].first().or(tokens[1].first());
    let (segments, bytes) = (left.segments(), any.map_or(8 * left.segments(), |token| token.clk.length().bytes()));
    let blocks = [block(tokens[0], bytes, segments)?, block(tokens[1], bytes, segments)?];
    let exact = exact_rows(tokens[0], tokens[1]);
    let candidate = |a: u32, b: u32, score: f64, exact: bool| Candidate {
        left: a,
        right: b,
        score: score as f32,
        exact,
        pattern: left.pattern(a, right, b),
    };
    let mut found: Vec<Candidate> = (0..blocks[0].rows().div_ceil(STEP))
        .into_par_iter()
        .flat_map_iter(|step| {
            let rows = step * STEP..((step + 1) * STEP).min(blocks[0].rows());
            let mut found = Vec::new();
            dice::search(kernel, &blocks[0], rows, &blocks[1], 0..blocks[1].rows(), floor, &mut found);
            let keep = |found: dice::Match| {
                let is_exact = exact.binary_search(&(found.left, found.right)).is_ok();
                candidate(found.left, found.right, found.score(), is_exact)
            };
            found.into_iter().map(keep).collect::<Vec<_>>()
        })
        .collect();
    let known: HashSet<(u32, u32)> =
        found.iter().filter(|candidate| candidate.exact).map(|candidate| (candidate.left, candidate.right)).collect();
    let missing = exact.iter().filter(|pair| !known.contains(pair));
    found.extend(missing.map(|&(a, b)| candidate(a, b, left.score(a, right, b), true)));
    found.par_sort_unstable_by_key(|candidate| (candidate.left, candidate.right));
    Ok(found)
}
