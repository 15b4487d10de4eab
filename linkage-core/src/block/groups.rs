//! All pairs of two groups of rows, of one row or of thousands.

use std::ops::Range;

use super::rows::TokenRows;
use crate::dice::{DiceThreshold, Kernel, Match, RowKernel, SearchStats, search};

/// From how many rows on either side groups are worth laying out for the kernels.
const LAID_OUT_ROWS: usize = 64;

/// Most rows of a group that are best searched at a time: a million pairs are then compared at once.
pub const GROUP_ROWS: usize = 1024;

/// A group: rows that lie one after another.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Among these
    pub rows: &'a TokenRows,
    /// with these popcounts
    pub ones: &'a [u32],
    /// the rows of the group.
    pub range: Range<usize>,
}

/// Searches groups, each by what suits its size.
#[derive(Debug)]
pub struct GroupSearch {
    kernel: Kernel,
    rows: RowKernel,
    threshold: DiceThreshold,
    common: Vec<u32>,
}

impl GroupSearch {
    /// A search for pairs at or above a threshold.
    pub fn new(kernel: Kernel, threshold: DiceThreshold) -> Self {
        Self { kernel, rows: RowKernel::of(kernel), threshold, common: Vec::new() }
    }

    /// Appends to `out` every pair of a left with a right row that reaches the threshold, by their places among all rows.
    ///
    /// # Panics
    /// When a range exceeds its rows or their popcounts, or the layouts differ.
    pub fn search(&mut self, left: &Group<'_>, right: &Group<'_>, out: &mut Vec<Match>) -> SearchStats {
        let pairs = left.range.len() as u64 * right.range.len() as u64;
        if left.range.len().min(right.range.len()) >= LAID_OUT_ROWS {
            return self.laid_out(left, right, out);
        }
        if left.rows.segments() > 1 {
            for (l, r) in left.range.clone().flat_map(|l| right.range.clone().map(move |r| (l, r))) {
                let (intersection, ones) = left.rows.in_common(l, right.rows, r);
                if self.threshold.accepts(intersection, ones, 0) {
                    out.push(Match { left: l as u32, right: r as u32, intersection, ones });
                }
            }
        } else if left.range.len() <= right.range.len() {
            self.row_by_row(left, right, out, |a, b| (a, b));
        } else {
            self.row_by_row(right, left, out, |a, b| (b, a));
        }
        SearchStats { compared: pairs, aborted: 0 }
    }

    fn laid_out(&self, left: &Group<'_>, right: &Group<'_>, out: &mut Vec<Match>) -> SearchStats {
        let (a, b) = (left.rows.block(left.range.clone()), right.rows.block(right.range.clone()));
        let found = out.len();
        let stats = search(self.kernel, &a, 0..a.rows(), &b, 0..b.rows(), self.threshold, out);
        for pair in &mut out[found..] {
            pair.left += left.range.start as u32;
            pair.right += right.range.start as u32;
        }
        stats
    }

    /// Each row of the shorter group with all of the longer one.
    fn row_by_row(
        &mut self,
        few: &Group<'_>,
        many: &Group<'_>,
        out: &mut Vec<Match>,
        sides: impl Fn(u32, u32) -> (u32, u32),
    ) {
        self.common.resize(many.range.len(), 0);
        let many_rows = many.rows.in_one_piece(many.range.clone());
        let many_ones = &many.ones[many.range.clone()];
        for row in few.range.clone() {
            self.rows.common(few.rows.row(row), many_rows, &mut self.common);
            for ((intersection, other_ones), other) in self.common.iter().zip(many_ones).zip(many.range.clone()) {
                let ones = few.ones[row] + other_ones;
                if self.threshold.accepts(*intersection, ones, 0) {
                    let (left, right) = sides(row as u32, other as u32);
                    out.push(Match { left, right, intersection: *intersection, ones });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of few distinct values, some of them without their second segment.
    fn rows(segments: usize, count: u64, seed: u64) -> (TokenRows, Vec<u32>) {
        let mut rows = TokenRows::segmented(128, segments, 0).unwrap();
        for at in 0..count {
            let value = (at * seed % 7 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let word = |word: u64| if at % 3 == 0 && word >= 8 { 0 } else { value.rotate_left(word as u32) };
            rows.push_words(&std::array::from_fn::<_, 16, _>(|at| word(at as u64))).unwrap();
        }
        let ones = (0..rows.rows()).map(|row| rows.popcount(row)).collect();
        (rows, ones)
    }

    #[test]
    fn groups_of_any_size_and_layout_give_the_pairs_of_the_plain_loop() {
        let threshold: DiceThreshold = "0.7".parse().unwrap();
        for segments in [1, 2] {
            let ((a, a_ones), (b, b_ones)) = (rows(segments, 200, 3), rows(segments, 150, 5));
            for (l, r) in
                [(0..0, 0..9), (3..4, 7..8), (5..9, 20..90), (10..90, 4..7), (0..200, 50..150), (64..128, 0..64)]
            {
                let mut expected = Vec::new();
                for (l, r) in l.clone().flat_map(|l| r.clone().map(move |r| (l, r))) {
                    let (intersection, ones) = a.in_common(l, &b, r);
                    if f64::from(2 * intersection) >= 0.7 * f64::from(ones) && ones > 0 {
                        expected.push(Match { left: l as u32, right: r as u32, intersection, ones });
                    }
                }
                let all = (l.len() * r.len()) as u64;
                assert!(
                    all < 60 || (!expected.is_empty() && (expected.len() as u64) < all),
                    "{l:?} {r:?} show nothing"
                );
                for kernel in Kernel::available() {
                    let (left, right) = (
                        Group { rows: &a, ones: &a_ones, range: l.clone() },
                        Group { rows: &b, ones: &b_ones, range: r.clone() },
                    );
                    let mut found = Vec::new();
                    let stats = GroupSearch::new(kernel, threshold).search(&left, &right, &mut found);
                    found.sort_unstable();
                    assert_eq!((found, stats.compared), (expected.clone(), all), "{} {l:?} {r:?}", kernel.name());
                }
            }
        }
    }
}
