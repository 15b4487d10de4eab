//! Kernels for particular CPUs. The only place with unsafe code.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod fetch;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod rows;

use super::block::Lanes;
use super::job::Job;
use super::rows::Common;
use super::search::Match;
pub use fetch::prefetch;

/// A kernel's function.
type Run = fn(&Job<'_>, &mut Vec<Match>) -> u64;

/// The inner loop alone, over eight rows of 16 words on either side, as often as is asked.
type Limit = fn(&[Lanes; 16], &[Lanes; 16], u32) -> u64;

/// The AVX-512 kernel, when this CPU has the instructions and the operating system saves their registers.
pub(super) fn avx512() -> Option<Run> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vpopcntdq")
    {
        return Some(avx512::run);
    }
    None
}

/// The AVX2 kernel, when this CPU has the instructions.
pub(super) fn avx2() -> Option<Run> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return Some(avx2::run);
    }
    None
}

/// The NEON kernel, when this is such a CPU.
pub(super) fn neon() -> Option<Run> {
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        return Some(neon::run);
    }
    None
}

/// The bare inner loop of the kernel of this name, where that kernel runs and has one.
pub(super) fn limit(kernel: &str) -> Option<Limit> {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        "avx512" if avx512().is_some() => Some(avx512::limit),
        #[cfg(target_arch = "x86_64")]
        "avx2" if avx2().is_some() => Some(avx2::limit),
        _ => None,
    }
}

/// Counts common bits of rows in one piece, where the kernel of this name runs and has instructions for it.
pub(super) fn common(kernel: &str) -> Option<Common> {
    match kernel {
        #[cfg(target_arch = "x86_64")]
        "avx512" if avx512().is_some() => Some(rows::common),
        #[cfg(target_arch = "x86_64")]
        "avx2" if std::arch::is_x86_feature_detected!("popcnt") => Some(rows::common_by_words),
        _ => None,
    }
}
