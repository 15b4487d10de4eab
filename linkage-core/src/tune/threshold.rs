//! How good links are at a threshold, on one half of the people, and which threshold is best.

use std::collections::{HashMap, HashSet};

use super::error::TuneError;
use super::halves::Half;
use super::{Judgement, Sample};
use crate::dice::{DiceThreshold, Kernel};
use crate::encode::{Encoder, Token};
use crate::evaluate::{Comparison, LinkedPair};
use crate::schema::{Field, LinkageSchema};
use crate::secret::LinkageSecret;

/// Rows of a side that are compared, at most: all pairs of them take seconds.
const ROWS: usize = 14_000;

/// Gold pairs that are looked at, at most, so that room for strangers stays.
const KNOWN_PAIRS: usize = 10_000;

/// More pairs than this above a threshold are of no use for choosing one.
const MOST_PAIRS: usize = 4_000_000;

/// Thresholds in hundredths from which the best is chosen.
const GRID: std::ops::RangeInclusive<usize> = 40..=99;

/// Thresholds whose F1 comes so close to the best one's are as good.
const AS_GOOD: f64 = 0.0005;

/// The tokens of one half's records, or of a random part of them, ready to be compared.
///
/// Every pair that a threshold accepts is a link: one-to-one assignment, which a run does for tables without duplicates,
/// would only improve on it. Counts are scaled to the number of pairs that the whole tables have, wrong links
/// with the strangers and right ones with the people, so that a threshold suits the size of the tables.
pub(super) struct Bench {
    comparison: Comparison,
    truth: HashSet<(u32, u32)>,
    /// What one right and one wrong link stand for in the whole tables.
    scale: [f64; 2],
}

impl Bench {
    /// Encodes the records of the base schema by a schema that has some of its fields.
    pub(super) fn new(
        base: &LinkageSchema,
        schema: &LinkageSchema,
        secret: &LinkageSecret,
        sample: Sample<'_>,
        half: &Half,
    ) -> Result<Self, TuneError> {
        let pairs = &half.pairs[..half.pairs.len().min(KNOWN_PAIRS)];
        // Those who stand in a pair come first, and nobody may be there without the row of a pair that is looked at.
        let known = [0, 1].map(|side| {
            let named: HashSet<u32> = pairs.iter().map(|pair| if side == 0 { pair.0 } else { pair.1 }).collect();
            let others = half.pairs[pairs.len()..].iter().map(|pair| if side == 0 { pair.0 } else { pair.1 });
            let left_out: HashSet<u32> = others.filter(|row| !named.contains(row)).collect();
            half.rows[side].iter().copied().filter(|row| !left_out.contains(row)).take(ROWS).collect::<Vec<u32>>()
        });
        let encoder = Encoder::new(schema, secret);
        let mut worker = encoder.worker();
        let column = |field: &Field| base.fields().iter().position(|own| own.name() == field.name());
        let columns: Vec<usize> = schema.fields().iter().filter_map(column).collect();
        let mut encode = |rows: &[u32], table: &[Vec<Option<String>>]| -> Vec<Token> {
            let mut tokens = Vec::with_capacity(rows.len());
            for &row in rows {
                let values = &table[row as usize];
                let record: Vec<Option<&str>> = columns.iter().map(|&column| values[column].as_deref()).collect();
                tokens.push(worker.encode(&record));
            }
            tokens
        };
        let tokens = [encode(&known[0], sample.left), encode(&known[1], sample.right)];
        let places = known.each_ref().map(|rows| rows.iter().copied().zip(0u32..).collect::<HashMap<u32, u32>>());
        let place = |(left, right): &(u32, u32)| Some((*places[0].get(left)?, *places[1].get(right)?));
        let truth: HashSet<(u32, u32)> = pairs.iter().filter_map(place).collect();
        let gold = sample.gold.iter().collect::<HashSet<_>>().len() as f64;
        let others = |left: usize, right: usize, gold: f64| (left as f64 * right as f64 - gold).max(0.0);
        let compared = others(known[0].len(), known[1].len(), truth.len() as f64).max(1.0);
        let scale = [gold / truth.len().max(1) as f64, others(sample.left.len(), sample.right.len(), gold) / compared];
        let segments = schema.layout().segments();
        Ok(Self { comparison: Comparison::segmented(&tokens[0], &tokens[1], segments)?, truth, scale })
    }

    /// The quality at one threshold; `None` when it links far too many pairs.
    pub(super) fn judge(&self, threshold: DiceThreshold) -> Result<Option<Judgement>, TuneError> {
        let pairs = self.comparison.pairs(Kernel::detect()?, threshold, MOST_PAIRS);
        Ok(pairs.map(|pairs| self.count(&pairs, threshold)))
    }

    /// The best threshold by F1: of those that are as good as the best and lie around it the middle one, which has room
    /// on both sides.
    pub(super) fn best(&self) -> Result<Judgement, TuneError> {
        let kernel = Kernel::detect()?;
        let lowest =
            GRID.step_by(5).find_map(|from| Some((from, self.comparison.pairs(kernel, hundredths(from), MOST_PAIRS)?)));
        let (from, pairs) = lowest.ok_or(TuneError::TooManyPairs)?;
        let points: Vec<Judgement> =
            (from..=*GRID.end()).map(|threshold| self.count(&pairs, hundredths(threshold))).collect();
        let best = (0..points.len()).max_by(|&a, &b| points[a].f1.total_cmp(&points[b].f1)).unwrap_or_default();
        let as_good = |point: &Judgement| point.f1 >= points[best].f1 - AS_GOOD;
        let above = points[best..].iter().take_while(|point| as_good(point)).count();
        let below = points[..best].iter().rev().take_while(|point| as_good(point)).count();
        Ok(points[(best - below + best + above - 1) / 2])
    }

    /// Counts what a threshold links.
    fn count(&self, pairs: &[LinkedPair], threshold: DiceThreshold) -> Judgement {
        let least = threshold.as_f64();
        let (mut right, mut wrong) = (0u64, 0u64);
        for pair in pairs.iter().filter(|pair| pair.accepted(least)) {
            if self.truth.contains(&(pair.left, pair.right)) { right += 1 } else { wrong += 1 }
        }
        let missed = (self.truth.len() as u64 - right) as f64 * self.scale[0];
        let (right, wrong) = (right as f64 * self.scale[0], wrong as f64 * self.scale[1]);
        let share = |part: f64, whole: f64| if whole == 0.0 { 1.0 } else { part / whole };
        Judgement {
            threshold,
            precision: share(right, right + wrong),
            recall: share(right, right + missed),
            f1: share(2.0 * right, 2.0 * right + wrong + missed),
        }
    }
}

fn hundredths(threshold: usize) -> DiceThreshold {
    format!("0.{threshold:02}").parse().expect("hundredths from 0.40 to 0.99 are thresholds")
}
