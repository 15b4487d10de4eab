//! How many bits per band, and how many bands.

use std::fmt;

use super::super::rows::TokenRows;
use super::collisions::{Collisions, MAX_BITS};
use super::error::LshError;
use crate::dice::DiceThreshold;

/// Most bands of a plan.
pub const MAX_BANDS: u32 = 4096;

/// Fewest bits of a band that are considered.
const LEAST_BITS: usize = 4;

/// The share of all pairs that may become candidates. A pair that is fetched by its row numbers costs some twenty times as
/// much as one of an exhaustive comparison, so above this share bands save nothing.
const MOST_CANDIDATES: f64 = 0.05;

/// Candidates that are no matter however large a share they are: of tables of a thousand rows the matches alone, which agree in most bands,
/// are too many by the share.
const FEW_CANDIDATES: f64 = 1e6;

/// Densities between which tokens look diffused: balanced by design, where CLKs of names and dates have a third or so.
const DENSE: std::ops::Range<f64> = 0.47..0.53;

/// What a band costs per record, and per candidate: nanoseconds of one core, measured (benches/examples/lsh_scale.rs). Only
/// their ratio matters here, and it varies little between machines.
const RECORD_COST: f64 = 40.0;
const CANDIDATE_COST: f64 = 20.0;

/// What is asked of a search by bands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LshDemand {
    /// Pairs from this Dice similarity on are wanted.
    pub threshold: DiceThreshold,
    /// The chance with which a pair exactly at the threshold is to be found, in (0, 1). Pairs above it are found with more.
    pub recall: f64,
    /// Most bands, at most [`MAX_BANDS`].
    pub most_bands: u32,
    /// What bits are drawn from.
    pub seed: u64,
}

/// Bits per band and number of bands, and what is expected of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LshPlan {
    threshold: DiceThreshold,
    seed: u64,
    clk_bits: u32,
    bits: u32,
    bands: u32,
    distance: u32,
    candidate_share: f64,
}

impl LshPlan {
    /// The cheapest plan that finds the worst pair at the threshold with the recall that is asked for.
    ///
    /// The worst pair: its Dice similarity is exactly the threshold, and its filters are fuller than 99 % of those in the
    /// tables, so that it differs in the most bits, `h = pₗ + pᵣ − 2i`. `b` different bits drawn from `l` all agree with the
    /// chance `∏ (l − h − k)/(l − k)`, `k < b`, and `L` bands miss it with the chance `(1 − that)^L`. For every `b` that gives
    /// `L`; the cheapest `b` is chosen by the number of records and by how often pairs collide in `b` bits of these very
    /// tables, measured on a sample: 65,536 rows of either at most. `stop` is asked some hundred times.
    ///
    /// # Errors
    /// When `stop` says yes, when the recall is no share below one, when there is nothing to compare, when the lengths differ, and when the recall is
    /// [out of reach](LshError::OutOfReach): for more than [`LshDemand::most_bands`], or for more candidates than a twentieth
    /// of all pairs and a million.
    pub fn solve(
        left: &TokenRows,
        right: &TokenRows,
        demand: &LshDemand,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Self, LshError> {
        let &LshDemand { threshold, recall, seed, .. } = demand;
        if !(recall > 0.0 && recall < 1.0) {
            return Err(LshError::Recall { recall });
        }
        if left.words() != right.words() {
            return Err(LshError::Lengths);
        }
        let most_bands = demand.most_bands.clamp(1, MAX_BANDS);
        let measured = Collisions::measure(left, right, seed, stop)?.ok_or(LshError::Empty)?;
        let clk_bits = left.words() as u32 * 64;
        let distance = worst_distance(threshold, measured.popcount_sum, clk_bits);
        let (records, pairs) = ((left.rows() + right.rows()) as f64, left.rows() as f64 * right.rows() as f64);

        let (mut cheapest, mut possible): (Option<(f64, u32, u32, f64)>, f64) = (None, 0.0);
        for bits in LEAST_BITS..=MAX_BITS {
            let (agree, rate) = (agreement(clk_bits, distance, bits as u32), measured.rate[bits]);
            let most_candidates = MOST_CANDIDATES.max(FEW_CANDIDATES / pairs);
            let affordable = f64::from(most_bands).min(most_candidates / rate.max(f64::MIN_POSITIVE)).floor();
            possible = possible.max(reached(agree, affordable));
            let bands = bands_for(agree, recall);
            if bands > affordable {
                continue;
            }
            let cost = bands * (RECORD_COST * records + CANDIDATE_COST * rate * pairs);
            if cheapest.is_none_or(|(least, ..)| cost < least) {
                cheapest = Some((cost, bits as u32, bands as u32, rate));
            }
        }
        let Some((_, bits, bands, rate)) = cheapest else {
            let dense = DENSE.contains(&measured.density);
            return Err(LshError::OutOfReach { recall, possible, threshold, distance, clk_bits, dense });
        };
        Ok(Self { threshold, seed, clk_bits, bits, bands, distance, candidate_share: rate })
    }

    /// A plan by hand, for pairs whose popcounts add up to `popcount_sum`. Nothing is measured, so it expects no candidates.
    ///
    /// # Errors
    /// When `bits` is not in 1..=64 or exceeds the length, or `bands` is not in 1..=[`MAX_BANDS`].
    pub fn by_hand(
        clk_bits: u32,
        threshold: DiceThreshold,
        popcount_sum: u32,
        (bits, bands): (u32, u32),
        seed: u64,
    ) -> Result<Self, LshError> {
        if !(1..=MAX_BITS as u32).contains(&bits) || bits > clk_bits || !(1..=MAX_BANDS).contains(&bands) {
            return Err(LshError::Plan { bits, bands });
        }
        let distance = worst_distance(threshold, popcount_sum, clk_bits);
        Ok(Self { threshold, seed, clk_bits, bits, bands, distance, candidate_share: 0.0 })
    }

    /// Pairs from this similarity on come out.
    pub fn threshold(&self) -> DiceThreshold {
        self.threshold
    }

    /// Bits per band.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Bands.
    pub fn bands(&self) -> u32 {
        self.bands
    }

    /// The same plan with another number of bands, from 1 to [`MAX_BANDS`]. Bands that both have are the same ones.
    #[must_use]
    pub fn with_bands(self, bands: u32) -> Self {
        Self { bands: bands.clamp(1, MAX_BANDS), ..self }
    }

    /// What bits are drawn from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Length of the CLKs.
    pub fn clk_bits(&self) -> u32 {
        self.clk_bits
    }

    /// In how many bits the worst pair at the threshold differs.
    pub fn distance(&self) -> u32 {
        self.distance
    }

    /// The chance with which that pair is found.
    pub fn worst_recall(&self) -> f64 {
        self.recall_at(self.distance)
    }

    /// The chance with which a pair is found that differs in so many bits.
    pub fn recall_at(&self, distance: u32) -> f64 {
        reached(agreement(self.clk_bits, distance, self.bits), f64::from(self.bands))
    }

    /// Candidates expected per band among so many pairs, those that come again in several bands included.
    pub fn candidates_per_band(&self, pairs: f64) -> f64 {
        self.candidate_share * pairs
    }
}

impl fmt::Display for LshPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bits={}, bands={}, recall>={:.4} at {} of {} bits",
            self.bits,
            self.bands,
            self.worst_recall(),
            self.distance,
            self.clk_bits
        )
    }
}

/// The most bits in which two filters differ that are just at the threshold.
fn worst_distance(threshold: DiceThreshold, popcount_sum: u32, clk_bits: u32) -> u32 {
    (popcount_sum - (2 * threshold.min_intersection(popcount_sum)).min(popcount_sum)).min(clk_bits)
}

/// The chance that `bits` different bits of a CLK all lie where a pair agrees that differs in `distance` bits.
fn agreement(clk_bits: u32, distance: u32, bits: u32) -> f64 {
    let same = clk_bits - distance;
    if bits > same {
        return 0.0;
    }
    (0..bits).map(|k| f64::from(same - k) / f64::from(clk_bits - k)).product()
}

/// The chance to agree in at least one of so many bands.
fn reached(agree: f64, bands: f64) -> f64 {
    if agree >= 1.0 { 1.0 } else { -(bands * (-agree).ln_1p()).exp_m1() }
}

/// The fewest bands that reach a recall; infinite when none does.
fn bands_for(agree: f64, recall: f64) -> f64 {
    if agree >= 1.0 {
        return 1.0;
    }
    ((-recall).ln_1p() / (-agree).ln_1p()).ceil().max(1.0)
}
