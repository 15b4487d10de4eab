//! Learning from a gold sample: pairs that somebody has looked at.

use std::collections::HashMap;

use super::Tables;
use super::background::Draw;
use super::estimate::Estimate;
use super::model::{Model, Options, learn};
use super::segments::Frequencies;

/// Samples drawn again, for the interval of the threshold.
const SAMPLES: u64 = 200;
const ROUNDS: usize = 50;
/// How far the sample may easily move the log-odds up or down: a factor of e in the odds.
const SHIFT_VARIANCE: f64 = 1.0;
/// How far it may easily stretch them.
const STRETCH_VARIANCE: f64 = 0.25;
/// Chances nearer to 0 or 1 are taken to be as near as this, on the logit scale: one label must not weigh more than all.
const MOST: f64 = 12.0;

/// Two records, and whether they are one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoldPair {
    /// The pair of databases: an index into [`Tables::links`].
    pub link: usize,
    /// Row in the left table.
    pub left: u32,
    /// Row in the right table.
    pub right: u32,
    /// Whether it is one person.
    pub matched: bool,
}

/// What a gold sample says of the chances that were learnt without truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// The chance without the sample from which a pair is more likely one person than not, with the interval over samples
    /// drawn again: 0.5 when the sample agrees.
    pub threshold: Estimate,
    /// Labelled pairs that are candidates; the others say nothing.
    pub pairs: u64,
    /// How many of those are one person.
    pub matches: u64,
    line: Line,
}

/// What log-odds become: a + b·log-odds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    a: f64,
    b: f64,
}

/// [`learn`], and then [`Model::correct`].
#[must_use]
pub fn learn_from_gold(
    tables: &Tables<'_>,
    frequencies: &Frequencies,
    gold: &[GoldPair],
    options: &Options,
) -> Option<Model> {
    learn(tables, frequencies, options).correct(tables, gold)
}

impl Model {
    /// Lets a gold sample correct the chances: log-odds = a + b·log-odds, by logistic regression with a and b drawn
    /// towards 0 and 1.
    ///
    /// Of a few hundred candidates drawn at random a handful are matches. Weights counted from those are worse than weights
    /// from all pairs that are each other's best; but the labels tell whether the chances are right. So a sample that is
    /// small changes little, and a larger one as much as it must. It may be drawn from all candidates or from those of
    /// some chances only, such as the review zone, where labels tell most; but whoever draws must not know which pairs are
    /// matches. Pairs that are no candidates are passed over. What an earlier sample corrected is forgotten.
    ///
    /// Chances and log-odds are corrected alike, so that clusters, zones and estimates are too. [`Self::cut`] stays.
    ///
    /// `None` when the candidates of the sample lack matches, or pairs that are none.
    #[must_use]
    pub fn correct(mut self, tables: &Tables<'_>, gold: &[GoldPair]) -> Option<Self> {
        self.gold = None;
        let labels: HashMap<(usize, u32, u32), bool> =
            gold.iter().map(|pair| ((pair.link, pair.left, pair.right), pair.matched)).collect();
        let mut points = Vec::new();
        for (number, link) in tables.links.iter().enumerate() {
            let judged = self.judge(tables, number);
            points.extend(link.candidates.iter().zip(&judged).filter_map(|(candidate, judged)| {
                let matched = labels.get(&(number, candidate.left, candidate.right))?;
                Some((logit(judged.probability.into()), *matched))
            }));
        }
        let (pairs, matches) = (points.len() as u64, points.iter().filter(|(_, matched)| *matched).count() as u64);
        if matches == 0 || matches == pairs {
            return None;
        }
        let line = Line::fit(&points);
        let mut thresholds: Vec<f64> = (0..SAMPLES)
            .map(|sample| {
                let mut draw = Draw::new(self.options().seed ^ sample << 20);
                let again: Vec<(f64, bool)> =
                    points.iter().map(|_| points[draw.below(points.len()) as usize]).collect();
                Line::fit(&again).threshold()
            })
            .collect();
        thresholds.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| thresholds[((share * thresholds.len() as f64) as usize).min(thresholds.len() - 1)];
        let threshold = line.threshold();
        let threshold = Estimate { value: threshold, low: at(0.025).min(threshold), high: at(0.975).max(threshold) };
        self.gold = Some(Correction { threshold, pairs, matches, line });
        Some(self)
    }
}

impl Correction {
    /// The corrected chance of a pair.
    pub(super) fn chance(&self, chance: f64) -> f64 {
        1.0 / (1.0 + (-self.log_odds(logit(chance))).exp())
    }

    /// The corrected log of the odds.
    pub(super) fn log_odds(&self, log_odds: f64) -> f64 {
        self.line.a + self.line.b * log_odds
    }
}

impl Line {
    /// The most likely line, by Newton's method.
    fn fit(points: &[(f64, bool)]) -> Self {
        let likelihood = |a: f64, b: f64| -> f64 {
            let terms = points.iter().map(|&(x, matched)| {
                let eta = a + b * x;
                (if matched { eta } else { 0.0 }) - eta.max(0.0) - (-eta.abs()).exp().ln_1p()
            });
            terms.sum::<f64>() - a * a / (2.0 * SHIFT_VARIANCE) - (b - 1.0).powi(2) / (2.0 * STRETCH_VARIANCE)
        };
        let (mut a, mut b) = (0.0, 1.0);
        let mut best = likelihood(a, b);
        for _ in 0..ROUNDS {
            let (mut g0, mut g1) = (-a / SHIFT_VARIANCE, (1.0 - b) / STRETCH_VARIANCE);
            let (mut h00, mut h01, mut h11) = (1.0 / SHIFT_VARIANCE, 0.0, 1.0 / STRETCH_VARIANCE);
            for &(x, matched) in points {
                let p = 1.0 / (1.0 + (-(a + b * x)).exp());
                let (residual, weight) = (f64::from(u8::from(matched)) - p, p * (1.0 - p));
                (g0, g1) = (g0 + residual, g1 + residual * x);
                (h00, h01, h11) = (h00 + weight, h01 + weight * x, h11 + weight * x * x);
            }
            let determinant = h00 * h11 - h01 * h01;
            let (da, db) = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant);
            let steps = (0..30).map(|halvings| 0.5_f64.powi(halvings));
            // Chances rise with chances, whatever a sample says.
            let better = steps
                .map(|s| (s, likelihood(a + s * da, (b + s * db).max(0.05))))
                .find(|&(_, value)| value > best + 1e-12);
            let Some((step, value)) = better else { break };
            (a, b, best) = (a + step * da, (b + step * db).max(0.05), value);
        }
        Self { a, b }
    }

    /// The chance that is corrected to one half.
    fn threshold(self) -> f64 {
        1.0 / (1.0 + (self.a / self.b).exp())
    }
}

/// log of the odds of a chance, not far from 0 where it is next to certain.
pub(super) fn logit(chance: f64) -> f64 {
    (chance / (1.0 - chance)).ln().clamp(-MOST, MOST)
}
