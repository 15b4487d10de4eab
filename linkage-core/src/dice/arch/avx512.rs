//! The kernel for CPUs with AVX-512 and VPOPCNTDQ: eight left rows against eight right rows in registers.
//!
//! A load brings a word of eight right rows; eight times a left row's word is broadcast from memory into the logic, and
//! VPOPCNTQ and VPADDQ follow. The eight left words lie in one cache line, by the block's layout.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmplt_epi64_mask, _mm512_load_si512, _mm512_or_si512,
    _mm512_popcnt_epi64, _mm512_sad_epu8, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
    _mm512_sub_epi64, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};
use std::hint::black_box;

use crate::dice::block::{LANES, Lanes};
use crate::dice::job::Job;
use crate::dice::loops::loops;
use crate::dice::screen::{Group, Screen, Side};
use crate::dice::search::Match;

/// Numbers of eight left rows (the array) with eight right rows (the lanes).
type Sums = [__m512i; LANES];

loops!(pairs: 1 2 3 4 5; #[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]);

/// Compares all pairs of the job; returns how many were given up.
///
/// Handed out by [`super::avx512`] only, after it has seen that the CPU has the features.
pub(super) fn run(job: &Job<'_>, out: &mut Vec<Match>) -> u64 {
    // SAFETY: `super::avx512` hands this function out only after `is_x86_feature_detected!` has found the features.
    unsafe { compare(job, out) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn screen<const PAIRS: usize>(left: &Group<'_>, right: &Group<'_>) -> Sums {
    let (left_words, right_words) = (left.words.as_chunks::<2>().0, right.words.as_chunks::<2>().0);
    // There is one lane of pieces, as `Looks::Words` chooses.
    let (right_pieces, start) = (load(&right.pieces[0]), load(right.start));
    let mut sums = left.pieces[0].0.map(|pieces| {
        // VPSADBW adds up the differences of eight bytes: seven piles, and what the left may differ in against 0.
        _mm512_add_epi64(start, _mm512_sad_epu8(_mm512_set1_epi64(pieces as i64), right_pieces))
    });
    match (left_words.as_array::<PAIRS>(), right_words.as_array::<PAIRS>()) {
        (Some(left), Some(right)) if PAIRS > 0 => add_differences(&mut sums, left, right),
        _ => add_differences(&mut sums, left_words, right_words),
    }
    sums
}

/// Adds to `sums` in how many places eight left and eight right rows differ in one word or the other of each pair.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn add_differences(sums: &mut Sums, left: &[[Lanes; 2]], right: &[[Lanes; 2]]) {
    for ([left, left_too], [right, right_too]) in left.iter().zip(right) {
        let (right, right_too) = (load(right), load(right_too));
        for (row, sum) in sums.iter_mut().enumerate() {
            let differs = _mm512_xor_si512(_mm512_set1_epi64(left.0[row] as i64), right);
            let left_too = _mm512_set1_epi64(left_too.0[row] as i64);
            // 0xF6 is `first | (second ^ third)`.
            let either = _mm512_ternarylogic_epi64::<0xF6>(differs, right_too, left_too);
            *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(either));
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn whole(left: &[Lanes], asked: &[i64; LANES], right: &[Lanes], start: &Lanes) -> Sums {
    let start = load(start);
    let mut sums = asked.map(|asked| _mm512_add_epi64(start, _mm512_set1_epi64(asked)));
    for (left, right) in left.iter().zip(right) {
        let right = load(right);
        for (sum, left) in sums.iter_mut().zip(left.0) {
            let both = _mm512_and_si512(_mm512_set1_epi64(left as i64), right);
            *sum = _mm512_sub_epi64(*sum, _mm512_popcnt_epi64(both));
        }
    }
    sums
}

/// Whether any of 64 numbers is negative. Nearly always none is, and one question to all is quicker than one to each.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn any(sums: &Sums) -> bool {
    let [a, b, c, d, e, f, g, h] = *sums;
    // 0xFE is the OR of three.
    let (abc, def) = (_mm512_ternarylogic_epi64::<0xFE>(a, b, c), _mm512_ternarylogic_epi64::<0xFE>(d, e, f));
    let signs = _mm512_ternarylogic_epi64::<0xFE>(abc, def, _mm512_or_si512(g, h));
    _mm512_cmplt_epi64_mask(signs, _mm512_setzero_si512()) != 0
}

/// The left rows, as bits, that have a negative number.
///
/// Inlined, because an array of registers that is handed over is stored for it, and before anyone asks.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn alive(sums: &Sums) -> u8 {
    sums.iter()
        .enumerate()
        .fold(0, |rows, (row, sum)| rows | u8::from(_mm512_cmplt_epi64_mask(*sum, _mm512_setzero_si512()) != 0) << row)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
#[inline]
fn common(left: &[Lanes], row: usize, right: &[Lanes]) -> [u64; LANES] {
    let mut sums = _mm512_setzero_si512();
    for (left, right) in left.iter().zip(right) {
        let both = _mm512_and_si512(_mm512_set1_epi64(left.0[row] as i64), load(right));
        sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(both));
    }
    store(sums)
}

/// Compares eight rows of 16 words with eight others, `rounds` times, and returns the bits in common.
///
/// Handed out by [`super::limit`] only, after it has seen that the CPU has the features.
pub(super) fn limit(left: &[Lanes; 16], right: &[Lanes; 16], rounds: u32) -> u64 {
    // SAFETY: `super::limit` hands this function out only after `is_x86_feature_detected!` has found the features.
    unsafe { bare(left, right, rounds) }
}

/// The inner loop of whole comparisons and nothing else.
#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
fn bare(left: &[Lanes; 16], right: &[Lanes; 16], rounds: u32) -> u64 {
    let mut sums = [_mm512_setzero_si512(); LANES];
    for _ in 0..rounds {
        // Seen as new in every round, so that no round's work is done once for all.
        for (left, right) in black_box(left).iter().zip(black_box(right)) {
            let right = load(right);
            for (sum, left) in sums.iter_mut().zip(left.0) {
                let both = _mm512_and_si512(_mm512_set1_epi64(left as i64), right);
                *sum = _mm512_add_epi64(*sum, _mm512_popcnt_epi64(both));
            }
        }
    }
    sums.into_iter().map(|sum| store(sum).into_iter().sum::<u64>()).sum()
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(lanes: &Lanes) -> __m512i {
    // SAFETY: `Lanes` is 64 bytes, aligned to 64 by its `repr`.
    unsafe { _mm512_load_si512(std::ptr::from_ref(lanes).cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(sums: __m512i) -> [u64; LANES] {
    let mut lanes = [0; LANES];
    // SAFETY: the array is 64 bytes; the store may be unaligned.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), sums) };
    lanes
}
