//! Segments that say partly the same, and what is added to their weights for it.

use rayon::prelude::*;

use super::background::{Background, Joint};
use super::em::Observed;
use super::pattern::{CLASSES, EQUAL, KINDS, kind};
use super::segments::Frequencies;

/// Pairs that the belief in independence is worth, in each cell of a merged pair of segments.
pub(super) const SHRINK: f64 = 4.0;
/// Segments are merged when treating them as independent would misstate the weight of a true pair by this many bits.
const MERGE_BITS: f64 = 0.5;

/// Two segments that say partly the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The two segments, ascending.
    pub segments: [usize; 2],
    /// Bits by which their independent weights misstate a true pair, on average.
    pub bits: f64,
    /// How many times more often than by chance pairs of different people are equal in both.
    pub lift: f64,
    /// By kinds of agreement: what is added to the weights of the two.
    by_kind: Joint,
    /// The same where both are equal, by the classes of frequency of the two values.
    both_equal: Vec<[f64; CLASSES]>,
}

impl Merged {
    /// What is added to the weights of the two segments when they agree to these levels.
    pub(super) fn correction(&self, s: u8, t: u8) -> f64 {
        match (s.checked_sub(EQUAL), t.checked_sub(EQUAL)) {
            (Some(s), Some(t)) => self.both_equal[usize::from(s)][usize::from(t)],
            _ => self.by_kind[kind(s)][kind(t)],
        }
    }
}

/// The pairs of segments to merge: a forest, the strongest dependence first, so that their joint distribution is a
/// product over its edges (Chow and Liu 1968). `equal` is the chance that a true pair is equal in each segment.
pub(super) fn merge(
    observed: &Observed,
    posterior: &[f64],
    background: &Background,
    frequencies: &Frequencies,
    equal: &[f64],
) -> Vec<Merged> {
    let segments = equal.len();
    let pairs: Vec<[usize; 2]> = (0..segments).flat_map(|s| (s + 1..segments).map(move |t| [s, t])).collect();
    let mut all: Vec<Merged> = pairs
        .into_par_iter()
        .map(|pair| dependence(observed, posterior, background, frequencies, pair, pair.map(|segment| equal[segment])))
        .collect();
    all.retain(|merged| merged.bits >= MERGE_BITS);
    all.sort_by(|a, b| b.bits.total_cmp(&a.bits));
    let mut group: Vec<usize> = (0..segments).collect();
    all.retain(|merged| {
        let [a, b] = merged.segments.map(|segment| group[segment]);
        if a != b {
            group.iter_mut().filter(|group| **group == b).for_each(|group| *group = a);
        }
        a != b
    });
    all
}

fn dependence(
    observed: &Observed,
    posterior: &[f64],
    background: &Background,
    frequencies: &Frequencies,
    segments: [usize; 2],
    equal: [f64; 2],
) -> Merged {
    let [s, t] = segments;
    let mut joint: Joint = [[0.0; KINDS]; KINDS];
    for (&(_, pattern, all, _), posterior) in observed.patterns.iter().zip(posterior) {
        joint[kind(pattern.level(s))][kind(pattern.level(t))] += all * posterior;
    }
    let (among_matches, by_chance) = (lifts(&joint), lifts(&background.joint[s][t]));
    let mut by_kind: Joint = [[0.0; KINDS]; KINDS];
    let (mut bits, mut pairs) = (0.0, 0.0);
    const BOTH: usize = KINDS - 1;
    for a in 1..KINDS {
        for b in 1..KINDS {
            by_kind[a][b] = (among_matches[a][b] / by_chance[a][b]).log2();
            pairs += joint[a][b];
            if (a, b) != (BOTH, BOTH) {
                bits += joint[a][b] * by_kind[a][b].abs();
            }
        }
    }
    let both = &background.equal_both[s][t];
    // Values of two classes are equal in this share of the true pairs that have them, and in `chance` of the others.
    let truly = among_matches[BOTH][BOTH] * equal[0] * equal[1];
    let mut both_equal = vec![[by_kind[BOTH][BOTH]; CLASSES]; CLASSES];
    for (a, row) in both_equal.iter_mut().enumerate().take(both.chance.len()) {
        for (b, correction) in row.iter_mut().enumerate() {
            let alone = equal[0] / frequencies.of_others(s, a) * equal[1] / frequencies.of_others(t, b);
            *correction = (truly / both.chance[a][b] / alone).log2();
            bits += joint[BOTH][BOTH] * both.share[a][b] * correction.abs();
        }
    }
    Merged { segments, bits: if pairs > 0.0 { bits / pairs } else { 0.0 }, lift: both.lift(), by_kind, both_equal }
}

/// How many times more often than independent segments would give it each cell occurs, drawn towards 1 where the
/// cell is small. Pairs that lack either segment say nothing.
fn lifts(joint: &Joint) -> Joint {
    let total: f64 = joint[1..].iter().flat_map(|row| &row[1..]).sum();
    let mut lifts: Joint = [[1.0; KINDS]; KINDS];
    for a in 1..KINDS {
        for b in 1..KINDS {
            let row: f64 = joint[a][1..].iter().sum();
            let column: f64 = joint[1..].iter().map(|row| row[b]).sum();
            let expected = row * column / total.max(1.0);
            lifts[a][b] = (joint[a][b] + SHRINK) / (expected + SHRINK);
        }
    }
    lifts
}
