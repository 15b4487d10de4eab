//! The kernel for CPUs with AVX-512 and VPOPCNTDQ: eight left rows against eight right rows in registers.
//!
//! Per word, one load brings eight right rows; eight times a left row's word is broadcast from memory into VPANDQ, and
//! VPOPCNTQ and VPADDQ follow. The eight left words lie in one cache line, by the block's layout.

use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpge_epi64_mask, _mm512_cvtepu16_epi64,
    _mm512_load_si512, _mm512_mul_epu32, _mm512_popcnt_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_slli_epi64, _mm512_srai_epi64, _mm512_srli_epi64, _mm512_storeu_si512, _mm512_sub_epi64,
    _mm512_ternarylogic_epi64,
};
use std::hint::black_box;
use std::mem::size_of;

use crate::dice::block::{Counts, LANES, Lanes};
use crate::dice::search::{Job, Match, groups};

/// Bytes of left rows that meet each right group in turn: half of the first-level cache, so that a right group is fetched
/// from the second once for all of them.
const CHUNK_BYTES: usize = 16 * 1024;

/// Binary places of fixed-point numbers.
const SHIFT: u32 = 31;

/// Compares all pairs of the job; returns how many were given up at the checkpoint.
///
/// Handed out by [`super::avx512`] only, after it has seen that the CPU has the features.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    // SAFETY: `super::avx512` hands this function out only after `is_x86_feature_detected!` has found both features.
    unsafe { unrolled(job, out) }
}

/// Calls [`tiles`] with the number of words compared before the bound is tested, so that the inner loop is unrolled for
/// the lengths that matter: the checkpoints of 1024 bits, and 1024 bits whole. 0 stands for any other number.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn unrolled(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    match stop_at(job) {
        3 => tiles::<3>(job, out),
        4 => tiles::<4>(job, out),
        5 => tiles::<5>(job, out),
        6 => tiles::<6>(job, out),
        7 => tiles::<7>(job, out),
        8 => tiles::<8>(job, out),
        16 => tiles::<16>(job, out),
        _ => tiles::<0>(job, out),
    }
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn tiles<const FIRST: usize>(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    let mut kept = 0;
    let left_groups = groups(&job.left_rows);
    let chunk = (CHUNK_BYTES / (job.left.words() * size_of::<Lanes>())).max(1);
    let mut lefts = Vec::with_capacity(chunk);
    for tile in job.right_tiles() {
        for from in left_groups.clone().step_by(chunk) {
            lefts.clear();
            lefts.extend((from..(from + chunk).min(left_groups.end)).map(|group| LeftGroup::new(job, group)));
            for right_group in tile.clone() {
                let right = &job.right.lanes(right_group)[..stop_at(job)];
                let slack = slack(job, right_group);
                for left in &lefts {
                    let reached = left.reached::<FIRST>(right, slack);
                    if any(&reached) {
                        kept += left.finish(job, right_group, alive(&reached) & left.mask, out);
                    }
                }
            }
        }
    }
    match job.checkpoint {
        Some(_) => job.left_rows.len() as u64 * job.right_rows.len() as u64 - kept,
        None => 0,
    }
}

/// Eight left rows, and what the bound needs to know of them.
struct LeftGroup<'a> {
    group: usize,
    mask: u8,
    /// The words compared before the bound is tested.
    first: &'a [Lanes],
    /// What each row asks for in the bound: half the threshold of its popcount, less half the bits that it has left.
    asked: [i64; LANES],
}

impl<'a> LeftGroup<'a> {
    fn new(job: &Job<'a>, group: usize) -> Self {
        let mut asked = job.left.counts(group, 0).map(|ones| i64::from(ones) * factor(job) as i64);
        if let Some(at) = job.checkpoint {
            for (asked, rest) in asked.iter_mut().zip(job.left.counts(group, at + 1)) {
                *asked -= i64::from(*rest) << (SHIFT - 1);
            }
        }
        let asked = asked.map(|asked| asked >> SHIFT);
        Self { group, mask: job.left_mask(group), first: &job.left.lanes(group)[..stop_at(job)], asked }
    }

    /// How far each pair of a left row with the right group can still get above the threshold; negative when it cannot
    /// reach it.
    ///
    /// A match has `i + min(rest_a, rest_b) ≥ t/2·pa + t/2·pb`. The lesser rest is at most their mean, which splits into a
    /// number for each side, so that the sums simply start there. What the left asks for is rounded down and what the right
    /// asks for up: the sum of both is never more than the whole number of bits that a match needs, so none is lost. The
    /// exact rule decides in [`Self::finish`].
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    #[inline]
    fn reached<const FIRST: usize>(&self, right: &[Lanes], slack: __m512i) -> [__m512i; LANES] {
        let mut sums = self.asked.map(|asked| _mm512_sub_epi64(slack, _mm512_set1_epi64(asked)));
        match (self.first.as_array::<FIRST>(), right.as_array::<FIRST>()) {
            (Some(left), Some(right)) if FIRST > 0 => add_common(&mut sums, left, right),
            _ => add_common(&mut sums, self.first, right),
        }
        sums
    }

    /// Compares the surviving left rows to the end, one by one, and appends those that match. Returns how many pairs
    /// survived, counting all eight of a row.
    ///
    /// Few survive, so nothing of the tile is kept for this: its sums stay in registers.
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    #[inline(never)]
    fn finish(&self, job: &Job<'_>, right_group: usize, alive: u8, out: &mut Vec<Match>) -> u64 {
        let lanes = job.left.lanes(self.group);
        let left_ones = job.left.counts(self.group, 0);
        let right_ones = job.right.counts(right_group, 0);
        let right_mask = job.right_mask(right_group);
        let factor = factor(job);
        let right_half = half(widen(right_ones), factor);
        for row in (0..LANES).filter(|row| alive & 1 << row != 0) {
            let mut sums = _mm512_setzero_si512();
            for (left, right) in lanes.iter().zip(job.right.lanes(right_group)) {
                let both = _mm512_and_si512(_mm512_set1_epi64(left.0[row] as i64), load(right));
                sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(both));
            }
            let left_half = (u64::from(left_ones[row]) * factor) >> SHIFT;
            let needed = _mm512_add_epi64(right_half, _mm512_set1_epi64(left_half as i64));
            let near = _mm512_cmpge_epi64_mask(sums, needed) & right_mask;
            if near == 0 {
                continue;
            }
            let common = store(sums);
            for lane in (0..LANES).filter(|lane| near & 1 << lane != 0) {
                let intersection = common[lane] as u32;
                if job.threshold.accepts(intersection, left_ones[row].into(), right_ones[lane].into()) {
                    let (left, right) = (self.group * LANES + row, right_group * LANES + lane);
                    out.push(Match { left: left as u32, right: right as u32, intersection });
                }
            }
        }
        u64::from(alive.count_ones() * right_mask.count_ones())
    }
}

/// Adds to `sums` the bits that eight left rows have in common with eight right rows.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
#[inline]
fn add_common(sums: &mut [__m512i; LANES], left: &[Lanes], right: &[Lanes]) {
    for (left, right) in left.iter().zip(right) {
        let right = load(right);
        for (sums, left) in sums.iter_mut().zip(left.0) {
            let both = _mm512_and_si512(_mm512_set1_epi64(left as i64), right);
            *sums = _mm512_add_epi64(*sums, _mm512_popcnt_epi64(both));
        }
    }
}

/// Whether any of 64 numbers is not negative. Nearly always none is, and one question to all is quicker than one to each.
#[target_feature(enable = "avx512f")]
#[inline]
fn any(numbers: &[__m512i; LANES]) -> bool {
    let [a, b, c, d, e, f, g, h] = *numbers;
    // 0x80 is the AND of three.
    let (abc, def) = (_mm512_ternarylogic_epi64::<0x80>(a, b, c), _mm512_ternarylogic_epi64::<0x80>(d, e, f));
    let signs = _mm512_ternarylogic_epi64::<0x80>(abc, def, _mm512_and_si512(g, h));
    _mm512_cmpge_epi64_mask(signs, _mm512_setzero_si512()) != 0
}

/// Words compared before the bound is tested.
fn stop_at(job: &Job<'_>) -> usize {
    job.checkpoint.map_or(job.left.words(), |at| job.left.checkpoints()[at])
}

/// What each row of a right group brings to the bound: half the bits that it has left, less half the threshold of its
/// popcount.
#[target_feature(enable = "avx512f")]
#[inline]
fn slack(job: &Job<'_>, right_group: usize) -> __m512i {
    let ones = widen(job.right.counts(right_group, 0));
    let asked = _mm512_mul_epu32(ones, _mm512_set1_epi64(factor(job) as i64));
    let rest = match job.checkpoint {
        Some(at) => widen(job.right.counts(right_group, at + 1)),
        None => _mm512_setzero_si512(),
    };
    _mm512_srai_epi64::<SHIFT>(_mm512_sub_epi64(_mm512_slli_epi64::<{ SHIFT - 1 }>(rest), asked))
}

/// Compares eight rows of 16 words with eight others, `rounds` times, and returns the bits in common.
///
/// Handed out by [`super::limit`] only, after it has seen that the CPU has the features.
pub(super) fn limit(left: &[Lanes; 16], right: &[Lanes; 16], rounds: u32) -> u64 {
    // SAFETY: `super::limit` hands this function out only after `is_x86_feature_detected!` has found both features.
    unsafe { bare(left, right, rounds) }
}

/// The inner loop of the kernel and nothing else.
#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn bare(left: &[Lanes; 16], right: &[Lanes; 16], rounds: u32) -> u64 {
    let mut common = [_mm512_setzero_si512(); LANES];
    for _ in 0..rounds {
        // Seen as new in every round, so that no round's work is done once for all.
        add_common(&mut common, black_box(left), black_box(right));
    }
    common.into_iter().map(|sums| store(sums).into_iter().sum::<u64>()).sum()
}

/// The rows, as bits, that hold a number which is not negative.
///
/// Inlined, because an array of registers that is handed over is stored for it, and before anyone asks.
#[target_feature(enable = "avx512f")]
#[inline]
fn alive(numbers: &[__m512i; LANES]) -> u8 {
    numbers.iter().enumerate().fold(0, |rows, (row, numbers)| {
        rows | u8::from(_mm512_cmpge_epi64_mask(*numbers, _mm512_setzero_si512()) != 0) << row
    })
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
