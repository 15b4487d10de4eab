//! From values to chances: how likely a pair is true, given its weight or score and the size of the tables.

use super::Link;
use super::curve::{Curve, Point};
use super::tail::{Axis, BINS, above, with_tail};

/// Rounds of the fixed point; it settles in ten or so.
const ROUNDS: usize = 60;
/// Relative change of the number of matches at which the fixed point is reached.
const CONVERGED: f64 = 1e-5;
/// A value says nothing by itself once this many pairs per row of the larger table reach it by chance.
const CROWDED: f64 = 0.2;

/// The values of one link: of each candidate, and which candidates one-to-one assignment keeps.
pub(super) struct Values<'a> {
    pub(super) value: &'a [f32],
    pub(super) assigned: &'a [u32],
}

/// One link, counted by bin.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) rows: [f64; 2],
    /// Assigned pairs that agree on no exact token.
    pub(super) assigned: Vec<f64>,
    /// Assigned pairs that agree on one.
    pub(super) exact: f64,
}

impl Counted {
    /// Counts the left rows that `belongs` accepts, which are a `share` of all.
    pub(super) fn new(
        rows: [usize; 2],
        link: &Link<'_>,
        values: &Values<'_>,
        axis: Axis,
        share: f64,
        belongs: impl Fn(u32) -> bool,
    ) -> Self {
        let rows = [rows[0] as f64 * share, rows[1] as f64];
        let mut counted = Self { rows, assigned: vec![0.0; BINS], exact: 0.0 };
        for &index in values.assigned {
            if !belongs(link.candidates[index as usize].left) {
                continue;
            }
            if link.candidates[index as usize].exact {
                counted.exact += 1.0;
            } else {
                counted.assigned[axis.bin(values.value[index as usize].into())] += 1.0;
            }
        }
        counted
    }

    fn comparisons(&self) -> f64 {
        self.rows[0] * self.rows[1]
    }
}

/// A mixture of true pairs and chance on one axis of values.
///
/// Chance is measured where it is certain: a candidate that one-to-one assignment passed over, with a row whose partner
/// is known, cannot be true. How often that happens per pair of rows, at each value, is also how often it happens to rows
/// without a partner: `chance(v)`. A link has (N−D)·(M−D) pairs of such rows, D being the number of matches; so what
/// chance adds to the assigned pairs grows with N×M, as it does in truth. What the assigned pairs exceed chance by are
/// matches; the log-odds of being one are taken to be linear in the value.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    pub(super) axis: Axis,
    /// log of how many times more often matches have a value than chance.
    curve: Curve,
    /// By bin: chance per pair of rows.
    chance: Vec<f64>,
    /// The same, of this bin and those above.
    above: Vec<f64>,
    /// The lowest bin in which a best pair says anything: below, chance alone gives most rows one as good.
    pub(super) from: usize,
    /// By link.
    pub(super) fits: Vec<Fit>,
}

/// What was found of one link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fit {
    /// Matches whose values do not drown in chance.
    pub(super) matches: f64,
    /// Those of them that agree on no exact token.
    inexact: f64,
    /// Pairs of rows of which neither has a partner.
    free: f64,
    /// Rows without a partner, of both sides.
    rivals: f64,
}

impl Mixture {
    /// The fixed point, from the first guess that pairs from bin `start` on are true. `passed` counts the pairs that
    /// were passed over, given the chance of an assigned pair by link and bin.
    pub(super) fn iterate(
        links: &[Counted],
        axis: Axis,
        start: usize,
        mut passed: impl FnMut(&[Vec<f64>]) -> Vec<f64>,
    ) -> Self {
        let mut mixture = Self {
            axis,
            curve: Curve::step(start),
            chance: vec![0.0; BINS],
            above: vec![0.0; BINS],
            from: start,
            fits: links.iter().map(|link| Fit::new(link, 1.0)).collect(),
        };
        mixture.count_matches(links);
        for _ in 0..ROUNDS {
            let before: Vec<f64> = mixture.fits.iter().map(|fit| fit.matches).collect();
            let posteriors: Vec<Vec<f64>> =
                (0..links.len()).map(|link| (0..BINS).map(|bin| mixture.posterior(link, bin)).collect()).collect();
            mixture.measure_chance(links, &passed(&posteriors));
            mixture.measure_odds(links);
            mixture.count_matches(links);
            let after = mixture.fits.iter().zip(&before);
            if after.map(|(fit, before)| (fit.matches - before).abs() / before.max(1.0)).fold(0.0, f64::max) < CONVERGED
            {
                break;
            }
        }
        mixture
    }

    fn measure_chance(&mut self, links: &[Counted], wrong: &[f64]) {
        let pairs = links.iter().zip(&self.fits).map(|(link, fit)| link.comparisons() - fit.free - fit.matches);
        self.chance = with_tail(wrong, pairs.sum::<f64>().max(1.0));
        self.above = above(&self.chance);
        let longest = links.iter().flat_map(|link| link.rows).fold(1.0, f64::max);
        self.from = (0..BINS).find(|&bin| longest * self.above[bin] <= CROWDED).unwrap_or(BINS - 1);
    }

    fn measure_odds(&mut self, links: &[Counted]) {
        let mut points = Vec::new();
        for (link, fit) in links.iter().zip(&self.fits) {
            for bin in self.from..BINS {
                let (found, expected) = (link.assigned[bin], fit.free * self.chance[bin] * self.kept(fit, bin));
                if found > 0.0 || expected > 1e-6 {
                    let prior = (fit.inexact.max(0.5) / (fit.free * self.kept(fit, bin)).max(1.0)).ln();
                    points.push(Point { bin, prior, found, expected });
                }
            }
        }
        self.curve = Curve::fit(&points);
    }

    fn count_matches(&mut self, links: &[Counted]) {
        for (number, link) in links.iter().enumerate() {
            let found: f64 = (self.from..BINS).map(|bin| link.assigned[bin] * self.posterior(number, bin)).sum();
            self.fits[number] = Fit::new(link, found);
        }
    }

    /// A row's best pair by chance is kept only if no row without a partner has a better one for either side. Below the
    /// crowded value the assigned pairs are a remainder that says nothing, so that there it is no longer looked at.
    fn kept(&self, fit: &Fit, bin: usize) -> f64 {
        (-fit.rivals * self.above[bin.max(self.from)]).exp()
    }

    /// Whether a value says nothing by itself.
    pub(super) fn drowns(&self, value: f64) -> bool {
        self.axis.bin(value) < self.from
    }

    /// Matches that agree on no exact token and do not drown.
    pub(super) fn inexact(&self) -> f64 {
        self.fits.iter().map(|fit| fit.inexact).sum()
    }

    /// The chance of an assigned pair without exact token.
    pub(super) fn posterior(&self, link: usize, bin: usize) -> f64 {
        let fit = &self.fits[link];
        let truly = fit.inexact.max(0.5) * self.curve.ratio(bin);
        let by_chance = (fit.free * self.kept(fit, bin)).max(1e-3);
        if truly.is_infinite() { 1.0 } else { truly / (truly + by_chance) }
    }

    /// Pairs of different people expected from this bin on, of rows with and without partner.
    pub(super) fn by_chance(&self, link: usize, bin: usize, counted: &Counted) -> f64 {
        (counted.comparisons() - self.fits[link].matches) * self.above[bin]
    }

    /// The odds that a pair of this value is true, before rivals are looked at.
    pub(super) fn odds(&self, link: usize, value: f64) -> f64 {
        let fit = &self.fits[link];
        let place = self.axis.place(value);
        fit.inexact.max(0.5) * self.curve.ratio_at(place) / fit.free.max(1.0)
    }
}

impl Fit {
    fn new(link: &Counted, inexact: f64) -> Self {
        let [n, m] = link.rows;
        let matches = (link.exact + inexact).min(n.min(m));
        let [left, right] = [(n - matches).max(0.0), (m - matches).max(0.0)];
        Self { matches, inexact: (matches - link.exact).max(0.0), free: left * right, rivals: left + right }
    }
}
