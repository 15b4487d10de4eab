//! Learning from a gold sample: pairs that somebody has looked at.

use super::background::{self, Draw};
use super::em::{self, Observed, Weights};
use super::estimate::Estimate;
use super::measure::Measure;
use super::model::Options;
use super::segments::Frequencies;
use super::{Candidate, Tables};

/// Samples drawn again, for the interval of the threshold.
const SAMPLES: u64 = 200;
const ROUNDS: usize = 50;
/// What the slope of the chance is drawn towards nothing by, so that a sample without overlap has a finite one.
const SLOPE_VARIANCE: f64 = 100.0;

/// A candidate, and whether it is one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GoldPair {
    /// The pair of databases: an index into [`Tables::links`].
    pub link: usize,
    /// The candidate.
    pub candidate: Candidate,
    /// Whether it is one person.
    pub matched: bool,
}

/// What a gold sample taught.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldModel {
    measure: Measure,
    line: Line,
    /// The value from which a pair is more likely one person than not, with the interval over samples drawn again.
    pub threshold: Estimate,
}

/// log-odds = a + b·value.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    a: f64,
    b: f64,
}

/// Learns from a gold sample: m is counted among its matches, u by chance as without a sample; a logistic regression of
/// the labels on the value gives the chance. The sample must be drawn from the candidates at random, or its chances are
/// those of another population.
///
/// `None` when it lacks matches, or pairs that are none.
#[must_use]
pub fn learn_from_gold(
    tables: &Tables<'_>,
    frequencies: &Frequencies,
    gold: &[GoldPair],
    options: &Options,
) -> Option<GoldModel> {
    if gold.iter().all(|pair| pair.matched) || gold.iter().all(|pair| !pair.matched) {
        return None;
    }
    let measure = if tables.segments() < 2 {
        Measure::composite(tables)
    } else {
        let mut likely: Vec<Vec<u32>> = tables.links.iter().map(|link| vec![u32::MAX; tables.rows(link)[0]]).collect();
        for pair in gold.iter().filter(|pair| pair.matched) {
            likely[pair.link][pair.candidate.left as usize] = pair.candidate.right;
        }
        let background = background::measure(tables, frequencies, &likely, options.seed);
        let matches = gold.iter().filter(|pair| pair.matched).map(|pair| (pair.link, pair.candidate.pattern, true));
        let comparisons = tables.links.iter().map(|link| tables.comparisons(link)).collect();
        Measure::Segments(em::count(&Observed::count(matches, comparisons), &background, frequencies))
    };
    let points: Vec<(f64, bool)> =
        gold.iter().map(|pair| (measure.value(tables, pair.link, &pair.candidate), pair.matched)).collect();
    let line = Line::fit(&points);
    let mut thresholds: Vec<f64> = (0..SAMPLES)
        .map(|sample| {
            let mut draw = Draw::new(options.seed ^ sample << 20);
            let again: Vec<(f64, bool)> = points.iter().map(|_| points[draw.below(points.len()) as usize]).collect();
            Line::fit(&again).threshold()
        })
        .filter(|threshold| threshold.is_finite())
        .collect();
    thresholds.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| thresholds.get((share * thresholds.len() as f64) as usize).copied();
    let threshold = line.threshold();
    let (low, high) = (at(0.025).unwrap_or(threshold).min(threshold), at(0.975).unwrap_or(threshold).max(threshold));
    Some(GoldModel { measure, line, threshold: Estimate { value: threshold, low, high } })
}

impl GoldModel {
    /// The match weights; none when tokens are composite.
    #[must_use]
    pub fn weights(&self) -> Option<&Weights> {
        self.measure.weights()
    }

    /// The value by which a candidate of a link is judged, as [`super::Model::value`].
    #[must_use]
    pub fn value(&self, tables: &Tables<'_>, link: usize, candidate: &Candidate) -> f64 {
        self.measure.value(tables, link, candidate)
    }

    /// The chance that a candidate of a link is one person.
    #[must_use]
    pub fn probability(&self, tables: &Tables<'_>, link: usize, candidate: &Candidate) -> f64 {
        1.0 / (1.0 + (-(self.line.a + self.line.b * self.value(tables, link, candidate))).exp())
    }
}

impl Line {
    /// Logistic regression by Newton's method, on values brought to mean 0 and spread 1.
    fn fit(points: &[(f64, bool)]) -> Self {
        let n = points.len().max(1) as f64;
        let mean = points.iter().map(|p| p.0).sum::<f64>() / n;
        let spread = (points.iter().map(|p| (p.0 - mean).powi(2)).sum::<f64>() / n).sqrt().max(1e-9);
        let likelihood = |a: f64, b: f64| -> f64 {
            let sum: f64 = points
                .iter()
                .map(|&(value, matched)| {
                    let eta = a + b * (value - mean) / spread;
                    (if matched { eta } else { 0.0 }) - eta.max(0.0) - (-eta.abs()).exp().ln_1p()
                })
                .sum();
            sum - b * b / (2.0 * SLOPE_VARIANCE)
        };
        let (mut a, mut b) = (0.0, 1.0);
        let mut best = likelihood(a, b);
        for _ in 0..ROUNDS {
            let (mut g0, mut g1, mut h00, mut h01, mut h11) =
                (0.0, -b / SLOPE_VARIANCE, 1e-6, 0.0, 1.0 / SLOPE_VARIANCE);
            for &(value, matched) in points {
                let x = (value - mean) / spread;
                let p = 1.0 / (1.0 + (-(a + b * x)).exp());
                let (residual, weight) = (f64::from(u8::from(matched)) - p, p * (1.0 - p));
                (g0, g1) = (g0 + residual, g1 + residual * x);
                (h00, h01, h11) = (h00 + weight, h01 + weight * x, h11 + weight * x * x);
            }
            let determinant = h00 * h11 - h01 * h01;
            let (da, db) = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant);
            let steps = (0..30).map(|halvings| 0.5_f64.powi(halvings));
            let better =
                steps.map(|s| (s, likelihood(a + s * da, b + s * db))).find(|&(_, value)| value > best + 1e-12);
            let Some((step, value)) = better else { break };
            (a, b, best) = (a + step * da, b + step * db, value);
        }
        Self { a: a - b * mean / spread, b: b / spread }
    }

    fn threshold(&self) -> f64 {
        -self.a / self.b
    }
}
