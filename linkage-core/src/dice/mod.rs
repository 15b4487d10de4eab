//! Dice similarity of CLKs: exact thresholds and the kernels that compare all pairs.
//!
//! [`search`] finds every pair of two [`ClkBlock`]s at or above a [`DiceThreshold`]. The comparison is exhaustive and
//! exact: a [`Kernel`] may stop comparing a pair early, but only when the bits that are left cannot lift it to the
//! threshold. All kernels return the same pairs; only their order is unspecified.

mod arch;
mod block;
mod error;
mod kernel;
mod limit;
mod portable;
mod rows;
mod score;
mod search;
mod threshold;

pub use block::ClkBlock;
pub use error::{BlockError, KernelError, ThresholdError};
pub use kernel::Kernel;
pub use limit::{LIMIT_PAIRS, limit};
pub use rows::RowKernel;
pub use score::{score, similarity};
pub use search::{Match, SearchStats, search};
pub use threshold::DiceThreshold;

#[cfg(test)]
mod tests;
