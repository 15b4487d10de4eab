//! The Dice join: all pairs of two inputs whose CLKs are similar enough.
//!
//! [`DiceJoinRule`] recognises an inner join on `dice(l.clk, r.clk) >= t` in the optimised logical plan and puts a
//! [`DiceJoinNode`] in its place; [`DiceJoinPlanner`] plans the node as a [`DiceJoinExec`]. What the rule does not
//! handle stays as it is, and the plain function runs; [`Declined`] says why. [`BestPairsRule`] lets the join keep each
//! row's best pairs when a window above wants no others.

mod best;
mod blocks;
mod build;
mod cut;
mod exec;
pub(crate) mod metrics;
mod node;
pub(crate) mod output;
mod planner;
mod room;
mod rule;
mod stream;

pub use best::BestPairsRule;
pub(crate) use build::{does_not_fit, slice_bytes};
pub use exec::{DiceJoinExec, RowOrder};
pub use node::{BestOf, DiceJoinNode, NodeOrder};
pub use output::{OutputColumn, Source};
pub use planner::DiceJoinPlanner;
pub(crate) use planner::LinkQueryPlanner;
pub(crate) use room::PairRoom;
pub(crate) use rule::declined;
pub use rule::{Declined, DiceJoinRule};
pub(crate) use stream::{PATIENCE, STEP, STEP_PAIRS};

/// The score's column in the output of a Dice join.
pub(crate) const SCORE: &str = "__dice_score";
