//! Dice similarity of CLKs: exact thresholds and the kernels that compare all pairs.
//!
//! [`search`] finds every pair of two [`ClkBlock`]s at or above a [`DiceThreshold`], [`search_self`] those within one, and
//! [`search_top_k`] the best of every row. The comparison is exhaustive and exact: a [`Kernel`] may give a pair up early,
//! but only when it differs in too many bits already. All kernels return the same pairs; only their order is
//! unspecified.
//!
//! Segmented tokens are scored over the segments that both rows have: see [`ClkBlock::segmented`].

mod arch;
mod block;
mod choose;
mod error;
mod job;
mod kernel;
mod limit;
mod loops;
mod rows;
mod scalar;
mod score;
mod screen;
mod search;
mod segments;
mod threshold;
mod top_k;

pub use arch::prefetch;
pub use block::ClkBlock;
pub use error::{BlockError, KernelError, ThresholdError};
pub use kernel::Kernel;
pub use limit::{LIMIT_PAIRS, limit};
pub use rows::RowKernel;
pub use score::{score, similarity};
pub use search::{Match, SearchStats, search, search_self};
pub use segments::{
    MAX_SEGMENTS, segment_intersections, segment_popcounts, segment_presence, segment_similarities,
    segmented_similarity,
};
pub use threshold::DiceThreshold;
pub use top_k::{keep_top_k, search_top_k};

#[cfg(test)]
mod tests;
