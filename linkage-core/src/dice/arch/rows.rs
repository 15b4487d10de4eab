//! Bits in common of rows that lie in one piece, with AVX-512 VPOPCNTDQ or with POPCNT.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_loadu_si512, _mm512_maskz_loadu_epi64, _mm512_popcnt_epi64,
    _mm512_reduce_add_epi64, _mm512_setzero_si512,
};

use crate::dice::rows::plain;

/// Words of a register.
const WIDE: usize = 8;

/// See [`super::super::rows::Common`].
///
/// Handed out by [`super::common`] only, after it has seen that the CPU has the features.
pub(super) fn common(left: &[u64], rights: &[u64], out: &mut [u32]) {
    // SAFETY: `super::common` hands this function out only after `is_x86_feature_detected!` has found both features.
    unsafe { of_length(left, rights, out) }
}

/// The same word by word.
///
/// Handed out by [`super::common`] only, after it has seen that the CPU has the feature.
pub(super) fn common_by_words(left: &[u64], rights: &[u64], out: &mut [u32]) {
    // SAFETY: `super::common` hands this function out only after `is_x86_feature_detected!` has found the feature.
    unsafe { by_words(left, rights, out) }
}

#[target_feature(enable = "popcnt")]
fn by_words(left: &[u64], rights: &[u64], out: &mut [u32]) {
    plain(left, rights, out);
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn of_length(left: &[u64], rights: &[u64], out: &mut [u32]) {
    let Some(left) = left.as_array::<{ 2 * WIDE }>() else { return any_length(left, rights, out) };
    let (low, high) = (load(left, 0), load(left, WIDE));
    for (right, out) in rights.as_chunks::<{ 2 * WIDE }>().0.iter().zip(out) {
        let low = _mm512_popcnt_epi64(_mm512_and_si512(low, load(right, 0)));
        let high = _mm512_popcnt_epi64(_mm512_and_si512(high, load(right, WIDE)));
        *out = _mm512_reduce_add_epi64(_mm512_add_epi64(low, high)) as u32;
    }
}

#[target_feature(enable = "avx512f,avx512vpopcntdq")]
fn any_length(left: &[u64], rights: &[u64], out: &mut [u32]) {
    for (right, out) in rights.chunks_exact(left.len()).zip(out) {
        let mut sums = _mm512_setzero_si512();
        for (left, right) in left.chunks(WIDE).zip(right.chunks(WIDE)) {
            let both = _mm512_and_si512(load_some(left), load_some(right));
            sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(both));
        }
        *out = _mm512_reduce_add_epi64(sums) as u32;
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(words: &[u64; 2 * WIDE], from: usize) -> __m512i {
    let words: &[u64] = &words[from..from + WIDE];
    // SAFETY: the slice was just taken as eight words, which is 64 bytes; the load may be unaligned.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load_some(words: &[u64]) -> __m512i {
    let mask = (0xFF_u32 >> (WIDE - words.len().min(WIDE))) as u8;
    // SAFETY: the mask has one bit per word of the slice, at most eight, and nothing is read where it has none.
    unsafe { _mm512_maskz_loadu_epi64(mask, words.as_ptr().cast()) }
}
