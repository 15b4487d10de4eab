//! The kernel for CPUs with AVX2: one left row against eight right rows, in two registers of four.
//!
//! There is no popcount instruction: VPSHUFB looks up the bits of every half byte, bytes are added up, and VPSADBW sums them per
//! row at the end.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_castsi256_pd, _mm256_load_si256,
    _mm256_movemask_pd, _mm256_or_si256, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_set1_epi64x, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_sub_epi64,
    _mm256_xor_si256,
};

use crate::dice::block::{LANES, Lanes};
use crate::dice::job::Job;
use crate::dice::loops::loops;
use crate::dice::screen::{Group, Side, most};
use crate::dice::search::Match;

/// Eight right rows.
type Row = [__m256i; 2];

/// Numbers of eight left rows (the array) with eight right rows (the lanes).
type Sums = [Row; LANES];

/// Words whose popcounts, eight at most per byte, fit into a byte together.
const FIT: usize = 31;

loops!(#[target_feature(enable = "avx2")]);

/// Compares all pairs of the job; returns how many were given up.
///
/// Handed out by [`super::avx2`] only, after it has seen that the CPU has the feature.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    // SAFETY: `super::avx2` hands this function out only after `is_x86_feature_detected!` has found the feature.
    unsafe { compare(job, out) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn screen<const PAIRS: usize>(left: &Group<'_>, right: &Group<'_>) -> Sums {
    let (left_words, right_words) = (left.words.as_chunks::<2>().0, right.words.as_chunks::<2>().0);
    let mut sums = [[_mm256_setzero_si256(); 2]; LANES];
    for (row, sums) in sums.iter_mut().enumerate() {
        let piles = _mm256_set1_epi64x(left.piles.0[row] as i64);
        for (half, total) in sums.iter_mut().enumerate() {
            let differ = _mm256_sad_epu8(piles, load(right.piles, half));
            let mut sum = _mm256_add_epi64(load(right.start, half), differ);
            for (left, right) in left_words.chunks(FIT).zip(right_words.chunks(FIT)) {
                let mut bytes = _mm256_setzero_si256();
                for ([left, left_too], [right, right_too]) in left.iter().zip(right) {
                    let differs = _mm256_xor_si256(_mm256_set1_epi64x(left.0[row] as i64), load(right, half));
                    let differs_too =
                        _mm256_xor_si256(_mm256_set1_epi64x(left_too.0[row] as i64), load(right_too, half));
                    bytes = _mm256_add_epi8(bytes, byte_ones(_mm256_or_si256(differs, differs_too)));
                }
                sum = _mm256_add_epi64(sum, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
            }
            *total = sum;
        }
    }
    sums
}

#[target_feature(enable = "avx2")]
#[inline]
fn whole(left: &[Lanes], asked: &[i64; LANES], right: &[Lanes], start: &Lanes) -> Sums {
    let mut sums = [[_mm256_setzero_si256(); 2]; LANES];
    for (row, sums) in sums.iter_mut().enumerate() {
        let asked = _mm256_set1_epi64x(asked[row]);
        let common = common_row(left, row, right);
        for half in 0..2 {
            sums[half] = _mm256_sub_epi64(_mm256_add_epi64(load(start, half), asked), common[half]);
        }
    }
    sums
}

#[target_feature(enable = "avx2")]
#[inline]
fn any(sums: &Sums) -> bool {
    let all = sums.as_flattened().iter().fold(_mm256_setzero_si256(), |all, sum| _mm256_or_si256(all, *sum));
    _mm256_movemask_pd(_mm256_castsi256_pd(all)) != 0
}

#[target_feature(enable = "avx2")]
#[inline]
fn alive(sums: &Sums) -> u8 {
    sums.iter().enumerate().fold(0, |rows, (row, [low, high])| {
        let signs = _mm256_castsi256_pd(_mm256_or_si256(*low, *high));
        rows | u8::from(_mm256_movemask_pd(signs) != 0) << row
    })
}

#[target_feature(enable = "avx2")]
#[inline]
fn common(left: &[Lanes], row: usize, right: &[Lanes]) -> [u64; LANES] {
    let [low, high] = common_row(left, row, right);
    let mut lanes = [0; LANES];
    let (low_lanes, high_lanes) = lanes.split_at_mut(LANES / 2);
    // SAFETY: either half is 32 bytes; the stores may be unaligned.
    unsafe {
        _mm256_storeu_si256(low_lanes.as_mut_ptr().cast(), low);
        _mm256_storeu_si256(high_lanes.as_mut_ptr().cast(), high);
    }
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
