//! A second opinion on precision: from how many rows have no pair, and how many pairs the others have.

use super::mixture::{Mixture, SHRINK, Values};
use super::tail::BINS;
use super::{Link, Tables};

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
}

impl Multiplicity {
    pub(super) fn count(tables: &Tables<'_>, link: &Link<'_>, values: &Values<'_>, mixture: &Mixture) -> Self {
        let rows = tables.rows(link)[0];
        let bins: Vec<usize> = values.value.iter().map(|&value| mixture.axis.bin(value.into())).collect();
        let mut sure = vec![false; rows];
        for &index in values.assigned {
            let candidate = &link.candidates[index as usize];
            sure[candidate.left as usize] = candidate.exact || bins[index as usize] >= mixture.sure;
        }
        let mut highest = vec![None; rows];
        let (mut pairs, mut wrong) = (vec![0.0; BINS], [0.0; 2]);
        for (candidate, &bin) in link.candidates.iter().zip(&bins) {
            if !candidate.exact {
                pairs[bin] += 1.0;
                let best = &mut highest[candidate.left as usize];
                *best = Some(best.map_or(bin, |best: usize| best.max(bin)));
                if mixture.window.contains(&bin) {
                    wrong[usize::from(sure[candidate.left as usize])] += 1.0;
                }
            }
        }
        let mut rows_with = vec![0.0; BINS];
        highest.into_iter().flatten().for_each(|bin| rows_with[bin] += 1.0);
        for bin in (0..BINS - 1).rev() {
            pairs[bin] += pairs[bin + 1];
            rows_with[bin] += rows_with[bin + 1];
        }
        let with = sure.iter().filter(|sure| **sure).count() as f64;
        let without = rows as f64 - with;
        let alike = (wrong[0] + SHRINK) / (wrong[1] * without / with.max(1.0) + SHRINK);
        Self { rows: rows as f64, pairs, rows_with, alike }
    }

    /// The mean number of wrong pairs of a row, from two counts. With a true pair for a share θ of the rows, a Poisson number
    /// of mean λ of wrong ones of those, and of mean κλ of the others, μ = θ + θλ + (1 − θ)κλ pairs per row and
    /// P(none) = (1 − θ)·e^−κλ.
    pub(super) fn wrong_per_row(&self, from: usize) -> f64 {
        let (mean, none) = (self.pairs[from] / self.rows, 1.0 - self.rows_with[from] / self.rows);
        let truly =
            |lambda: f64| ((mean - self.alike * lambda) / (1.0 + lambda - self.alike * lambda)).clamp(0.0, mean);
        let (mut low, mut high) = (0.0, (mean / self.alike).min(MOST_WRONG));
        for _ in 0..60 {
            let lambda = (low + high) / 2.0;
            if (1.0 - truly(lambda)) * (-self.alike * lambda).exp() < none { low = lambda } else { high = lambda }
        }
        mean - truly((low + high) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of 100,000 rows: a share with true pairs, so many wrong ones of each of those, and `alike` times as many of each
    /// of the others.
    fn counted(share: f64, wrong: f64, alike: f64) -> Multiplicity {
        let rows = 1e5;
        let pairs = rows * (share + share * wrong + (1.0 - share) * alike * wrong);
        let rows_with = rows * (1.0 - (1.0 - share) * (-alike * wrong).exp());
        Multiplicity { rows, pairs: vec![pairs], rows_with: vec![rows_with], alike }
    }

    #[test]
    fn wrong_pairs_are_counted_whether_rows_without_partner_are_alike_or_of_another_kind() {
        for (share, wrong, alike) in
            [(0.5, 0.1, 1.0), (0.2, 0.05, 0.02), (0.2, 0.3, 0.5), (0.9, 0.01, 3.0), (0.6, 2.0, 0.1)]
        {
            let is = share * wrong + (1.0 - share) * alike * wrong;
            let found = counted(share, wrong, alike).wrong_per_row(0);
            assert!((found - is).abs() < 1e-6, "{found} for {is}: {share}, {wrong}, {alike}");
        }
    }

    #[test]
    fn rows_of_another_kind_taken_for_alike_make_wrong_pairs_that_are_none() {
        let different = counted(0.2, 0.05, 0.02);
        let taken = Multiplicity { alike: 1.0, ..different.clone() };
        assert!(taken.wrong_per_row(0) > 3.0 * different.wrong_per_row(0));
        // Without any pair nothing is wrong.
        assert!(counted(0.0, 0.0, 1.0).wrong_per_row(0).abs() < 1e-9);
    }
}
