//! Record linkage as DataFusion plans: the only crate that names DataFusion.
//!
//! Tokens are tables ([`TokenTable`]); `dice(a, b)` is a function of SQL; a join on `dice(l.clk, r.clk) >= 0.85` is
//! planned into [`DiceJoinExec`](dice_join::DiceJoinExec), which compares all pairs with `linkage-core`'s kernels.
//! [`LinkSession::link`] is the two-stage plan of a run: equality on exact tokens by DataFusion's own hash join, and the
//! Dice join over what that leaves. Everything a run does can be read in EXPLAIN.
//!
//! This crate knows nothing of persons, files, permits or the network: it gets record batches and returns row numbers. Only
//! with the feature `distributed` it sends parts of plans to workers, over connections that its caller makes (`cluster`).

#[macro_use]
mod operator;

pub mod blocked_join;
pub mod bloom;
#[cfg(feature = "distributed")]
pub mod cluster;
#[cfg(feature = "distributed")]
pub mod codec;
pub mod dice_join;
mod error;
mod held;
pub mod keyed;
mod layout;
mod link;
pub mod lsh_join;
#[cfg_attr(not(feature = "distributed"), allow(dead_code, reason = "it is a coordinator of workers that reads them"))]
mod note;
mod once;
mod sample;
mod session;
mod steps;
mod table;
mod udf;

pub use error::PlanError;
pub use held::HeldMemory;
pub use keyed::KeyedReport;
pub use link::{Candidate, LinkOptions, LinkProgress, LinkReport, LinkStream, Strategy};
pub use lsh_join::LshReport;
pub use session::{LinkSession, PlanOptions};
pub use table::TokenTable;
