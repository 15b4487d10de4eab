//! From values to chances: how likely a pair is true, given its weight or score and the size of the tables.

use std::ops::Range;

use super::Link;
use super::curve::{Curve, DRIFT_DEVIATION, Point};
use super::tail::{Axis, BINS, Passed, above, with_tail};

/// Rounds of the fixed point; it settles in ten or so.
const ROUNDS: usize = 60;
/// Relative change of the number of matches at which the fixed point is reached.
const CONVERGED: f64 = 1e-5;
/// A value says nothing by itself once this many pairs per row of the larger table reach it by chance.
const CROWDED: f64 = 0.2;
/// A pair whose value so many pairs per row of the larger table reach by chance, and not more, surely is one person's.
const SURE: f64 = 0.01;
/// Rows without partner are compared with others by the values below [`CROWDED`] down to where so many times as many pairs
/// come by chance: there are enough of them, and hardly a match.
const WINDOW: f64 = 10.0;
/// Pairs that the belief is worth that all are reached by chance alike often.
pub(super) const SHRINK: f64 = 20.0;

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
/// without a partner: `chance(v)`, but for a factor. For a row may have none because it is of another kind, young where the
/// other table is old, or lack fields; how alike such rows are is counted at values that no match has. A link has
/// (N−S)·(M−S) pairs of rows that do not surely have their partner, S being the rows that do; so chance grows with N×M, as it
/// does in truth. What all candidates between such rows exceed chance by are matches; the log-odds of being one are a smooth
/// curve of the value that rises.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    pub(super) axis: Axis,
    /// log of how many times more often matches have a value than chance.
    curve: Curve,
    /// By bin: chance per pair of rows.
    chance: Vec<f64>,
    /// The same, of this bin and those above.
    above: Vec<f64>,
    /// The most of any bin from this one to the lowest that says something by itself.
    most: Vec<f64>,
    /// The lowest bin in which a best pair says anything: below, chance alone gives most rows one as good.
    pub(super) from: usize,
    /// The lowest bin in which hardly any pair is there by chance ([`SURE`]).
    pub(super) sure: usize,
    /// The bins in which rows without partner are compared with others ([`WINDOW`]).
    pub(super) window: Range<usize>,
    /// By link.
    pub(super) fits: Vec<Fit>,
}

/// What was found of one link.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    /// Matches whose values do not drown in chance.
    pub(super) matches: f64,
    /// Those of them that agree on no exact token.
    inexact: f64,
    /// Pairs of rows of which neither has a partner.
    free: f64,
    /// Rows without a partner, of both sides.
    rivals: f64,
    /// Rows of either side that do not surely have their partner.
    unsure: [f64; 2],
    /// By bin: the pairs of those rows and, from the lowest sure bin on, the assigned pairs.
    seen: Vec<f64>,
    /// By bin: how many times as often such pairs reach a value by chance as pairs of all links of which a row has its
    /// partner.
    alike: Vec<f64>,
}

impl Mixture {
    /// The fixed point, from the first guess that pairs from bin `start` on are true. `passed` counts the pairs that
    /// were passed over, given the chance of an assigned pair by link and bin.
    pub(super) fn iterate(
        links: &[Counted],
        axis: Axis,
        start: usize,
        mut passed: impl FnMut(&[Vec<f64>], usize) -> Vec<Passed>,
    ) -> Self {
        let mut mixture = Self {
            axis,
            curve: Curve::step(start),
            chance: vec![0.0; BINS],
            above: vec![0.0; BINS],
            most: vec![0.0; BINS],
            from: start,
            sure: start,
            window: start..start,
            fits: links.iter().map(|link| Fit::new(link, 1.0)).collect(),
        };
        mixture.count_matches(links);
        for _ in 0..ROUNDS {
            let before: Vec<f64> = mixture.fits.iter().map(|fit| fit.matches).collect();
            let posteriors: Vec<Vec<f64>> =
                (0..links.len()).map(|link| (0..BINS).map(|bin| mixture.posterior(link, bin)).collect()).collect();
            mixture.measure_chance(links, &passed(&posteriors, mixture.sure));
            mixture.measure_odds();
            mixture.count_matches(links);
            let after = mixture.fits.iter().zip(&before);
            if after.map(|(fit, before)| (fit.matches - before).abs() / before.max(1.0)).fold(0.0, f64::max) < CONVERGED
            {
                break;
            }
        }
        mixture
    }

    fn measure_chance(&mut self, links: &[Counted], passed: &[Passed]) {
        let pairs: f64 = links.iter().zip(&self.fits).map(|(link, fit)| fit.partnered(link)).sum();
        let all = passed.iter().fold(Passed::none(self.sure), Passed::and);
        self.chance = with_tail(&all.wrong, pairs.max(1.0));
        self.above = above(&self.chance);
        let longest = links.iter().flat_map(|link| link.rows).fold(1.0, f64::max);
        let lowest = |most: f64| (0..BINS).find(|&bin| longest * self.above[bin] <= most).unwrap_or(BINS - 1);
        let [window, from, sure] = [WINDOW * CROWDED, CROWDED, SURE].map(lowest);
        for (number, (link, passed)) in links.iter().zip(passed).enumerate() {
            // As many as in the same number of bins above, at most.
            let matches = (from..(2 * from - window).min(BINS)).map(|bin| self.found(number, bin)).sum();
            let fit = &mut self.fits[number];
            fit.set_aside(link, passed);
            fit.measure_alike(link, passed, window..from, matches, &self.chance);
        }
        (self.from, self.sure, self.window) = (from, sure, window..from);
        self.most.clone_from(&self.chance);
        for bin in (0..from).rev() {
            self.most[bin] = self.most[bin].max(self.most[bin + 1]);
        }
    }

    fn measure_odds(&mut self) {
        // All links together: what is expected of one is off by more than what is expected of all.
        let points: Vec<Point> = (self.from..BINS)
            .filter_map(|bin| {
                let (mut found, mut free, mut matches) = (0.0, 0.0, 0.0);
                for fit in &self.fits {
                    found += fit.seen[bin];
                    free += fit.open_at(bin);
                    matches += fit.inexact.max(0.5);
                }
                let (expected, prior) = (free * self.chance[bin], (matches / free.max(1.0)).ln());
                (found > 0.0 || expected > 1e-6).then_some(Point { bin, prior, found, expected })
            })
            .collect();
        let (curve, drift) = Curve::fit(&points);
        self.curve = curve;
        let above = |fit: &mut Fit| fit.alike[self.from..].iter_mut().for_each(|alike| *alike *= drift.exp());
        self.fits.iter_mut().for_each(above);
    }

    fn count_matches(&mut self, links: &[Counted]) {
        for (number, link) in links.iter().enumerate() {
            let found: f64 = (self.from..BINS).map(|bin| self.found(number, bin)).sum();
            self.fits[number].count(link, found);
        }
    }

    /// A row's best pair by chance is kept only if no row without a partner has a better one for either side. Below the
    /// crowded value the assigned pairs are a remainder that says nothing, so that there it is no longer looked at.
    fn kept(&self, fit: &Fit, bin: usize) -> f64 {
        let bin = bin.max(self.from);
        (-fit.rivals * fit.alike[bin] * self.above[bin]).exp()
    }

    /// Whether a value says nothing by itself.
    pub(super) fn drowns(&self, value: f64) -> bool {
        self.axis.bin(value) < self.from
    }

    /// Matches that agree on no exact token and do not drown.
    pub(super) fn inexact(&self) -> f64 {
        self.fits.iter().map(|fit| fit.inexact).sum()
    }

    /// How many matches that do not drown there may be more or fewer than were found, as a standard deviation, because chance is
    /// known no better: what is taken for chance may be matches, and the other way round.
    pub(super) fn doubt(&self) -> f64 {
        let by_chance = |bin: usize| self.chance[bin] * self.fits.iter().map(|fit| fit.open_at(bin)).sum::<f64>();
        DRIFT_DEVIATION * (self.from..BINS).map(by_chance).sum::<f64>()
    }

    /// The chance of an assigned pair without exact token.
    pub(super) fn posterior(&self, link: usize, bin: usize) -> f64 {
        let fit = &self.fits[link];
        let truly = fit.inexact.max(0.5) * self.curve.ratio(bin);
        share(truly, fit.open_at(bin) * self.kept(fit, bin))
    }

    /// Matches among the pairs of this bin that a match can be among.
    fn found(&self, link: usize, bin: usize) -> f64 {
        let fit = &self.fits[link];
        fit.seen[bin] * share(fit.inexact.max(0.5) * self.curve.ratio(bin), fit.open_at(bin))
    }

    /// Pairs of different people expected from this bin on, of rows with and without partner.
    pub(super) fn by_chance(&self, link: usize, bin: usize, counted: &Counted) -> f64 {
        (counted.comparisons() - self.fits[link].matches) * self.above[bin]
    }

    /// The odds that a pair of this value is true, before rivals are looked at.
    ///
    /// Of values that say nothing by themselves the curve knows nothing. Matches are taken to be no denser there than at the
    /// lowest value that says something, while chance grows; else many faint rivals would together outweigh a match.
    pub(super) fn odds(&self, link: usize, value: f64) -> f64 {
        let fit = &self.fits[link];
        let (bin, place) = (self.axis.bin(value), self.axis.place(value));
        let mut ratio = self.curve.ratio_at(place);
        if bin < self.from {
            ratio = ratio.min(self.curve.ratio(self.from) * self.chance[self.from] / self.most[bin]);
        }
        fit.inexact.max(0.5) * ratio / fit.open_at(bin).max(1.0)
    }
}

/// The share of the first in both.
fn share(truly: f64, by_chance: f64) -> f64 {
    if truly.is_infinite() { 1.0 } else { truly / (truly + by_chance.max(1e-3)) }
}

impl Fit {
    fn new(link: &Counted, inexact: f64) -> Self {
        let mut fit = Self {
            matches: 0.0,
            inexact: 0.0,
            free: 0.0,
            rivals: 0.0,
            unsure: link.rows,
            seen: link.assigned.clone(),
            alike: vec![1.0; BINS],
        };
        fit.count(link, inexact);
        fit
    }

    /// Takes so many matches that agree on no exact token to be there.
    fn count(&mut self, link: &Counted, inexact: f64) {
        let [n, m] = link.rows;
        self.matches = (link.exact + inexact).min(n.min(m));
        self.inexact = (self.matches - link.exact).max(0.0);
        let [left, right] = [n, m].map(|rows| (rows - self.matches).max(0.0));
        (self.free, self.rivals) = (left * right, left + right);
    }

    /// Sets aside the rows that surely have their partner.
    fn set_aside(&mut self, link: &Counted, passed: &Passed) {
        let sure = passed.sure;
        let rows = link.exact + link.assigned[sure..].iter().sum::<f64>();
        self.unsure = link.rows.map(|all| (all - rows).max(0.0));
        self.seen = (0..BINS).map(|bin| if bin < sure { passed.free[bin] } else { link.assigned[bin] }).collect();
    }

    /// Pairs of different people of which a row has its partner.
    fn partnered(&self, link: &Counted) -> f64 {
        (link.comparisons() - self.free - self.matches).max(0.0)
    }

    /// How alike rows without partner are, in the window, and the rows of this link beside those of all, from each value on.
    /// `matches` of rows that do not surely have their partner are taken to lie in the window.
    fn measure_alike(&mut self, link: &Counted, passed: &Passed, window: Range<usize>, matches: f64, chance: &[f64]) {
        let within = |of: &[f64]| of[window.clone()].iter().sum::<f64>();
        let (rate, pairs) = (within(chance), self.partnered(link));
        let of_link = (within(&passed.wrong) + SHRINK) / (pairs * rate + SHRINK);
        let [left, right] = self.unsure;
        let free = (within(&passed.free) - matches).max(0.0);
        let of_free = (free + SHRINK) / (left * right * rate * of_link + SHRINK);
        let (mut wrong, mut expected) = (0.0, 0.0);
        for bin in (0..BINS).rev() {
            (wrong, expected) = (wrong + passed.wrong[bin], expected + pairs * chance[bin]);
            self.alike[bin] = of_free * (wrong + SHRINK * of_link) / (expected + SHRINK);
        }
    }

    /// Pairs of rows that do not surely have their partner, as many as would reach a value by chance as often as others do.
    fn open_at(&self, bin: usize) -> f64 {
        self.unsure[0] * self.unsure[1] * self.alike[bin]
    }
}
