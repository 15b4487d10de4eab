//! Match weights by EM: m from pairs that are each other's best, u from chance.

use std::collections::HashMap;

use rayon::prelude::*;

use super::background::Background;
use super::merge::{Merged, merge};
use super::numeric::rising;
use super::pattern::{CLASSES, EQUAL, LEVELS, MISSING, PARTIAL, Pattern};
use super::segments::Frequencies;

const ROUNDS: usize = 100;
/// Largest change of an m-probability at which EM stops.
const CONVERGED: f64 = 1e-5;
/// Pairs that the prior belief in m is worth.
const PRIOR: f64 = 2.0;
/// Patterns per piece of work.
const PIECE: usize = 1 << 12;

/// What is asked of EM: distinct patterns of the pairs that are each other's best.
pub(super) struct Observed {
    /// By link and pattern: how many pairs, and how many of them are anchors.
    pub(super) patterns: Vec<(usize, Pattern, f64, f64)>,
    /// By link: the number of pairs of rows.
    pub(super) comparisons: Vec<f64>,
}

impl Observed {
    /// Counts equal patterns once. The order is that of links and patterns, so that sums do not depend on hashing.
    pub(super) fn count(pairs: impl Iterator<Item = (usize, Pattern, bool)>, comparisons: Vec<f64>) -> Self {
        let mut counts: HashMap<(usize, Pattern), (f64, f64)> = HashMap::new();
        for (link, pattern, anchor) in pairs {
            let entry = counts.entry((link, pattern)).or_default();
            entry.0 += 1.0;
            entry.1 += f64::from(u8::from(anchor));
        }
        let mut patterns: Vec<_> =
            counts.into_iter().map(|((link, pattern), (all, anchors))| (link, pattern, all, anchors)).collect();
        patterns.sort_unstable_by_key(|&(link, pattern, ..)| (link, pattern));
        Self { patterns, comparisons }
    }
}

/// Match weights: what each level of each segment, and each merged pair of segments, says for or against a match.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// By segment, by level: log2 of m/u.
    pub(super) levels: Vec<[f64; LEVELS]>,
    /// Merged pairs of segments.
    pub(super) merged: Vec<Merged>,
    /// By segment: the chance that a true pair is equal, among those that both have it.
    pub(super) equal: Vec<f64>,
}

impl Weights {
    /// The segments that were merged because they say partly the same.
    #[must_use]
    pub fn merged(&self) -> &[Merged] {
        &self.merged
    }

    /// The weight of a segment that differs as much as can be, of one that is equal with a value of average frequency,
    /// and the chance that a true pair is equal in it.
    #[must_use]
    pub fn summary(&self, segment: usize, frequencies: &Frequencies) -> [f64; 3] {
        let levels = &self.levels[segment];
        let equal = &levels[usize::from(EQUAL)..];
        let average = frequencies.shares[segment].iter().zip(equal).map(|(share, weight)| share * weight).sum();
        [levels[1], average, self.equal[segment]]
    }

    /// The weight of a pattern, in bits: log2 of how many times more likely it is among true pairs than by chance.
    #[must_use]
    pub fn weight(&self, pattern: Pattern) -> f64 {
        let alone: f64 = self.levels.iter().enumerate().map(|(s, levels)| levels[usize::from(pattern.level(s))]).sum();
        let merged: f64 = self
            .merged
            .iter()
            .map(|merged| {
                let [s, t] = merged.segments.map(|segment| pattern.level(segment));
                merged.correction(s, t)
            })
            .sum();
        alone + merged
    }
}

/// Probabilities of agreement among true pairs: by segment the ten levels of unequal segments, then equality.
type Agreement = [f64; PARTIAL + 1];

/// Learns weights.
///
/// u is fixed. m starts from the anchors; then E: the posterior of each pattern, from its weight and the prior odds
/// matches/comparisons of its link; M: m and the number of matches from the posteriors. Frequencies enter through
/// equality: m(equal, class) = m(equal) · share of the class, u(equal, class) as counted.
pub(super) fn learn(observed: &Observed, background: &Background, frequencies: &Frequencies) -> (Weights, Vec<f64>) {
    let segments = background.levels.len();
    let mut posterior: Vec<f64> = observed.patterns.iter().map(|(.., all, anchors)| anchors / all).collect();
    let mut m = agreement(observed, &posterior, segments);
    let mut weights = weigh(&m, observed, &posterior, background, frequencies);
    for _ in 0..ROUNDS {
        let matches = matches(observed, &posterior);
        posterior = expect(observed, &weights, &matches);
        let next = agreement(observed, &posterior, segments);
        let change = m.iter().flatten().zip(next.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        m = next;
        weights = weigh(&m, observed, &posterior, background, frequencies);
        if change < CONVERGED {
            break;
        }
    }
    let matches = matches(observed, &posterior);
    (weights, matches)
}

fn expect(observed: &Observed, weights: &Weights, matches: &[f64]) -> Vec<f64> {
    observed
        .patterns
        .par_chunks(PIECE)
        .flat_map_iter(|piece| {
            piece.iter().map(|&(link, pattern, ..)| {
                let prior = (matches[link].max(1.0) / observed.comparisons[link].max(1.0)).min(0.5);
                let odds = (weights.weight(pattern) + (prior / (1.0 - prior)).log2()).exp2();
                odds / (1.0 + odds)
            })
        })
        .collect()
}

/// Expected number of matches by link.
fn matches(observed: &Observed, posterior: &[f64]) -> Vec<f64> {
    let mut matches = vec![0.0; observed.comparisons.len()];
    for (&(link, _, all, _), posterior) in observed.patterns.iter().zip(posterior) {
        matches[link] += all * posterior;
    }
    matches
}

fn agreement(observed: &Observed, posterior: &[f64], segments: usize) -> Vec<Agreement> {
    let pieces: Vec<Vec<Agreement>> = observed
        .patterns
        .par_chunks(PIECE)
        .zip(posterior.par_chunks(PIECE))
        .map(|(patterns, posteriors)| {
            let mut sums = vec![[0.0; PARTIAL + 1]; segments];
            for (&(_, pattern, all, _), posterior) in patterns.iter().zip(posteriors) {
                for (segment, sums) in sums.iter_mut().enumerate() {
                    let level = pattern.level(segment);
                    if level != MISSING {
                        sums[usize::from(level.min(EQUAL)) - 1] += all * posterior;
                    }
                }
            }
            sums
        })
        .collect();
    (0..segments)
        .map(|segment| {
            let mut m: Agreement = std::array::from_fn(|level| pieces.iter().map(|piece| piece[segment][level]).sum());
            // The prior belief: nine in ten are equal, the rest is spread evenly.
            let total: f64 = m.iter().sum::<f64>() + PRIOR;
            for (level, m) in m.iter_mut().enumerate() {
                let believed = if level == PARTIAL { 0.9 } else { 0.1 / PARTIAL as f64 };
                *m = (*m + PRIOR * believed) / total;
            }
            m
        })
        .collect()
}

fn weigh(
    m: &[Agreement],
    observed: &Observed,
    posterior: &[f64],
    background: &Background,
    frequencies: &Frequencies,
) -> Weights {
    let levels: Vec<[f64; LEVELS]> = m
        .iter()
        .enumerate()
        .map(|(segment, m)| {
            let u = &background.levels[segment];
            let mut levels = [0.0; LEVELS];
            // log2 of m/u, which rises with similarity.
            let ratios: Vec<f64> = rising(&m[..PARTIAL], &u[1..=PARTIAL]).into_iter().map(f64::log2).collect();
            levels[1..=PARTIAL].copy_from_slice(&ratios);
            for class in 0..CLASSES {
                let (share, chance) = (frequencies.shares[segment][class], frequencies.equal[segment][class]);
                let ratio = if share > 0.0 { m[PARTIAL] * share / chance } else { 1.0 };
                // Equality never says less than the closest inequality.
                levels[usize::from(EQUAL) + class] = ratio.log2().max(ratios[PARTIAL - 1]);
            }
            levels
        })
        .collect();
    let equal: Vec<f64> = m.iter().map(|m| m[PARTIAL]).collect();
    let merged = merge(observed, posterior, background, frequencies, &equal);
    Weights { levels, merged, equal }
}
