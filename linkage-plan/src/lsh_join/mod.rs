//! The LSH join: nearly all pairs of two inputs whose CLKs are similar enough, by bands of bits instead of all pairs.
//!
//! [`LshJoinNode`] is put into a link's plan by [`Strategy::Lsh`](crate::Strategy); [`LshJoinPlanner`] plans it as a
//! [`LshJoinExec`]. SQL never becomes an LSH join by itself: a query that says `>=` means all pairs.

mod exec;
mod inputs;
mod metrics;
mod node;
mod run;
mod stream;
#[cfg(test)]
mod tests;

pub use exec::{LshJoinExec, SideColumns};
pub(crate) use inputs::{Holding, Input, collect_of};
pub(crate) use metrics::CANDIDATES;
pub use node::{LshJoinNode, LshJoinPlanner};
pub use run::{BandPart, LshReport, LshSettings};
pub(crate) use stream::StopOnDrop;
