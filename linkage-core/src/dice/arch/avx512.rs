//! The kernel for CPUs with AVX-512 and VPOPCNTDQ: eight left rows against eight right rows in registers.
//!
//! Per word, one load brings eight right rows; eight times a left row's word is broadcast from memory into VPANDQ, and
//! VPOPCNTQ and VPADDQ follow. The eight left words lie in one cache line, by the block's layout.

use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpge_epu64_mask, _mm512_cvtepu16_epi64,
    _mm512_load_si512, _mm512_min_epu64, _mm512_mul_epu32, _mm512_popcnt_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_srli_epi64, _mm512_storeu_si512,
};

use crate::dice::block::{Counts, LANES, Lanes};
use crate::dice::search::{Job, Match, groups};

/// Fixed-point digits of [`half`].
const SHIFT: u32 = 31;

/// Compares all pairs of the job; returns how many were given up at the checkpoint.
///
/// Handed out by [`super::avx512`] only, after it has seen that the CPU has the features.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    // SAFETY: `super::avx512` hands this function out only after `is_x86_feature_detected!` has found both features.
    unsafe { tiles(job, out) }
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn tiles(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    let mut aborted = 0;
    for tile in job.right_tiles() {
        for left_group in groups(&job.left_rows) {
            let left = LeftGroup::new(job, left_group);
            for right_group in tile.clone() {
                let alive = left.survivors(job, right_group);
                if job.checkpoint.is_some() {
                    let lanes = job.right_mask(right_group).count_ones();
                    aborted += u64::from((left.mask & !alive).count_ones() * lanes);
                }
                if alive & left.mask != 0 {
                    left.finish(job, right_group, alive & left.mask, out);
                }
            }
        }
    }
    aborted
}

/// Eight left rows, and what the bound needs to know of them.
struct LeftGroup<'a> {
    group: usize,
    mask: u8,
    lanes: &'a [Lanes],
    /// Words compared before the bound is tested.
    stop_at: usize,
    /// Bits left in each row when the bound is tested; none without a checkpoint.
    rest: [i64; LANES],
    /// [`half`] of each row's popcount.
    half: [i64; LANES],
}

impl<'a> LeftGroup<'a> {
    fn new(job: &Job<'a>, group: usize) -> Self {
        let factor = factor(job);
        Self {
            group,
            mask: job.left_mask(group),
            lanes: job.left.lanes(group),
            stop_at: job.checkpoint.map_or(job.left.words(), |at| job.left.checkpoints()[at]),
            rest: job.checkpoint.map_or([0; LANES], |at| job.left.counts(group, at + 1).map(i64::from)),
            half: job.left.counts(group, 0).map(|ones| ((u64::from(ones) * factor) >> SHIFT) as i64),
        }
    }

    /// The left rows, as bits, of which a pair with the right group can still reach the threshold.
    ///
    /// The bound is `i + min(rest_a, rest_b) ≥ ⌊t/2·pa⌋ + ⌊t/2·pb⌋`. The right side is never more than what a match
    /// needs, so no match is lost; the exact rule decides in [`Self::finish`].
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    #[inline]
    fn survivors(&self, job: &Job<'_>, right_group: usize) -> u8 {
        let mut common = [_mm512_setzero_si512(); LANES];
        for (left, right) in self.lanes[..self.stop_at].iter().zip(&job.right.lanes(right_group)[..self.stop_at]) {
            let right = load(right);
            for (common, left) in common.iter_mut().zip(left.0) {
                let both = _mm512_and_si512(_mm512_set1_epi64(left as i64), right);
                *common = _mm512_add_epi64(*common, _mm512_popcnt_epi64(both));
            }
        }
        let rest = match job.checkpoint {
            Some(at) => widen(job.right.counts(right_group, at + 1)),
            None => _mm512_setzero_si512(),
        };
        let half = half(widen(job.right.counts(right_group, 0)), factor(job));
        let mut alive = 0;
        for (row, common) in common.into_iter().enumerate() {
            let rest = _mm512_min_epu64(rest, _mm512_set1_epi64(self.rest[row]));
            let reachable = _mm512_add_epi64(common, rest);
            let needed = _mm512_add_epi64(half, _mm512_set1_epi64(self.half[row]));
            alive |= u8::from(_mm512_cmpge_epu64_mask(reachable, needed) != 0) << row;
        }
        alive
    }

    /// Compares the surviving left rows to the end, one by one, and appends those that match.
    ///
    /// Few survive, so nothing of the tile is kept for this: its sums stay in registers.
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    #[inline(never)]
    fn finish(&self, job: &Job<'_>, right_group: usize, alive: u8, out: &mut Vec<Match>) {
        let left_ones = job.left.counts(self.group, 0);
        let right_ones = job.right.counts(right_group, 0);
        let right_mask = job.right_mask(right_group);
        for row in (0..LANES).filter(|row| alive & 1 << row != 0) {
            let mut sums = _mm512_setzero_si512();
            for (left, right) in self.lanes.iter().zip(job.right.lanes(right_group)) {
                let both = _mm512_and_si512(_mm512_set1_epi64(left.0[row] as i64), load(right));
                sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(both));
            }
            let common = store(sums);
            for lane in (0..LANES).filter(|lane| right_mask & 1 << lane != 0) {
                let intersection = common[lane] as u32;
                if job.threshold.accepts(intersection, left_ones[row].into(), right_ones[lane].into()) {
                    let (left, right) = (self.group * LANES + row, right_group * LANES + lane);
                    out.push(Match { left: left as u32, right: right as u32, intersection });
                }
            }
        }
    }
}

/// Half the threshold as a fixed-point number, rounded down: below 2³⁰, as VPMULUDQ wants it.
fn factor(job: &Job<'_>) -> u64 {
    (u64::from(job.threshold.ppm()) << SHIFT) / 2_000_000
}

/// A lower bound of `t/2` times each count, rounded down.
#[target_feature(enable = "avx512f")]
#[inline]
fn half(counts: __m512i, factor: u64) -> __m512i {
    _mm512_srli_epi64::<SHIFT>(_mm512_mul_epu32(counts, _mm512_set1_epi64(factor as i64)))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(lanes: &Lanes) -> __m512i {
    // SAFETY: `Lanes` is 64 bytes, aligned to 64 by its `repr`.
    unsafe { _mm512_load_si512(std::ptr::from_ref(lanes).cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn widen(counts: &Counts) -> __m512i {
    // SAFETY: `Counts` is 16 bytes; the load may be unaligned.
    _mm512_cvtepu16_epi64(unsafe { _mm_loadu_si128(counts.as_ptr().cast()) })
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(sums: __m512i) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: the array is 64 bytes; the store may be unaligned.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), sums) };
    lanes
}
