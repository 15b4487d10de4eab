//! Log-odds as a smooth curve of the value.

use super::numeric::{Triangle, rising};
use super::tail::BINS;

/// Stretches of the axis; the curve is straight within each.
const STRETCHES: usize = 30;
const KNOTS: usize = STRETCHES + 1;
/// Bins of a stretch.
const APART: f64 = BINS as f64 / STRETCHES as f64;
const ROUNDS: usize = 60;
/// Where to begin: a line that rises so much from end to end that odds grow twentyfold over a tenth of the axis.
const FIRST_RISE: f64 = 30.0;
/// The rise is drawn towards [`FIRST_RISE`] by a belief of this variance, so that data in which matches and chance do not
/// overlap have a finite one.
const RISE_VARIANCE: f64 = 60.0 * 60.0;
/// Standard deviations of the bend at a knot to choose among: from a line to a curve that follows every stretch.
const BENDS: [f64; 6] = [0.02, 0.1, 0.25, 0.5, 1.0, 2.0];
/// Bins that hold less chance than this, with all bins above them, are taken to hold matches alone.
const NO_CHANCE: f64 = 0.5;
/// How far chance may easily be off, as the logarithm of a factor, where matches are, beside what it is among the lower values at
/// which it is counted: what it was in the runs with truth.
pub(super) const DRIFT_DEVIATION: f64 = 0.05;
/// Odds are cut off here: larger numbers would say no more.
const MOST: f64 = 60.0;
/// What a knot of which the data say nothing counts for.
const LEAST_WEIGHT: f64 = 1e-6;

type Knots = [f64; KNOTS];
/// The knots, and then the drift.
type Parts = [f64; KNOTS + 1];
const DRIFT: usize = KNOTS;

/// log of density of matches over density of chance: at the knots, between which it is straight. It never falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Curve {
    knots: Knots,
}

/// What one bin holds, of all links together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) bin: usize,
    /// log of matches per pair of rows without partner.
    pub(super) prior: f64,
    /// Pairs that may be matches.
    pub(super) found: f64,
    /// Pairs expected by chance.
    pub(super) expected: f64,
}

impl Curve {
    /// Nothing below this bin, everything from it on.
    pub(super) fn step(bin: usize) -> Self {
        Self { knots: line(bin as f64, 1e6 * STRETCHES as f64, 0.0) }
    }

    /// The most likely of the curves that bend little. How little is chosen by the marginal likelihood (Laplace's
    /// approximation), so that few pairs give a line and many what they show (P-splines, Eilers and Marx 1996).
    ///
    /// Where chance occurs, the number found is a Poisson number of mean expected·(e^drift + odds). Above that the
    /// shape of the matches' own distribution would rule the fit, so that there only the odds themselves count: p for each
    /// pair. The drift comes with the curve.
    pub(super) fn fit(points: &[Point]) -> (Self, f64) {
        let clear = clear_from(points);
        let mean_prior = points.iter().map(|p| p.prior * p.found).sum::<f64>()
            / points.iter().map(|p| p.found).sum::<f64>().max(1e-9);
        let first = line(clear as f64, FIRST_RISE, -mean_prior);
        let parts = std::array::from_fn(|at| first.get(at).copied().unwrap_or_default());
        let mut fitted = Fitted { parts, weights: [0.0; KNOTS], likely: 0.0 };
        let mut best: Option<Fitted> = None;
        for bend in BENDS {
            // Each begins where the stiffer one before has ended.
            fitted = Bending { points, clear, bend }.fit(fitted.parts);
            if best.as_ref().is_none_or(|best| fitted.likely > best.likely) {
                best = Some(fitted);
            }
        }
        let Fitted { parts, weights, .. } = best.unwrap_or(fitted);
        let weights = weights.map(|weight| weight.max(LEAST_WEIGHT));
        let weighted: Knots = std::array::from_fn(|at| parts[at] * weights[at]);
        let rising = rising(&weighted, &weights);
        (Self { knots: std::array::from_fn(|at| rising[at]) }, parts[DRIFT])
    }

    /// Density of matches over chance in a bin.
    pub(super) fn ratio(&self, bin: usize) -> f64 {
        self.ratio_at(bin as f64 + 0.5)
    }

    /// The same at a place between bins; bin b has its middle at b + 0.5.
    pub(super) fn ratio_at(&self, place: f64) -> f64 {
        height(&self.knots, place).clamp(-10.0 * MOST, MOST).exp()
    }
}

/// A line that is so high at this place.
fn line(place: f64, rise: f64, height: f64) -> Knots {
    std::array::from_fn(|at| height + rise * (at as f64 * APART - place) / BINS as f64)
}

/// The knots on either side of a place, and what each counts for. Beyond the ends the last stretch goes on.
fn beside(place: f64) -> [(usize, f64); 2] {
    let at = (place / APART).clamp(0.0, (STRETCHES - 1) as f64) as usize;
    let share = place / APART - at as f64;
    [(at, 1.0 - share), (at + 1, share)]
}

/// The height of the curve of these knots.
fn height(knots: &[f64], place: f64) -> f64 {
    beside(place).into_iter().map(|(at, share)| share * knots[at]).sum()
}

/// What one choice of bend gives.
#[derive(Debug, Clone, Copy)]
struct Fitted {
    parts: Parts,
    /// What the points say of each knot.
    weights: Knots,
    /// log of the marginal likelihood.
    likely: f64,
}

/// How likely curves are whose bends at the knots have this standard deviation.
struct Bending<'a> {
    points: &'a [Point],
    /// The first bin from which on chance is negligible.
    clear: usize,
    bend: f64,
}

impl Bending<'_> {
    /// The most likely curve, by Fisher's scoring.
    fn fit(&self, mut parts: Parts) -> Fitted {
        let mut best = self.log_likelihood(&parts);
        let mut fitted = Fitted { parts, weights: [0.0; KNOTS], likely: f64::NEG_INFINITY };
        for _ in 0..ROUNDS {
            let (gradient, information, weights) = self.derivatives(&parts);
            let Some(triangle) = Triangle::of(&information) else { break };
            let believed = (KNOTS - 2) as f64 * self.bend.ln();
            fitted = Fitted { parts, weights, likely: best - believed - triangle.log_determinant() / 2.0 };
            let step = triangle.solve(gradient);
            let farthest = step.iter().fold(1e-12_f64, |most, step| most.max(step.abs()));
            let longest = (30.0 / farthest).min(1.0);
            let better = (0..40)
                .map(|halvings| longest * 0.5_f64.powi(halvings))
                .map(|length| std::array::from_fn(|at| parts[at] + length * step[at]))
                .map(|moved| (moved, self.log_likelihood(&moved)))
                .find(|&(_, value)| value > best);
            let Some((moved, value)) = better else { break };
            let gain = value - best;
            (parts, best) = (moved, value);
            if gain < 1e-9 * best.abs() {
                break;
            }
        }
        fitted
    }

    fn eta(parts: &Parts, point: &Point) -> f64 {
        (height(parts, point.bin as f64 + 0.5) + point.prior).min(MOST)
    }

    /// Of the points and what is believed beforehand.
    fn log_likelihood(&self, parts: &Parts) -> f64 {
        let of_points = self.points.iter().map(|point| {
            let (eta, drift) = (Self::eta(parts, point), parts[DRIFT]);
            if point.bin < self.clear {
                point.found * (drift + softplus(eta - drift)) - point.expected * (drift.exp() + eta.exp())
            } else {
                point.found * (eta - softplus(eta))
            }
        });
        let beliefs = beliefs(self.bend).map(|belief| belief.off(parts).powi(2) * belief.weight / 2.0);
        of_points.sum::<f64>() - beliefs.sum::<f64>()
    }

    /// The gradient, Fisher's information, and what of its diagonal comes from the points.
    fn derivatives(&self, parts: &Parts) -> (Parts, [Parts; KNOTS + 1], Knots) {
        let (mut gradient, mut information) = ([0.0; KNOTS + 1], [[0.0; KNOTS + 1]; KNOTS + 1]);
        let mut add = |of: &[(usize, f64)], slope: f64, weight: f64| {
            for &(i, x) in of {
                gradient[i] += slope * x;
                of.iter().for_each(|&(j, y)| information[i][j] += weight * x * y);
            }
        };
        for point in self.points {
            let (eta, drift) = (Self::eta(parts, point), parts[DRIFT]);
            let beside = beside(point.bin as f64 + 0.5);
            if point.bin >= self.clear {
                let p = 1.0 / (1.0 + (-eta).exp());
                add(&beside, point.found * (1.0 - p), point.found * p * (1.0 - p));
                continue;
            }
            // Matches and strangers expected; the logarithm of their sum has the shares of both as slopes.
            let [truly, by_chance] = [eta, drift].map(|log| point.expected * log.exp());
            let all = truly + by_chance;
            let [p, q] = [truly, by_chance].map(|of| of / all.max(f64::MIN_POSITIVE));
            let [(i, x), (j, y)] = beside;
            let sum = [(i, x * p), (j, y * p), (DRIFT, q)];
            add(&sum, point.found - all, all);
        }
        let weights = std::array::from_fn(|at| information[at][at]);
        for belief in beliefs(self.bend) {
            let off = belief.off(parts);
            for (i, x) in belief.of {
                gradient[i] -= belief.weight * off * x;
                belief.of.into_iter().for_each(|(j, y)| information[i][j] += belief.weight * x * y);
            }
        }
        // Of the height alone nothing is believed; where no point says anything it stays what it is.
        (0..KNOTS).for_each(|at| information[at][at] += LEAST_WEIGHT);
        (gradient, information, weights)
    }
}

/// That a sum over a few parts is near a number.
struct Belief {
    of: [(usize, f64); 3],
    near: f64,
    /// One over the variance.
    weight: f64,
}

impl Belief {
    fn off(&self, parts: &Parts) -> f64 {
        self.of.iter().map(|&(at, share)| share * parts[at]).sum::<f64>() - self.near
    }
}

/// That each bend and the drift are near nothing, and that the rise from end to end is near [`FIRST_RISE`].
fn beliefs(bend: f64) -> impl Iterator<Item = Belief> {
    let of_bend =
        move |at| Belief { of: [(at - 1, 1.0), (at, -2.0), (at + 1, 1.0)], near: 0.0, weight: 1.0 / (bend * bend) };
    let of_rise = Belief { of: [(0, -1.0), (1, 0.0), (STRETCHES, 1.0)], near: FIRST_RISE, weight: 1.0 / RISE_VARIANCE };
    let of_drift = Belief { of: [(DRIFT, 1.0), (0, 0.0), (1, 0.0)], near: 0.0, weight: DRIFT_DEVIATION.powi(-2) };
    (1..STRETCHES).map(of_bend).chain([of_rise, of_drift])
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of so many matches and strangers by bin, as many as expected.
    fn points(matches: impl Fn(f64) -> f64, strangers: impl Fn(f64) -> f64) -> Vec<Point> {
        let of = |bin: usize| {
            let (truly, expected) = (matches(bin as f64 + 0.5), strangers(bin as f64 + 0.5));
            Point { bin, prior: 0.0, found: (truly + expected).round(), expected }
        };
        (0..BINS).map(of).collect()
    }

    fn chance(curve: &Curve, bin: usize) -> f64 {
        let odds = curve.ratio(bin);
        odds / (1.0 + odds)
    }

    #[test]
    fn a_line_is_found_again() {
        let strangers = |place: f64| 2000.0 * (-place / 15.0).exp();
        let line = |place: f64| (-6.0 + place / 15.0).exp();
        let (curve, _) = Curve::fit(&points(|place| strangers(place) * line(place), strangers));
        for bin in [40, 60, 80, 90, 100, 120] {
            let (is, found) = (line(bin as f64 + 0.5).ln(), curve.ratio(bin).ln());
            assert!((is - found).abs() < 0.5, "bin {bin}: {found} for {is}");
        }
    }

    #[test]
    fn matches_that_lack_a_field_are_seen_as_a_step_and_not_smoothed_away() {
        let strangers = |place: f64| 4000.0 * (-place / 15.0).exp();
        let step = |place: f64| if place < 60.0 { 0.0 } else { strangers(60.0) * 1.2 * (-(place - 60.0) / 40.0).exp() };
        let (curve, _) = Curve::fit(&points(step, strangers));
        assert!(chance(&curve, 45) < 0.1, "{}", chance(&curve, 45));
        let at = chance(&curve, 70);
        let is = step(70.5) / (step(70.5) + strangers(70.5));
        assert!((at - is).abs() < 0.1, "{at} for {is}");
        assert!((0..BINS - 1).all(|bin| curve.ratio(bin) <= curve.ratio(bin + 1)));
    }

    #[test]
    fn chance_that_is_a_little_more_than_was_expected_is_not_taken_for_matches() {
        let strangers = |place: f64| 4000.0 * (-place / 15.0).exp();
        let more = |place: f64| strangers(place) * 0.07;
        let line = |place: f64| strangers(place) * (-9.0 + place / 10.0).exp();
        let (curve, drift) = Curve::fit(&points(|place| more(place) + line(place), strangers));
        assert!((drift - 0.07).abs() < 0.03, "{drift}");
        assert!(chance(&curve, 40) < 0.02, "{}", chance(&curve, 40));
        assert!((curve.ratio(100).ln() - 1.05).abs() < 0.5, "{}", curve.ratio(100).ln());
    }

    #[test]
    fn few_pairs_and_none_give_a_curve() {
        let one = Point { bin: 100, prior: 0.0, found: 1.0, expected: 0.1 };
        for points in [vec![], vec![one]] {
            let (curve, drift) = Curve::fit(&points);
            assert!(drift.is_finite());
            assert!((0..BINS).all(|bin| curve.ratio(bin).is_finite()));
            assert!((0..BINS - 1).all(|bin| curve.ratio(bin) <= curve.ratio(bin + 1)));
        }
    }
}
