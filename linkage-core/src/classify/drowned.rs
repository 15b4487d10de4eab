//! Matches whose values drown in chance: how many there may be.
//!
//! No row's best pair shows them, so that three witnesses are asked, all of them partial. *The tail*: how dense the lowest
//! matches are that can be told from chance, were that density to go on down to the values of strangers. *Captures*:
//! pairs that are known to be one person from something else, by an exact token or through a third database, and how
//! many of those drown. Records that are found in other ways are easier than the rest, so that captures say too few, and
//! by how much was measured on runs with truth (docs/spec/classification.md).

use std::collections::HashMap;

use rayon::prelude::*;

use super::Tables;
use super::measure::Measure;
use super::mixture::{Counted, Mixture, Values};
use super::tail::BINS;

/// Lowest matches whose density is taken to go on below: at least so many,
const LOWEST: f64 = 20.0;
/// … and this share of all that were found, lest a large table show no more than the last bin,
const LOWEST_SHARE: f64 = 0.002;
/// … but no more than this one.
const MOST_SHARE: f64 = 0.2;
/// Standard deviation of the logarithm of what the tail says over what is so.
const DOUBT_OF_TAIL: f64 = 0.9;
/// How many times as often as pairs with an exact token in common others drown. A person whose insurer number has stayed is
/// more likely to have kept name and address as well.
const HARDER_THAN_EXACT: f64 = 2.0;
const DOUBT_OF_EXACT: f64 = 0.5;
/// The same of pairs that a third database implies. Who takes another name and moves is the same as before in some databases and as
/// after in others, and none stands between; so such pairs are hardly ever among them.
const HARDER_THAN_THIRD: f64 = 5.0;
const DOUBT_OF_THIRD: f64 = 0.7;
/// A pair counts as known through a third database when both its links have this chance.
const SURE: f64 = 0.95;
/// Rows per link among which such pairs are looked for.
const MOST_ROWS: usize = 100_000;

/// Nobody.
const NONE: u32 = u32::MAX;

/// Pairs that are one person by other evidence than their values.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Captured {
    /// How many agree on an exact token.
    pub(super) exact: f64,
    /// How many others are implied by a third database.
    pub(super) third: f64,
    /// How many of each kind have values that drown.
    pub(super) low: [f64; 2],
}

/// An expected number, and the standard deviation of its logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Drowned {
    pub(super) expected: f64,
    pub(super) spread: f64,
}

impl Captured {
    /// Counts pairs that agree on an exact token, and pairs whose records are both linked with one of a third database.
    pub(super) fn count(tables: &Tables<'_>, measure: &Measure, values: &[Values<'_>], mixture: &Mixture) -> Self {
        let mut captured = Self::default();
        let mut partners: HashMap<(usize, usize), Vec<(u32, f64)>> = HashMap::new();
        let mut exact: Vec<Vec<(u32, u32)>> = Vec::new();
        for (number, (link, values)) in tables.links.iter().zip(values).enumerate() {
            let agreed: Vec<_> = (0..link.candidates.len()).filter(|&index| link.candidates[index].exact).collect();
            captured.exact += agreed.len() as f64;
            captured.low[0] +=
                agreed.iter().filter(|&&index| mixture.drowns(values.value[index].into())).count() as f64;
            let mut pairs: Vec<_> =
                agreed.iter().map(|&i| (link.candidates[i].left, link.candidates[i].right)).collect();
            pairs.sort_unstable();
            exact.push(pairs);

            let [n, m] = tables.rows(link);
            let mut of = [vec![(NONE, 0.0); n], vec![(NONE, 0.0); m]];
            for &index in values.assigned {
                let candidate = &link.candidates[index as usize];
                let bin = mixture.axis.bin(values.value[index as usize].into());
                let chance = if candidate.exact { 1.0 } else { mixture.posterior(number, bin) };
                if chance >= SURE {
                    of[0][candidate.left as usize] = (candidate.right, chance);
                    of[1][candidate.right as usize] = (candidate.left, chance);
                }
            }
            let [left, right] = of;
            partners.insert((link.left, link.right), left);
            partners.insert((link.right, link.left), right);
        }
        for (number, link) in tables.links.iter().enumerate() {
            let rows = tables.rows(link)[0];
            let third: Vec<usize> = (0..tables.tables.len())
                .filter(|&table| {
                    partners.contains_key(&(link.left, table)) && partners.contains_key(&(table, link.right))
                })
                .collect();
            let implied = |row: u32| -> Option<(u32, f64)> {
                let through = third.iter().filter_map(|&table| {
                    let (between, chance) = partners[&(link.left, table)][row as usize];
                    let (right, other) = *partners[&(table, link.right)].get(between as usize)?;
                    (right != NONE).then_some((right, chance * other))
                });
                through.max_by(|a, b| a.1.total_cmp(&b.1))
            };
            // Every k-th row, so that a population costs no more than a town.
            let step = rows.div_ceil(MOST_ROWS).max(1);
            let (pairs, low, wrong) = (0..rows as u32)
                .into_par_iter()
                .step_by(step)
                .filter_map(|row| implied(row).map(|(right, chance)| (row, right, chance)))
                .filter(|&(row, right, _)| exact[number].binary_search(&(row, right)).is_err())
                .map(|(row, right, chance)| {
                    let low = mixture.drowns(measure.value_of_rows(tables, number, row, right));
                    (1_u64, u64::from(low), ((1.0 - chance) * WRONG) as u64)
                })
                .reduce(|| (0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
            captured.third += pairs as f64;
            // A pair that one wrong link implies has a stranger's value.
            captured.low[1] += (low as f64 - wrong as f64 / WRONG).max(0.0);
        }
        captured
    }

    /// All witnesses together, each counting by how sure it is: the weighted mean of the logarithms.
    pub(super) fn with_tail(self, mixture: &Mixture, links: &[Counted], strangers: f64) -> Drowned {
        let (density, seen) = lowest(mixture, links);
        // Where hardly a stranger's value lies below, hardly a match can: that is said too, as of half a pair.
        let tail = (density * (mixture.from as f64 - strangers)).max(0.5);
        let captures = |pairs: f64, low: f64, harder: f64, doubt: f64| {
            let says = harder * (low + 0.5) / (pairs + 1.0) * mixture.inexact().max(0.5);
            (pairs >= 1.0).then_some(Witness { says, doubt, seen: low + 0.5 })
        };
        let witnesses = [
            Some(Witness { says: tail, doubt: DOUBT_OF_TAIL, seen: seen.max(1.0) }),
            captures(self.exact, self.low[0], HARDER_THAN_EXACT, DOUBT_OF_EXACT),
            captures(self.third, self.low[1], HARDER_THAN_THIRD, DOUBT_OF_THIRD),
        ];
        let [logs, weights] = witnesses.into_iter().flatten().fold([0.0; 2], |[logs, weights], witness| {
            let weight = 1.0 / (witness.doubt.powi(2) + 1.0 / witness.seen);
            [logs + weight * witness.says.ln(), weights + weight]
        });
        Drowned { expected: (logs / weights).exp(), spread: weights.sqrt().recip() }
    }
}

/// What is said of the number of matches that drown.
struct Witness {
    says: f64,
    /// Standard deviation of the logarithm of this over what is so.
    doubt: f64,
    /// Pairs that it rests on.
    seen: f64,
}

/// Units in which chances of being wrong are summed, so that sums do not depend on their order.
const WRONG: f64 = 1e9;

/// Matches per bin among the lowest that can be told from chance, and how many those are.
fn lowest(mixture: &Mixture, links: &[Counted]) -> (f64, f64) {
    let truly: Vec<f64> = (mixture.from..BINS)
        .map(|bin| links.iter().enumerate().map(|(link, l)| l.assigned[bin] * mixture.posterior(link, bin)).sum())
        .collect();
    let all: f64 = truly.iter().sum();
    let wanted = LOWEST.max(LOWEST_SHARE * all).min(MOST_SHARE * all);
    let (mut seen, mut bins) = (0.0, 0.0);
    for here in truly {
        (seen, bins) = (seen + here, bins + 1.0);
        if seen >= wanted {
            break;
        }
    }
    (seen / f64::max(bins, 1.0), seen)
}
