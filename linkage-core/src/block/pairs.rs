//! Pairs that somebody else has drawn, one by one.

use super::rows::TokenRows;
use crate::dice::{DiceThreshold, Kernel, Match, RowKernel, prefetch};

/// How many pairs ahead rows are fetched: they lie anywhere.
const AHEAD: usize = 8;

/// Says of single pairs which reach the threshold.
#[derive(Debug)]
pub struct PairSearch {
    rows: RowKernel,
    threshold: DiceThreshold,
}

impl PairSearch {
    /// A search for pairs at or above a threshold.
    pub fn new(kernel: Kernel, threshold: DiceThreshold) -> Self {
        Self { rows: RowKernel::of(kernel), threshold }
    }

    /// Appends to `out` those of the pairs, named by the places of a left and of a right row, that reach the threshold, each after its number
    /// among the pairs. Either side is rows and their popcounts.
    ///
    /// # Panics
    /// When there is no such row, or the layouts differ.
    pub fn search(
        &self,
        (left, left_ones): (&TokenRows, &[u32]),
        (right, right_ones): (&TokenRows, &[u32]),
        pairs: &[(u32, u32)],
        out: &mut Vec<(usize, Match)>,
    ) {
        for (at, &(l, r)) in pairs.iter().enumerate() {
            if let Some(&(l, r)) = pairs.get(at + AHEAD) {
                prefetch(left.row(l as usize));
                prefetch(right.row(r as usize));
            }
            let (left_row, right_row) = (l as usize, r as usize);
            let (intersection, ones) = if left.segments() > 1 {
                left.in_common(left_row, right, right_row)
            } else {
                let mut common = [0];
                self.rows.common(left.row(left_row), right.row(right_row), &mut common);
                (common[0], left_ones[left_row] + right_ones[right_row])
            };
            if self.threshold.accepts(intersection, ones, 0) {
                out.push((at, Match { left: l, right: r, intersection, ones }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of few distinct values, some of them without their second segment.
    fn rows(segments: usize, count: u64, seed: u64) -> (TokenRows, Vec<u32>) {
        let mut rows = TokenRows::segmented(64, segments, 0).unwrap();
        for at in 0..count {
            let value = (at * seed % 7 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let word = |word: u64| if at % 3 == 0 && word >= 4 { 0 } else { value.rotate_left(word as u32) };
            rows.push_words(&std::array::from_fn::<_, 8, _>(|at| word(at as u64))).unwrap();
        }
        let ones = (0..rows.rows()).map(|row| rows.popcount(row)).collect();
        (rows, ones)
    }

    #[test]
    fn named_pairs_are_judged_as_they_are_one_by_one() {
        let threshold: DiceThreshold = "0.7".parse().unwrap();
        let pairs: Vec<(u32, u32)> = (0..700).map(|at| (at * 37 % 40, at * 11 % 50)).collect();
        for segments in [1, 2] {
            let ((a, a_ones), (b, b_ones)) = (rows(segments, 40, 3), rows(segments, 50, 5));
            let mut expected = Vec::new();
            for (at, &(left, right)) in pairs.iter().enumerate() {
                let (intersection, ones) = a.in_common(left as usize, &b, right as usize);
                if f64::from(2 * intersection) >= 0.7 * f64::from(ones) && ones > 0 {
                    expected.push((at, Match { left, right, intersection, ones }));
                }
            }
            assert!(!expected.is_empty() && expected.len() < pairs.len());
            for kernel in Kernel::available() {
                let (mut found, search) = (Vec::new(), PairSearch::new(kernel, threshold));
                search.search((&a, &a_ones), (&b, &b_ones), &pairs, &mut found);
                assert_eq!(found, expected, "{} {segments}", kernel.name());
            }
        }
    }
}
