//! A second opinion on precision: from how many rows have no pair, and how many pairs the others have.

use super::mixture::{Mixture, SHRINK, Values};
use super::tail::BINS;
use super::{Link, Tables};

/// Shapes that are looked among.
const SHAPES: [f64; 2] = [1e-3, 1e6];
/// More wrong pairs than this of a row with a partner are not looked for.
const MOST_WRONG: f64 = 1000.0;

/// Of one link: by bin, candidates and left rows with at least one candidate, in this bin or above.
#[derive(Debug, Clone)]
pub(super) struct Multiplicity {
    pub(super) rows: f64,
    pub(super) pairs: Vec<f64>,
    rows_with: Vec<f64>,
    /// How many times as many wrong pairs a left row without partner has as one with.
    alike: f64,
    /// By bin: how evenly wrong pairs are spread over rows, as the shape of a negative binomial number; infinite for a Poisson
    /// number.
    shape: Vec<f64>,
}

impl Multiplicity {
    pub(super) fn count(tables: &Tables<'_>, link: &Link<'_>, values: &Values<'_>, mixture: &Mixture) -> Self {
        let rows = tables.rows(link)[0];
        let bins: Vec<usize> = values.value.iter().map(|&value| mixture.axis.bin(value.into())).collect();
        // The right row of each left row that surely has its partner.
        let mut sure: Vec<Option<u32>> = vec![None; rows];
        for &index in values.assigned {
            let candidate = &link.candidates[index as usize];
            if candidate.exact || bins[index as usize] >= mixture.sure {
                sure[candidate.left as usize] = Some(candidate.right);
            }
        }
        let (mut all, mut wrong) = (Rows::new(rows), Rows::new(rows));
        let mut in_window = [0.0; 2];
        for (candidate, &bin) in link.candidates.iter().zip(&bins).filter(|(candidate, _)| !candidate.exact) {
            let (left, partner) = (candidate.left as usize, sure[candidate.left as usize]);
            all.add(left, bin);
            if partner.is_some_and(|partner| partner != candidate.right) {
                wrong.add(left, bin);
            }
            if mixture.window.contains(&bin) {
                in_window[usize::from(partner.is_some())] += 1.0;
            }
        }
        let with = sure.iter().flatten().count() as f64;
        let without = rows as f64 - with;
        let alike = (in_window[0] + SHRINK) / (in_window[1] * without / with.max(1.0) + SHRINK);
        let [(pairs, rows_with), (wrong, wrong_rows)] = [all, wrong].map(Rows::in_bin_or_above);
        let shape = wrong.iter().zip(&wrong_rows).map(|(pairs, rows)| shape(pairs / with, 1.0 - rows / with)).collect();
        Self { rows: rows as f64, pairs, rows_with, alike, shape }
    }

    /// The mean number of wrong pairs of a row, from two counts. With a true pair for a share θ of the rows, λ wrong ones of
    /// those on average, and κλ of the others, μ = θ + θλ + (1 − θ)κλ pairs per row and P(none) = (1 − θ)·P(0; κλ), P being a
    /// negative binomial number as uneven as the wrong pairs of rows that surely have their partner.
    pub(super) fn wrong_per_row(&self, from: usize) -> f64 {
        let (mean, none) = (self.pairs[from] / self.rows, 1.0 - self.rows_with[from] / self.rows);
        let truly =
            |lambda: f64| ((mean - self.alike * lambda) / (1.0 + lambda - self.alike * lambda)).clamp(0.0, mean);
        let (mut low, mut high) = (0.0, (mean / self.alike).min(MOST_WRONG));
        for _ in 0..60 {
            let lambda = (low + high) / 2.0;
            let clear = none_of(self.alike * lambda, self.shape[from]);
            if (1.0 - truly(lambda)) * clear < none { low = lambda } else { high = lambda }
        }
        mean - truly((low + high) / 2.0)
    }
}

/// By bin: pairs, and rows whose highest pair it holds.
struct Rows {
    pairs: Vec<f64>,
    highest: Vec<Option<usize>>,
}

impl Rows {
    fn new(rows: usize) -> Self {
        Self { pairs: vec![0.0; BINS], highest: vec![None; rows] }
    }

    fn add(&mut self, row: usize, bin: usize) {
        self.pairs[bin] += 1.0;
        self.highest[row] = self.highest[row].max(Some(bin));
    }

    /// Pairs, and rows with any, in each bin or above.
    fn in_bin_or_above(self) -> (Vec<f64>, Vec<f64>) {
        let (mut pairs, mut rows) = (self.pairs, vec![0.0; BINS]);
        self.highest.into_iter().flatten().for_each(|bin| rows[bin] += 1.0);
        for bin in (0..BINS - 1).rev() {
            pairs[bin] += pairs[bin + 1];
            rows[bin] += rows[bin + 1];
        }
        (pairs, rows)
    }
}

/// The chance that a negative binomial number of this mean and shape is 0.
fn none_of(mean: f64, shape: f64) -> f64 {
    if shape.is_finite() { (1.0 + mean / shape).powf(-shape) } else { (-mean).exp() }
}

/// The shape at which a number of this mean is 0 with this chance; infinite where that is no more than a Poisson number's.
fn shape(mean: f64, none: f64) -> f64 {
    let uneven = none > none_of(mean, f64::INFINITY) && none < 1.0;
    if !uneven {
        return f64::INFINITY;
    }
    let [mut low, mut high] = SHAPES;
    for _ in 0..60 {
        let middle = f64::sqrt(low * high);
        if none_of(mean, middle) > none { low = middle } else { high = middle }
    }
    f64::sqrt(low * high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of 100,000 rows: a share with true pairs, so many wrong ones of each of those, and `alike` times as many of each
    /// of the others.
    fn counted(share: f64, wrong: f64, alike: f64, shape: f64) -> Multiplicity {
        let rows = 1e5;
        let pairs = rows * (share + share * wrong + (1.0 - share) * alike * wrong);
        let rows_with = rows * (1.0 - (1.0 - share) * none_of(alike * wrong, shape));
        Multiplicity { rows, pairs: vec![pairs], rows_with: vec![rows_with], alike, shape: vec![shape] }
    }

    #[test]
    fn wrong_pairs_are_counted_whether_rows_without_partner_are_alike_or_of_another_kind() {
        for (share, wrong, alike) in
            [(0.5, 0.1, 1.0), (0.2, 0.05, 0.02), (0.2, 0.3, 0.5), (0.9, 0.01, 3.0), (0.6, 2.0, 0.1)]
        {
            let is = share * wrong + (1.0 - share) * alike * wrong;
            for shape in [f64::INFINITY, 1.0, 0.3] {
                let found = counted(share, wrong, alike, shape).wrong_per_row(0);
                assert!((found - is).abs() < 1e-6, "{found} for {is}: {share}, {wrong}, {alike}, {shape}");
            }
        }
    }

    #[test]
    fn rows_of_another_kind_taken_for_alike_make_wrong_pairs_that_are_none() {
        let different = counted(0.2, 0.05, 0.02, f64::INFINITY);
        let taken = Multiplicity { alike: 1.0, ..different.clone() };
        assert!(taken.wrong_per_row(0) > 3.0 * different.wrong_per_row(0));
        // Without any pair nothing is wrong.
        assert!(counted(0.0, 0.0, 1.0, f64::INFINITY).wrong_per_row(0).abs() < 1e-9);
    }

    #[test]
    fn families_with_several_wrong_pairs_or_none_are_not_taken_for_many_true_ones() {
        for (mean, unevenness) in [(0.05, 0.1), (0.5, 0.3), (2.0, 1.0)] {
            let found = shape(mean, none_of(mean, unevenness));
            assert!((found / unevenness - 1.0).abs() < 1e-3, "{found} for {unevenness}");
        }
        assert!(shape(0.5, (-0.5_f64).exp()).is_infinite() && shape(0.5, 0.2).is_infinite());
        assert!(shape(0.0, 1.0).is_infinite() && shape(f64::NAN, f64::NAN).is_infinite());
        // Were they taken to be even, so many rows without any pair could only be rows without partner, and the pairs of others wrong.
        let uneven = counted(0.4, 0.2, 1.0, 0.2);
        let even = Multiplicity { shape: vec![f64::INFINITY], ..uneven.clone() };
        assert!(even.wrong_per_row(0) > 1.2 * uneven.wrong_per_row(0), "{}", even.wrong_per_row(0));
    }
}
