//! Dice similarity of CLKs: exact thresholds and the kernels that compare all pairs.

mod threshold;

pub use threshold::{DiceThreshold, ThresholdError, score};
