//! Rows that hold many pairs: how little a sample of rows can say of them, going by the pairs that the search returned.

/// Sizes are told apart by their power of two.
const CLASSES: usize = 32;

/// How the pairs that a search returned are spread over the left rows.
pub(super) struct RowSizes {
    /// Pairs returned, by left row.
    pairs: Vec<u32>,
    /// Over the rows of 2ᶜ to 2ᶜ⁺¹ − 1 pairs: the sum of these numbers, and of their squares.
    sums: [u64; CLASSES],
    squares: [u128; CLASSES],
}

/// Rows up to some size, of which the sample speaks, and the heavier ones, of which it does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    /// How many pairs drawn one by one a pair of the sample is worth at most: below 1 where rows have many.
    pub(super) worth: f64,
    /// The share of the pairs returned that belong to heavier rows.
    pub(super) heavy_share: f64,
}

impl RowSizes {
    pub(super) fn new(left_rows: usize) -> Self {
        Self { pairs: vec![0; left_rows], sums: [0; CLASSES], squares: [0; CLASSES] }
    }

    /// Memory of so many rows.
    pub(super) fn bytes_for(left_rows: usize) -> usize {
        left_rows * size_of::<u32>()
    }

    /// Counts a pair of a row.
    pub(super) fn add(&mut self, row: u32) {
        let Some(pairs) = self.pairs.get_mut(row as usize) else { return };
        let (before, now) = (*pairs, pairs.saturating_add(1));
        *pairs = now;
        if before > 0 {
            self.count(before, |sum, size| *sum -= size, |squares, square| *squares -= square);
        }
        self.count(now, |sum, size| *sum += size, |squares, square| *squares += square);
    }

    fn count(&mut self, size: u32, sum: impl Fn(&mut u64, u64), squares: impl Fn(&mut u128, u128)) {
        let class = size.ilog2() as usize;
        sum(&mut self.sums[class], size.into());
        squares(&mut self.squares[class], u128::from(size).pow(2));
    }

    /// The rows up to each size, the heavier ones set aside; first with none set aside.
    pub(super) fn splits(&self) -> impl Iterator<Item = Split> + '_ {
        let all: u64 = self.sums.iter().sum();
        (0..=CLASSES).rev().map_while(move |classes| {
            let sum: u64 = self.sums[..classes].iter().sum();
            let squares: u128 = self.squares[..classes].iter().sum();
            match (sum, all) {
                (_, 0) => (classes == CLASSES).then_some(Split { worth: 1.0, heavy_share: 0.0 }),
                (0, _) => None,
                _ => Some(Split { worth: sum as f64 / squares as f64, heavy_share: (all - sum) as f64 / all as f64 }),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_what_they_hold() {
        let mut sizes = RowSizes::new(5);
        assert_eq!(sizes.splits().collect::<Vec<_>>(), [Split { worth: 1.0, heavy_share: 0.0 }]);
        for (row, pairs) in [1, 0, 3, 2, 40].into_iter().enumerate() {
            (0..pairs).for_each(|_| sizes.add(row as u32));
        }
        sizes.add(5);
        let of = |rows: &[u64]| {
            let sum: u64 = rows.iter().sum();
            let squares: u64 = rows.iter().map(|row| row * row).sum();
            Split { worth: sum as f64 / squares as f64, heavy_share: (46 - sum) as f64 / 46.0 }
        };
        let mut splits: Vec<Split> = sizes.splits().collect();
        splits.dedup();
        assert_eq!(splits, [of(&[1, 3, 2, 40]), of(&[1, 3, 2]), of(&[1])]);
    }
}
