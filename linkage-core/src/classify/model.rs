//! The whole way: candidates in, chances and zones out.

use rayon::prelude::*;

use super::Tables;
use super::assign::{assign, mutual_best};
use super::background;
use super::em::{self, Observed, Weights};
use super::estimate::{Estimates, Fitted};
use super::gold::Correction;
use super::linked::Linked;
use super::measure::Measure;
use super::mixture::Values;
use super::pattern::Candidate;
use super::segments::Frequencies;

/// A mutual-best pair anchors EM when its composite score leads every other of its rows by this much.
const ANCHOR_LEAD: f32 = 0.05;
/// The same of match weights: odds of 64.
const ANCHOR_LEAD_BITS: f32 = 6.0;

/// What a methodologist may set.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// From this chance on a pair is a link.
    pub link_from: f64,
    /// From this chance on a pair goes to review.
    pub review_from: f64,
    /// Seed of the random pairs.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { link_from: 0.95, review_from: 0.05, seed: 1 }
    }
}

/// What becomes of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// Not one person.
    NonLink,
    /// Somebody should look at it.
    Review,
    /// One person.
    Link,
}

/// One candidate, judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// What [`Model::value`] says.
    pub value: f32,
    /// The chance that it is one person.
    pub probability: f32,
}

/// What was learnt about a run.
#[derive(Debug, Clone)]
pub struct Model {
    measure: Measure,
    fitted: Fitted,
    cut: f64,
    options: Options,
    /// What a gold sample corrects.
    pub(super) gold: Option<Correction>,
}

/// Learns from the candidates of a run, without truth.
pub fn learn(tables: &Tables<'_>, frequencies: &Frequencies, options: &Options) -> Model {
    if tables.segments() < 2 {
        let measure = Measure::composite(tables);
        let fitted = fit(tables, &measure);
        return Model::new(measure, fitted, options);
    }
    let scores = tables.links.iter().map(|link| link.candidates.iter().map(|candidate| candidate.score).collect());
    let scores: Vec<Vec<f32>> = scores.collect();
    let first = Measure::Segments(weigh(tables, frequencies, &scores, ANCHOR_LEAD, options.seed));
    let second = weigh(tables, frequencies, &first.values(tables), ANCHOR_LEAD_BITS, options.seed + 1);
    let measure = Measure::Segments(second);
    let fitted = fit(tables, &measure);
    Model::new(measure, fitted, options)
}

/// Match weights by EM over the pairs that are each other's best by these values, anchored on those that lead by so much.
fn weigh(tables: &Tables<'_>, frequencies: &Frequencies, values: &[Vec<f32>], lead: f32, seed: u64) -> Weights {
    let bests: Vec<Vec<_>> = tables
        .links
        .iter()
        .zip(values)
        .map(|(link, values)| mutual_best(link.candidates, values, tables.rows(link)))
        .collect();
    let likely: Vec<Vec<u32>> = tables
        .links
        .iter()
        .zip(&bests)
        .map(|(link, bests)| {
            let mut likely = vec![u32::MAX; tables.rows(link)[0]];
            for best in bests {
                let candidate = &link.candidates[best.index as usize];
                likely[candidate.left as usize] = candidate.right;
            }
            likely
        })
        .collect();
    let background = background::measure(tables, frequencies, &likely, seed);
    let pairs = bests.iter().enumerate().flat_map(|(number, bests)| {
        let candidates = tables.links[number].candidates;
        bests.iter().map(move |best| {
            let candidate = &candidates[best.index as usize];
            (number, candidate.pattern, candidate.exact || best.lead >= lead)
        })
    });
    let comparisons = tables.links.iter().map(|link| tables.comparisons(link)).collect();
    em::learn(&Observed::count(pairs, comparisons), &background, frequencies).0
}

fn fit(tables: &Tables<'_>, measure: &Measure) -> Fitted {
    let values = measure.values(tables);
    let assigned: Vec<Vec<u32>> = tables
        .links
        .iter()
        .zip(&values)
        .map(|(link, values)| assign(link.candidates, values, tables.rows(link)))
        .collect();
    let values: Vec<Values<'_>> =
        values.iter().zip(&assigned).map(|(value, assigned)| Values { value, assigned }).collect();
    Fitted::fit(tables, measure, &values)
}

impl Model {
    fn new(measure: Measure, fitted: Fitted, options: &Options) -> Self {
        Self { measure, cut: fitted.best_cut(), fitted, options: options.clone(), gold: None }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// The chance from which on pairs are linked when nobody reviews: where the expected F1 is highest.
    #[must_use]
    pub fn cut(&self) -> f64 {
        self.cut
    }

    /// What to expect of these links, made from this chance on, without truth.
    pub(super) fn estimates(&self, from: f64, linked: &Linked) -> Estimates {
        self.fitted.estimates(from, linked)
    }

    /// What a gold sample said of the chances, where there was one.
    #[must_use]
    pub fn gold(&self) -> Option<&Correction> {
        self.gold.as_ref()
    }

    /// log of the odds that a candidate of a link is one person, before its rivals are looked at: what
    /// [`crate::cluster::repair`] adds up over a cluster.
    #[must_use]
    pub fn log_odds(&self, tables: &Tables<'_>, link: usize, candidate: &Candidate) -> f64 {
        let odds = self.fitted.mixture.odds(link, self.value(tables, link, candidate).into());
        let log_odds = if candidate.exact { odds.max(EXACT_ODDS).ln() } else { odds.max(f64::MIN_POSITIVE).ln() };
        self.gold.as_ref().map_or(log_odds, |gold| gold.log_odds(log_odds))
    }

    /// Whether chance reaches a value so often that it says nothing.
    pub(super) fn drowns(&self, value: f64) -> bool {
        self.fitted.mixture.drowns(value)
    }

    /// The match weights; none when tokens are composite.
    #[must_use]
    pub fn weights(&self) -> Option<&Weights> {
        self.measure.weights()
    }

    /// The value by which a candidate of a link is judged: its match weight, or what composite tokens say over the fields
    /// that both have, in bits of the filter.
    #[must_use]
    pub fn value(&self, tables: &Tables<'_>, link: usize, candidate: &Candidate) -> f32 {
        self.measure.value(tables, link, candidate) as f32
    }

    /// Judges every candidate of one link.
    ///
    /// The chance of a pair takes its rivals into account: of two candidates for one row of a deduplicated database at
    /// most one is true, so twins whose records are alike share the chance.
    #[must_use]
    pub fn judge(&self, tables: &Tables<'_>, link: usize) -> Vec<Judged> {
        let (number, link) = (link, &tables.links[link]);
        let value: Vec<f32> =
            link.candidates.par_iter().map(|candidate| self.value(tables, number, candidate)).collect();
        let odds: Vec<f64> = link
            .candidates
            .par_iter()
            .zip(&value)
            .map(|(candidate, &value)| {
                let odds = self.fitted.mixture.odds(number, value.into());
                if candidate.exact { odds.max(EXACT_ODDS) } else { odds.min(EXACT_ODDS) }
            })
            .collect();
        let mut sums = tables.rows(link).map(|rows| vec![0.0; rows]);
        for (candidate, odds) in link.candidates.iter().zip(&odds) {
            // A left row has one partner at most when the right database is deduplicated, and the other way round.
            if tables.deduplicated(link.right) {
                sums[0][candidate.left as usize] += odds;
            }
            if tables.deduplicated(link.left) {
                sums[1][candidate.right as usize] += odds;
            }
        }
        link.candidates
            .iter()
            .zip(&value)
            .zip(&odds)
            .map(|((candidate, &value), &odds)| {
                let rivals = [sums[0][candidate.left as usize], sums[1][candidate.right as usize]]
                    .map(|sum| (sum - odds).max(0.0));
                let chance = odds / (1.0 + odds + rivals[0] + rivals[1]);
                let chance = self.gold.as_ref().map_or(chance, |gold| gold.chance(chance));
                Judged { value, probability: chance as f32 }
            })
            .collect()
    }

    /// The zone of a pair of this chance.
    #[must_use]
    pub fn zone(&self, probability: f64) -> Zone {
        if probability >= self.options.link_from {
            Zone::Link
        } else if probability >= self.options.review_from {
            Zone::Review
        } else {
            Zone::NonLink
        }
    }
}

/// The odds of a pair that agrees on an exact token, unless its weight says more.
const EXACT_ODDS: f64 = 1e6;
