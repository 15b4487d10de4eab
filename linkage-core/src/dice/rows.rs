//! Bits in common of rows that lie in one piece each, for candidates that are fetched one by one.

use super::arch;
use super::kernel::Kernel;

/// Counts the bits that one row has in common with each of several: `left`, rows end to end, one count per row.
pub(super) type Common = fn(&[u64], &[u64], &mut [u32]);

/// The bits that rows have in common, by the instructions that a [`Kernel`] stands for.
#[derive(Clone, Copy)]
pub struct RowKernel(Common);

impl RowKernel {
    /// The counterpart of a kernel.
    pub fn of(kernel: Kernel) -> Self {
        Self(arch::common(kernel.name()).unwrap_or(plain))
    }

    /// Writes to `out` how many bits `left` has in common with each of the rows that lie end to end in `rights`.
    ///
    /// # Panics
    /// When `rights` does not hold `out.len()` rows of the length of `left`.
    pub fn common(self, left: &[u64], rights: &[u64], out: &mut [u32]) {
        assert_eq!(rights.len(), left.len() * out.len(), "as many rows as counts");
        (self.0)(left, rights, out);
    }
}

impl std::fmt::Debug for RowKernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowKernel(..)")
    }
}

/// Inlined, so that it is compiled with the instructions of whoever calls it.
#[inline(always)]
pub(super) fn plain(left: &[u64], rights: &[u64], out: &mut [u32]) {
    for (right, out) in rights.chunks_exact(left.len()).zip(out) {
        *out = left.iter().zip(right).map(|(left, right)| (left & right).count_ones()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_counts_as_the_plain_loop_does() {
        for words in [1, 2, 7, 8, 9, 16, 24, 64] {
            let rows: Vec<u64> = (0..words as u64 * 11).map(|at| at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            let left: Vec<u64> = (0..words as u64).map(|at| !at.wrapping_mul(0xC2B2_AE3D_27D4_EB4F)).collect();
            let mut expected = [0; 11];
            plain(&left, &rows, &mut expected);
            for kernel in Kernel::available() {
                let mut out = [0; 11];
                RowKernel::of(kernel).common(&left, &rows, &mut out);
                assert_eq!(out, expected, "{} {words}", kernel.name());
            }
        }
    }
}
