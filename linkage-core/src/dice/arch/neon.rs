//! The kernel for 64-bit Arm: one left row against eight right rows, in four registers of two.
//!
//! CNT counts the bits of every byte, bytes are added up, and three pairwise additions sum them per row at the end.

use std::arch::aarch64::{
    int64x2_t, uint8x16_t, uint64x2_t, vabdq_u8, vaddq_s64, vaddq_u8, vaddq_u64, vandq_u8, vcntq_u8, vdupq_n_s64,
    vdupq_n_u8, vdupq_n_u64, veorq_u8, vgetq_lane_s64, vld1q_u64, vorrq_s64, vorrq_u8, vpaddlq_u8, vpaddlq_u16,
    vpaddlq_u32, vreinterpretq_s64_u64, vreinterpretq_u8_u64, vst1q_u64, vsubq_s64,
};

use crate::dice::block::{LANES, Lanes};
use crate::dice::job::Job;
use crate::dice::loops::loops;
use crate::dice::screen::{Group, Screen, Side};
use crate::dice::search::Match;

/// Registers that hold eight rows.
const QUARTERS: usize = LANES / 2;

/// Numbers of eight left rows (the array) with eight right rows (the lanes).
type Sums = [[int64x2_t; QUARTERS]; LANES];

/// Words whose popcounts, eight at most per byte, fit into a byte together.
const FIT: usize = 31;

loops!(pairs: 1 2 3 4 5; #[target_feature(enable = "neon")]);

/// Compares all pairs of the job; returns how many were given up.
///
/// Handed out by [`super::neon`] only, after it has seen that the CPU has the feature.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    // SAFETY: `super::neon` hands this function out only after `is_aarch64_feature_detected!` has found the feature.
    unsafe { compare(job, out) }
}

#[target_feature(enable = "neon")]
#[inline]
fn screen<const PAIRS: usize>(left: &Group<'_>, right: &Group<'_>) -> Sums {
    let (left_words, right_words) = (left.words.as_chunks::<2>().0, right.words.as_chunks::<2>().0);
    let mut sums = [[vdupq_n_s64(0); QUARTERS]; LANES];
    for (row, sums) in sums.iter_mut().enumerate() {
        for (quarter, sum) in sums.iter_mut().enumerate() {
            let mut differ = vdupq_n_u64(0);
            for (left, right) in left.pieces.iter().zip(right.pieces) {
                differ = vaddq_u64(differ, row_sums(vabdq_u8(copies(left, row), bytes(right, quarter))));
            }
            for (left, right) in left_words.chunks(FIT).zip(right_words.chunks(FIT)) {
                let mut ones = vdupq_n_u8(0);
                for ([left, left_too], [right, right_too]) in left.iter().zip(right) {
                    let differs = veorq_u8(copies(left, row), bytes(right, quarter));
                    let differs_too = veorq_u8(copies(left_too, row), bytes(right_too, quarter));
                    ones = vaddq_u8(ones, vcntq_u8(vorrq_u8(differs, differs_too)));
                }
                differ = vaddq_u64(differ, row_sums(ones));
            }
            *sum = vaddq_s64(signed(right.start, quarter), vreinterpretq_s64_u64(differ));
        }
    }
    sums
}

#[target_feature(enable = "neon")]
#[inline]
fn whole(left: &[Lanes], asked: &[i64; LANES], right: &[Lanes], start: &Lanes) -> Sums {
    let mut sums = [[vdupq_n_s64(0); QUARTERS]; LANES];
    for (row, sums) in sums.iter_mut().enumerate() {
        for (quarter, sum) in sums.iter_mut().enumerate() {
            let common = vreinterpretq_s64_u64(common_quarter(left, row, right, quarter));
            *sum = vsubq_s64(vaddq_s64(signed(start, quarter), vdupq_n_s64(asked[row])), common);
        }
    }
    sums
}

#[target_feature(enable = "neon")]
#[inline]
fn any(sums: &Sums) -> bool {
    negative(sums.as_flattened())
}

#[target_feature(enable = "neon")]
#[inline]
fn alive(sums: &Sums) -> u8 {
    sums.iter().enumerate().fold(0, |rows, (row, sums)| rows | u8::from(negative(sums)) << row)
}

/// Whether any of the numbers is negative.
#[target_feature(enable = "neon")]
#[inline]
fn negative(sums: &[int64x2_t]) -> bool {
    let all = sums.iter().fold(vdupq_n_s64(0), |all, sum| vorrq_s64(all, *sum));
    vgetq_lane_s64::<0>(all) | vgetq_lane_s64::<1>(all) < 0
}

#[target_feature(enable = "neon")]
#[inline]
fn common(left: &[Lanes], row: usize, right: &[Lanes]) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    for (quarter, lanes) in lanes.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        // SAFETY: the array is 16 bytes.
        unsafe { vst1q_u64(lanes.as_mut_ptr(), common_quarter(left, row, right, quarter)) };
    }
    lanes
}

/// The bits that one left row has in common with two right rows.
#[target_feature(enable = "neon")]
#[inline]
fn common_quarter(left: &[Lanes], row: usize, right: &[Lanes], quarter: usize) -> uint64x2_t {
    let mut sums = vdupq_n_u64(0);
    for (left, right) in left.chunks(FIT).zip(right.chunks(FIT)) {
        let mut ones = vdupq_n_u8(0);
        for (left, right) in left.iter().zip(right) {
            ones = vaddq_u8(ones, vcntq_u8(vandq_u8(copies(left, row), bytes(right, quarter))));
        }
        sums = vaddq_u64(sums, row_sums(ones));
    }
    sums
}

/// The sums of eight bytes each.
#[target_feature(enable = "neon")]
#[inline]
fn row_sums(bytes: uint8x16_t) -> uint64x2_t {
    vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(bytes)))
}

/// One left row's word, twice.
#[target_feature(enable = "neon")]
#[inline]
fn copies(lanes: &Lanes, row: usize) -> uint8x16_t {
    vreinterpretq_u8_u64(vdupq_n_u64(lanes.0[row]))
}

/// The words of two right rows, as bytes.
#[target_feature(enable = "neon")]
#[inline]
fn bytes(lanes: &Lanes, quarter: usize) -> uint8x16_t {
    vreinterpretq_u8_u64(load(lanes, quarter))
}

/// The numbers of two right rows.
#[target_feature(enable = "neon")]
#[inline]
fn signed(lanes: &Lanes, quarter: usize) -> int64x2_t {
    vreinterpretq_s64_u64(load(lanes, quarter))
}

#[target_feature(enable = "neon")]
#[inline]
fn load(lanes: &Lanes, quarter: usize) -> uint64x2_t {
    let pair = &lanes.0.as_chunks::<2>().0[quarter];
    // SAFETY: the array is 16 bytes.
    unsafe { vld1q_u64(pair.as_ptr()) }
}
