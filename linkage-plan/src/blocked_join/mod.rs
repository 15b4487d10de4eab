//! The Dice join within blocks: pairs whose CLKs are similar enough, of rows that are equal in some columns.
//!
//! The rule of the [Dice join](crate::dice_join) takes `JOIN … ON dice(l.clk, r.clk) >= t AND l.k = r.k` as well; its
//! planner makes a [`BlockedDiceJoinExec`] of it. Blocks are compared by the kernels, where DataFusion's hash join would call
//! `dice()` once per pair.

mod build;
mod exec;
mod keys;
mod metrics;
mod stream;

pub use exec::BlockedDiceJoinExec;
pub(crate) use keys::is_key_type;
