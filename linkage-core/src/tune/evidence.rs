//! What each field tells about a pair: how alike its values are in pairs of one person and in random pairs.

use std::collections::HashSet;

use super::Sample;
use super::halves::Half;
use crate::block::random::Draws;
use crate::encode::FeatureSets;
use crate::schema::{Features, LinkageSchema};

/// What the draws of this module are for.
const PURPOSE: u64 = 2;

/// Enough for what happens once in ten thousand pairs, such as two people of one birth date, to be seen some times.
const RANDOM_PAIRS: usize = 200_000;

/// Levels of likeness: the Dice similarity of the sets of features in fifths, and equality.
const LEVELS: usize = 6;

/// How many pairs the smoothing stands for: half a pair per level.
const PRIOR: f64 = 0.5 * LEVELS as f64;

/// What the sample says about the fields.
pub(super) struct Found {
    pub(super) fields: Vec<Evidence>,
    pub(super) random_pairs: usize,
}

/// What it says about one.
pub(super) struct Evidence {
    pub(super) completeness: f64,
    pub(super) agreement: f64,
    pub(super) chance: f64,
    pub(super) bits: f64,
    /// Features of a value, on average over the records that have one.
    pub(super) features: f64,
}

/// Pairs by level.
#[derive(Default)]
struct Levels {
    /// Pairs in which both records have a value.
    present: u64,
    counts: [u64; LEVELS],
}

impl Levels {
    fn add(&mut self, a: &[[u64; 3]], b: &[[u64; 3]]) {
        if !a.is_empty() && !b.is_empty() {
            self.present += 1;
            self.counts[level(a, b)] += 1;
        }
    }

    /// Share of each level, half a pair added to each so that what was not seen is not held impossible.
    fn shares(&self) -> [f64; LEVELS] {
        self.counts.map(|count| (count as f64 + 0.5) / (self.present as f64 + PRIOR))
    }

    /// The same for the few pairs of one person, which are taken to be like random ones until they show otherwise: else
    /// a level that neither has would tell something.
    fn shares_beside(&self, chance: &[f64; LEVELS]) -> [f64; LEVELS] {
        let mut shares = *chance;
        for (share, count) in shares.iter_mut().zip(self.counts) {
            *share = (count as f64 + PRIOR * *share) / (self.present as f64 + PRIOR);
        }
        shares
    }

    fn equal(&self) -> f64 {
        if self.present == 0 { 0.0 } else { self.counts[LEVELS - 1] as f64 / self.present as f64 }
    }
}

/// Measures every encoded field on one half of the people.
pub(super) fn of_fields(schema: &LinkageSchema, sample: Sample<'_>, half: &Half, seed: u64) -> Found {
    let random = random_pairs(half, seed);
    let fields = schema.encoded_fields().map(|(index, _, encoding)| {
        let mut sets = FeatureSets::default();
        let (left, right) = (sample.left, sample.right);
        let mut compare = |pairs: &[(u32, u32)]| {
            let mut levels = Levels::default();
            for &(a, b) in pairs {
                let (a, b) = (&left[a as usize][index], &right[b as usize][index]);
                let (a, b) = (set(&mut sets, encoding.features(), a), set(&mut sets, encoding.features(), b));
                levels.add(&a, &b);
            }
            levels
        };
        let (matches, chance) = (compare(&half.pairs), compare(&random));
        let (mut records, mut present, mut features) = (0, 0, 0);
        for (rows, table) in half.rows.iter().zip([left, right]) {
            for &row in rows {
                let set = set(&mut sets, encoding.features(), &table[row as usize][index]);
                records += 1;
                present += usize::from(!set.is_empty());
                features += set.len();
            }
        }
        Evidence {
            completeness: present as f64 / f64::from(records.max(1)),
            agreement: matches.equal(),
            chance: chance.equal(),
            bits: bits(&matches, &chance, half.pairs.len()),
            features: features as f64 / present.max(1) as f64,
        }
    });
    Found { fields: fields.collect(), random_pairs: random.len() }
}

fn set(sets: &mut FeatureSets, features: Features, value: &Option<String>) -> Vec<[u64; 3]> {
    sets.of(features, value.as_deref().unwrap_or_default())
}

/// The expected weight of a pair of one person, Σ m·log₂(m/u) over the levels, times how often both have a value.
///
/// A sample makes even equal shares look different; what that adds on average is taken off.
fn bits(matches: &Levels, chance: &Levels, pairs: usize) -> f64 {
    if matches.present == 0 || chance.present == 0 {
        return 0.0;
    }
    let u = chance.shares();
    let m = matches.shares_beside(&u);
    let sum: f64 = m.iter().zip(&u).map(|(m, u)| m * (m / u).log2()).sum();
    let seen = (0..LEVELS).filter(|&level| matches.counts[level] + chance.counts[level] > 0).count();
    let luck = seen.saturating_sub(1) as f64 / (2.0 * std::f64::consts::LN_2)
        * (1.0 / matches.present as f64 + 1.0 / chance.present as f64);
    (sum - luck).max(0.0) * matches.present as f64 / pairs as f64
}

/// The level of two values, given their features: fifths of the Dice similarity, and the highest for equal ones.
fn level(a: &[[u64; 3]], b: &[[u64; 3]]) -> usize {
    if a == b {
        return LEVELS - 1;
    }
    let (mut common, mut i, mut j) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (common, i, j) = (common + 1, i + 1, j + 1),
        }
    }
    // Sets that are not equal have a similarity below 1, so this is below the highest level.
    (LEVELS - 1) * 2 * common / (a.len() + b.len())
}

/// Pairs of rows of different people.
fn random_pairs(half: &Half, seed: u64) -> Vec<(u32, u32)> {
    let mut draws = Draws::new(seed, PURPOSE);
    let [left, right] = &half.rows;
    let same: HashSet<(u32, u32)> = half.pairs.iter().copied().collect();
    let mut draw = || {
        let mut pick = |rows: &[u32]| rows[draws.below(rows.len() as u64) as usize];
        (pick(left), pick(right))
    };
    (0..RANDOM_PAIRS).map(|_| draw()).filter(|pair| !same.contains(pair)).collect()
}
