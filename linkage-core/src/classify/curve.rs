//! Log-odds that are linear in the value.

use super::tail::BINS;

const ROUNDS: usize = 60;
/// Where to begin: a slope at which odds grow twentyfold over a tenth of the axis.
const FIRST_SLOPE: f64 = 30.0;
/// The slope is drawn towards [`FIRST_SLOPE`] by a belief of this variance, so that data in which matches and chance do
/// not overlap have a finite one.
const SLOPE_VARIANCE: f64 = 60.0 * 60.0;
/// Bins that hold less chance than this, with all bins above them, are taken to hold matches alone.
const NO_CHANCE: f64 = 0.5;
/// Odds are cut off here: larger numbers would say no more.
const MOST: f64 = 60.0;

/// log of density of matches over density of chance, as a straight line over the bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Curve {
    intercept: f64,
    slope: f64,
}

/// What one bin of one link holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) bin: usize,
    /// log of matches per pair of rows without partner.
    pub(super) prior: f64,
    /// Assigned pairs.
    pub(super) found: f64,
    /// Assigned pairs expected by chance.
    pub(super) expected: f64,
}

impl Curve {
    /// Nothing below this bin, everything from it on.
    pub(super) fn step(bin: usize) -> Self {
        Self { intercept: -1e6 * (bin as f64 - 0.5), slope: 1e6 }
    }

    /// The most likely line, by Newton's method.
    ///
    /// Where chance occurs, the number found is a Poisson number of mean expected·(1 + odds). Above that the shape of
    /// the matches' own distribution would rule the fit, so that there only the odds themselves count: p for each pair.
    pub(super) fn fit(points: &[Point]) -> Self {
        let clear = clear_from(points);
        let middle = (clear as f64 + 0.5) / BINS as f64;
        // The line is a + b·(x − middle), so that the two parameters say nearly independent things.
        let x = |bin: usize| (bin as f64 + 0.5) / BINS as f64 - middle;
        let objective = |a: f64, b: f64| -> f64 {
            let terms = points.iter().map(|point| {
                let eta = (a + b * x(point.bin) + point.prior).min(MOST);
                if point.bin < clear {
                    point.found * softplus(eta) - point.expected * (1.0 + eta.exp())
                } else {
                    point.found * (eta - softplus(eta))
                }
            });
            terms.sum::<f64>() - (b - FIRST_SLOPE).powi(2) / (2.0 * SLOPE_VARIANCE)
        };
        let mean_prior = points.iter().map(|p| p.prior * p.found).sum::<f64>()
            / points.iter().map(|p| p.found).sum::<f64>().max(1e-9);
        let (mut a, mut b) = (-mean_prior, FIRST_SLOPE);
        let mut best = objective(a, b);
        for _ in 0..ROUNDS {
            let (mut g0, mut g1) = (0.0, (FIRST_SLOPE - b) / SLOPE_VARIANCE);
            let (mut h00, mut h01, mut h11) = (1e-6, 0.0, 1.0 / SLOPE_VARIANCE);
            for point in points {
                let x = x(point.bin);
                let eta = (a + b * x + point.prior).min(MOST);
                let (odds, p) = (eta.exp(), 1.0 / (1.0 + (-eta).exp()));
                let (gradient, weight) = if point.bin < clear {
                    (point.found * p - point.expected * odds, point.expected * odds * p)
                } else {
                    (point.found * (1.0 - p), point.found * p * (1.0 - p))
                };
                g0 += gradient;
                g1 += gradient * x;
                h00 += weight;
                h01 += weight * x;
                h11 += weight * x * x;
            }
            let determinant = (h00 * h11 - h01 * h01).max(1e-12);
            let (da, db) = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant);
            let longest = (30.0 / da.abs().max(db.abs()).max(1e-12)).min(1.0);
            let better = (0..40)
                .map(|halvings| longest * 0.5_f64.powi(halvings))
                .map(|step| (step, objective(a + step * da, (b + step * db).max(1.0))))
                .find(|&(_, value)| value > best);
            let Some((step, value)) = better else { break };
            (a, b) = (a + step * da, (b + step * db).max(1.0));
            let gain = value - best;
            best = value;
            if gain < 1e-9 * best.abs() {
                break;
            }
        }
        let slope = b / BINS as f64;
        Self { intercept: a - b * middle + 0.5 * slope, slope }
    }

    /// Density of matches over chance in a bin.
    pub(super) fn ratio(&self, bin: usize) -> f64 {
        self.ratio_at(bin as f64 + 0.5)
    }

    /// The same at a place between bins; bin b has its middle at b + 0.5.
    pub(super) fn ratio_at(&self, place: f64) -> f64 {
        (self.intercept + self.slope * (place - 0.5)).clamp(-10.0 * MOST, MOST).exp()
    }
}

/// The first bin from which on chance is negligible.
fn clear_from(points: &[Point]) -> usize {
    let mut expected = vec![0.0; BINS];
    points.iter().for_each(|point| expected[point.bin] += point.expected);
    let mut above = 0.0;
    let clear = (0..BINS).rev().take_while(|&bin| {
        above += expected[bin];
        above < NO_CHANCE
    });
    clear.last().unwrap_or(BINS - 1)
}

/// ln(1 + e^x).
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
