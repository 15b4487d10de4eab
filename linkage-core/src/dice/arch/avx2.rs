//! The kernel for CPUs with AVX2: one left row against eight right rows, in two registers of four.
//!
//! There is no popcount instruction. Where every word counts, VPSHUFB looks up the bits of every half byte, bytes are added up, and
//! VPSADBW sums them per row at the end. Before, VPSADBW alone compares popcounts of pieces, which were counted once per row.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_pd, _mm256_load_si256,
    _mm256_movemask_pd, _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_set1_epi64x, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi64,
};
use std::hint::black_box;

use crate::dice::block::{LANES, Lanes};
use crate::dice::job::Job;
use crate::dice::loops::loops;
use crate::dice::screen::{Group, Screen, Side};
use crate::dice::search::Match;

/// Eight right rows.
type Row = [__m256i; 2];

/// Numbers of eight left rows (the array) with eight right rows, of which two share a lane: only their signs are asked for, and
/// a number that stands for two has the sign of either. So all of them stay in registers.
type Sums = [__m256i; LANES];

/// Words whose popcounts, eight at most per byte, fit into a byte together.
const FIT: usize = 31;

loops!(lanes: 1 2 3 4 5 6 8 12 16; #[target_feature(enable = "avx2")]);

/// Compares all pairs of the job; returns how many were given up.
///
/// Handed out by [`super::avx2`] only, after it has seen that the CPU has the feature.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    // SAFETY: `super::avx2` hands this function out only after `is_x86_feature_detected!` has found the feature.
    unsafe { compare(job, out) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn screen<const LANES_OF_PIECES: usize>(left: &Group<'_>, right: &Group<'_>) -> Sums {
    match (left.pieces.as_array::<LANES_OF_PIECES>(), right.pieces.as_array::<LANES_OF_PIECES>()) {
        (Some(left), Some(right_pieces)) if LANES_OF_PIECES > 0 => differences(left, right_pieces, right.start),
        _ => differences(left.pieces, right.pieces, right.start),
    }
}

/// `start` and the differences between the bytes of eight left and eight right rows.
#[target_feature(enable = "avx2")]
#[inline]
fn differences(left: &[Lanes], right: &[Lanes], start: &Lanes) -> Sums {
    let mut sums = [_mm256_setzero_si256(); LANES];
    for (row, sum) in sums.iter_mut().enumerate() {
        let mut halves = [load(start, 0), load(start, 1)];
        for (left, right) in left.iter().zip(right) {
            let left = _mm256_set1_epi64x(left.0[row] as i64);
            for (half, sum) in halves.iter_mut().enumerate() {
                // VPSADBW adds up the differences of eight bytes.
                *sum = _mm256_add_epi64(*sum, _mm256_sad_epu8(left, load(right, half)));
            }
        }
        *sum = _mm256_or_si256(halves[0], halves[1]);
    }
    sums
}

#[target_feature(enable = "avx2")]
#[inline]
fn whole(left: &[Lanes], asked: &[i64; LANES], right: &[Lanes], start: &Lanes) -> Sums {
    let mut sums = [_mm256_setzero_si256(); LANES];
    for (row, sum) in sums.iter_mut().enumerate() {
        let asked = _mm256_set1_epi64x(asked[row]);
        let [low, high] = common_row(left, row, right);
        let missing = |half, common| _mm256_sub_epi64(_mm256_add_epi64(load(start, half), asked), common);
        *sum = _mm256_or_si256(missing(0, low), missing(1, high));
    }
    sums
}

#[target_feature(enable = "avx2")]
#[inline]
fn any(sums: &Sums) -> bool {
    let all = sums.iter().fold(_mm256_setzero_si256(), |all, sum| _mm256_or_si256(all, *sum));
    _mm256_movemask_pd(_mm256_castsi256_pd(all)) != 0
}

#[target_feature(enable = "avx2")]
#[inline]
fn alive(sums: &Sums) -> u8 {
    sums.iter()
        .enumerate()
        .fold(0, |rows, (row, sum)| rows | u8::from(_mm256_movemask_pd(_mm256_castsi256_pd(*sum)) != 0) << row)
}

#[target_feature(enable = "avx2")]
#[inline]
fn common(left: &[Lanes], row: usize, right: &[Lanes]) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    for (lanes, sums) in lanes.as_chunks_mut::<{ LANES / 2 }>().0.iter_mut().zip(common_row(left, row, right)) {
        *lanes = store(sums);
    }
    lanes
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(sums: __m256i) -> [u64; LANES / 2] {
    let mut lanes = [0; LANES / 2];
    // SAFETY: the array is 32 bytes; the store may be unaligned.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sums) };
    lanes
}

/// The bits that one left row has in common with eight right rows.
#[target_feature(enable = "avx2")]
#[inline]
fn common_row(left: &[Lanes], row: usize, right: &[Lanes]) -> Row {
    let mut sums = [_mm256_setzero_si256(); 2];
    for (left, right) in left.chunks(FIT).zip(right.chunks(FIT)) {
        let mut bytes = [_mm256_setzero_si256(); 2];
        for (left, right) in left.iter().zip(right) {
            let left = _mm256_set1_epi64x(left.0[row] as i64);
            for (half, bytes) in bytes.iter_mut().enumerate() {
                *bytes = _mm256_add_epi8(*bytes, byte_ones(_mm256_and_si256(left, load(right, half))));
            }
        }
        for half in 0..2 {
            sums[half] = _mm256_add_epi64(sums[half], _mm256_sad_epu8(bytes[half], _mm256_setzero_si256()));
        }
    }
    sums
}

/// Compares eight rows of 16 words with eight others, `rounds` times, and returns the bits in common.
///
/// Handed out by [`super::limit`] only, after it has seen that the CPU has the feature.
pub(super) fn limit(left: &[Lanes; 16], right: &[Lanes; 16], rounds: u32) -> u64 {
    // SAFETY: `super::limit` hands this function out only after `is_x86_feature_detected!` has found the feature.
    unsafe { bare(left, right, rounds) }
}

/// The inner loop of whole comparisons and nothing else.
#[target_feature(enable = "avx2")]
fn bare(left: &[Lanes; 16], right: &[Lanes; 16], rounds: u32) -> u64 {
    let mut all = [_mm256_setzero_si256(); 2];
    for _ in 0..rounds {
        // Seen as new in every round, so that no round's work is done once for all.
        let (left, right) = (black_box(left), black_box(right));
        for row in 0..LANES {
            for (all, sum) in all.iter_mut().zip(common_row(left, row, right)) {
                *all = _mm256_add_epi64(*all, sum);
            }
        }
    }
    all.into_iter().map(|sums| store(sums).into_iter().sum::<u64>()).sum()
}

/// The popcount of every byte.
#[target_feature(enable = "avx2")]
#[inline]
fn byte_ones(bits: __m256i) -> __m256i {
    let table = _mm256_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    );
    let low = _mm256_set1_epi8(0x0F);
    let lows = _mm256_shuffle_epi8(table, _mm256_and_si256(bits, low));
    let highs = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(bits), low));
    _mm256_add_epi8(lows, highs)
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(lanes: &Lanes, half: usize) -> __m256i {
    // SAFETY: `half` is 0 or 1, so these 32 bytes lie within the 64 of `Lanes`, which are aligned to 64.
    unsafe { _mm256_load_si256(lanes.0.as_ptr().add(half * LANES / 2).cast()) }
}
