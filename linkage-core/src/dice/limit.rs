//! What this machine can do at most, to hold the kernels against.

use std::array;
use std::hint::black_box;

use super::arch;
use super::block::{LANES, Lanes};
use super::kernel::Kernel;

/// Pairs of 1024-bit CLKs that one round of [`limit`] stands for: eight rows against eight.
pub const LIMIT_PAIRS: u64 = (LANES * LANES) as u64;

/// Does the arithmetic of `rounds` × [`LIMIT_PAIRS`] comparisons of 1024 bits and nothing else: load, AND, popcount and ADD
/// over words in the first-level cache, without bounds, thresholds or results.
///
/// The popcount is VPOPCNT for `avx512`, and look-ups of half bytes for `avx2`. The time it takes is the least that any kernel
/// of these instructions can take without early abort. `None` for other kernels; else the bits counted, which a caller checks
/// or throws away.
pub fn limit(kernel: Kernel, rounds: u32) -> Option<u64> {
    let run = arch::limit(kernel.name())?;
    let words = |salt: u64| -> [Lanes; 16] {
        array::from_fn(|word| Lanes(array::from_fn(|lane| salt.wrapping_mul(1 + (word * LANES + lane) as u64))))
    };
    let (left, right) = (words(0x9E37_79B9_7F4A_7C15), words(0xC2B2_AE3D_27D4_EB4F));
    Some(black_box(run(&left, &right, rounds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_does_the_work_of_the_first() {
        let mut counts = Vec::new();
        for kernel in Kernel::available() {
            if let Some(once) = limit(kernel, 1) {
                assert!(once > 0);
                assert_eq!(limit(kernel, 1000), Some(1000 * once), "{}", kernel.name());
                counts.push(once);
            }
        }
        assert!(counts.windows(2).all(|two| two[0] == two[1]), "the kernels count other bits: {counts:?}");
    }
}
