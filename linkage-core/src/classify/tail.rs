//! The axis of values, and what chance does on it.

use rayon::prelude::*;

use super::Tables;
use super::mixture::Values;

/// Bins of values.
pub(super) const BINS: usize = 240;
/// Highest pairs of different people from which the tail of chance is extrapolated.
const TAIL: f64 = 40.0;
/// Pairs that say how often chance reaches a value, without the values beside it.
const PLENTY: f64 = 400.0;
/// Candidates per piece of work: fixed, so that sums do not depend on the number of threads.
const PIECE: usize = 1 << 16;

/// Equal bins from the lowest to the highest value of an assigned pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    width: f64,
}

impl Axis {
    pub(super) fn new(values: &[Values<'_>]) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for values in values {
            for &index in values.assigned {
                let value = f64::from(values.value[index as usize]);
                (low, high) = (low.min(value), high.max(value));
            }
        }
        if low > high {
            return Self { low: 0.0, width: 1.0 / BINS as f64 };
        }
        Self { low, width: ((high - low) / BINS as f64).max(1e-9) }
    }

    pub(super) fn bin(self, value: f64) -> usize {
        (self.place(value).max(0.0) as usize).min(BINS - 1)
    }

    /// The place of a value, in bins and fractions of them.
    pub(super) fn place(self, value: f64) -> f64 {
        (value - self.low) / self.width
    }

    /// The bin above which lies one in a thousand of the pairs that assignment passed over.
    pub(super) fn first_guess(self, values: &[Values<'_>]) -> usize {
        let mut passed = vec![0.0; BINS];
        for values in values {
            for &value in values.value {
                passed[self.bin(value.into())] += 1.0;
            }
            for &index in values.assigned {
                passed[self.bin(values.value[index as usize].into())] -= 1.0;
            }
        }
        let total: f64 = passed.iter().sum();
        let mut sum = 0.0;
        let above = (0..BINS).rev().take_while(|&bin| {
            sum += passed[bin];
            sum <= total / 1000.0
        });
        above.last().unwrap_or(BINS - 1)
    }
}

/// Candidates of one link that say what chance does, by bin.
#[derive(Debug, Clone)]
pub(super) struct Passed {
    /// Each that assignment passed over, with the chance that one of its rows has its partner elsewhere, so that it joins
    /// two people.
    pub(super) wrong: Vec<f64>,
    /// All, passed over or assigned, of whose rows neither surely has a partner.
    pub(super) free: Vec<f64>,
    /// The lowest bin in which an assigned pair surely is one person's.
    pub(super) sure: usize,
}

impl Passed {
    /// Counts the candidates of left rows that `belongs` accepts, by the chances of the pairs that were assigned, and by
    /// whether those agree on an exact token or lie in bin `sure` or above.
    pub(super) fn count(
        tables: &Tables<'_>,
        link: usize,
        values: &Values<'_>,
        posterior: &[f64],
        sure: usize,
        axis: Axis,
        belongs: impl Fn(u32) -> bool + Sync,
    ) -> Self {
        let link = &tables.links[link];
        let mut taken = tables.rows(link).map(|rows| vec![(0.0_f32, false); rows]);
        let mut kept = vec![false; link.candidates.len()];
        for &index in values.assigned {
            let candidate = &link.candidates[index as usize];
            let bin = axis.bin(values.value[index as usize].into());
            let p = if candidate.exact { 1.0 } else { posterior[bin] as f32 };
            let of = (p, candidate.exact || bin >= sure);
            taken[0][candidate.left as usize] = of;
            taken[1][candidate.right as usize] = of;
            kept[index as usize] = true;
        }
        let pieces: Vec<Self> = link
            .candidates
            .par_chunks(PIECE)
            .zip(values.value.par_chunks(PIECE))
            .zip(kept.par_chunks(PIECE))
            .map(|((candidates, values), kept)| {
                let mut sums = Self::none(sure);
                for ((candidate, &value), &kept) in candidates.iter().zip(values).zip(kept) {
                    if belongs(candidate.left) {
                        let (a, b) = (taken[0][candidate.left as usize], taken[1][candidate.right as usize]);
                        let bin = axis.bin(value.into());
                        if !kept {
                            sums.wrong[bin] += f64::from(1.0 - (1.0 - a.0) * (1.0 - b.0));
                        }
                        if !a.1 && !b.1 {
                            sums.free[bin] += 1.0;
                        }
                    }
                }
                sums
            })
            .collect();
        pieces.iter().fold(Self::none(sure), Self::and)
    }

    /// None at all.
    pub(super) fn none(sure: usize) -> Self {
        Self { wrong: vec![0.0; BINS], free: vec![0.0; BINS], sure }
    }

    /// These and others together.
    pub(super) fn and(mut self, other: &Self) -> Self {
        let add = |sums: &mut [f64], others: &[f64]| sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        add(&mut self.wrong, &other.wrong);
        add(&mut self.free, &other.free);
        self
    }
}

/// Chance per pair of rows, by bin. Above the last [`TAIL`] pairs it is an exponential with their mean excess: there
/// are too few to count, and what exceeds a high level falls off like that (Pickands 1975, with shape 0).
pub(super) fn with_tail(wrong: &[f64], pairs: f64) -> Vec<f64> {
    let mut chance: Vec<f64> = smooth(wrong).iter().map(|count| count / pairs).collect();
    let mut above = 0.0;
    let Some(from) = (0..BINS).rev().find(|&bin| {
        above += wrong[bin];
        above >= TAIL
    }) else {
        // Hardly anything was passed over: chance is one pair, anywhere.
        return vec![1.0 / pairs / BINS as f64; BINS];
    };
    let excess: f64 = (from..BINS).map(|bin| wrong[bin] * ((bin - from) as f64 + 0.5)).sum::<f64>() / above;
    let decay = (-1.0 / excess.max(0.5)).exp();
    let mut level = above / pairs * (1.0 - decay);
    for chance in &mut chance[from..] {
        *chance = level;
        level *= decay;
    }
    chance
}

/// What is in a bin and above, with half of the bin itself.
pub(super) fn above(chance: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let mut above: Vec<f64> = chance
        .iter()
        .rev()
        .map(|chance| {
            sum += chance;
            sum - chance / 2.0
        })
        .collect();
    above.reverse();
    above
}

/// A moving average over up to seven bins, weights 1 2 3 4 3 2 1: over no more than it takes to hold [`PLENTY`] pairs, since
/// match weights lie in heaps.
fn smooth(counts: &[f64]) -> Vec<f64> {
    let mean = |bin: usize, radius: isize| {
        let (mut sum, mut weights, mut pairs) = (0.0, 0.0, 0.0);
        for offset in -radius..=radius {
            if let Some(count) = bin.checked_add_signed(offset).and_then(|at| counts.get(at)) {
                let weight = (radius + 1 - offset.abs()) as f64;
                (sum, weights, pairs) = (sum + weight * count, weights + weight, pairs + count);
            }
        }
        (sum / weights, pairs)
    };
    (0..counts.len())
        .map(|bin| (0..3).map(|radius| mean(bin, radius)).find(|&(_, pairs)| pairs >= PLENTY).unwrap_or(mean(bin, 3)).0)
        .collect()
}
