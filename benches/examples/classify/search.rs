//! Candidates in the simplest way: every pair of two databases above a floor.

use std::collections::HashMap;

use linkage_core::classify::{Candidate, SegmentTable};
use linkage_core::dice::{self, ClkBlock, DiceThreshold, Kernel};
use linkage_core::encode::Token;
use rayon::prelude::*;

use crate::Result;
use crate::data::Table;

/// Left rows that one search compares.
const STEP: usize = 1024;

pub fn segment_table(table: &Table, clk_bytes: usize, segments: usize) -> Result<SegmentTable> {
    let mut cut = SegmentTable::new(clk_bytes, segments).ok_or("the tokens cannot be cut into these segments")?;
    table.tokens.iter().for_each(|token| cut.push(token.clk.words()));
    Ok(cut)
}

/// The floor that about `per_record` candidates of each record reach, from a sample of random pairs.
pub fn floor(left: &SegmentTable, right: &SegmentTable, per_record: f64) -> f64 {
    const SAMPLE: usize = 1 << 20;
    let (n, m) = (left.rows() as u64, right.rows() as u64);
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
    scores[((rate * SAMPLE as f64) as usize).min(SAMPLE - 1)]
}

/// Every pair whose similarity over what both have reaches the floor, and every pair that agrees on an exact token.
pub fn candidates(
    tables: [&Table; 2],
    cut: [&SegmentTable; 2],
    clk_bytes: usize,
    floor: f64,
) -> Result<Vec<Candidate>> {
    let block = |table: &Table| {
        let clks: Vec<Vec<u8>> = table.tokens.iter().map(|token| token.clk.bytes().collect()).collect();
        ClkBlock::from_rows(clk_bytes, clks.iter().map(Vec::as_slice))
    };
    let [left, right] = tables;
    let exact = exact_pairs(&left.tokens, &right.tokens);
    // The kernel counts the bits of segments that one side lacks, so that it is asked for a little less.
    let lower = if cut[0].segments() > 1 { 0.8 } else { 1.0 };
    let threshold = DiceThreshold::from_ppm((floor * lower * 1e6) as u32).ok_or("a floor from 0 to 1")?;
    let (kernel, blocks) = (Kernel::detect()?, [block(left)?, block(right)?]);
    let mut found: Vec<Candidate> = (0..blocks[0].rows().div_ceil(STEP))
        .into_par_iter()
        .flat_map_iter(|step| {
            let rows = step * STEP..((step + 1) * STEP).min(blocks[0].rows());
            let mut found = Vec::new();
            dice::search(kernel, &blocks[0], rows, &blocks[1], 0..blocks[1].rows(), threshold, &mut found);
            found.sort_unstable();
            let keep = |found: dice::Match| {
                let score = cut[0].score(found.left, cut[1], found.right);
                (score >= floor).then(|| {
                    candidate(cut, found.left, found.right, score, exact.contains_key(&(found.left, found.right)))
                })
            };
            found.into_iter().filter_map(keep).collect::<Vec<_>>()
        })
        .collect();
    found.extend(exact.keys().filter_map(|&(a, b)| {
        let score = cut[0].score(a, cut[1], b);
        (score < floor).then(|| candidate(cut, a, b, score, true))
    }));
    found.par_sort_unstable_by_key(|candidate| (candidate.left, candidate.right));
    Ok(found)
}

fn candidate(cut: [&SegmentTable; 2], left: u32, right: u32, score: f64, exact: bool) -> Candidate {
    Candidate { left, right, score: score as f32, exact, pattern: cut[0].pattern(left, cut[1], right) }
}

fn exact_pairs(left: &[Token], right: &[Token]) -> HashMap<(u32, u32), ()> {
    let mut pairs = HashMap::new();
    for kind in 0..left.first().map_or(0, |token| token.exact.len()) {
        let mut rows: HashMap<[u8; 16], Vec<u32>> = HashMap::new();
        for (row, token) in (0u32..).zip(right) {
            if let Some(value) = token.exact[kind] {
                rows.entry(value).or_default().push(row);
            }
        }
        for (row, token) in (0u32..).zip(left) {
            let others = token.exact[kind].and_then(|value| rows.get(&value));
            pairs.extend(others.into_iter().flatten().map(|&other| ((row, other), ())));
        }
    }
    pairs
}
