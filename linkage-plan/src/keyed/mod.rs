//! Keyed blocking: pairs that agree in a blocking key, scored and kept by Dice.
//!
//! The pairs come from DataFusion's own hash joins on the `block_<name>` columns, one per key, with a
//! [Bloom semi-join](crate::bloom) before each; they carry row numbers only. [`KeyedJoinExec`] holds both sides' CLKs,
//! scores the pairs, and measures on a random exact sample how many of the pairs at or above the threshold they are.

mod exec;
mod metrics;
mod node;
mod sides;

#[cfg(feature = "distributed")]
pub(crate) use exec::sample_request;
pub use exec::{KeyedJoinExec, KeyedReport};
pub use node::{KeyedJoinNode, KeyedJoinPlanner, KeyedSettings};
