//! How good links are, against known truth: precision, recall, F1 and F*, by threshold, before and after one-to-one
//! assignment, and for clusters over several databases.
//!
//! Pure: whoever calls reads the files and holds the ids; here are tokens and row numbers. Estimates *without* truth are in
//! [`crate::classify`].

mod assign;
mod bootstrap;
mod candidates;
mod clusters;
mod compare;
mod curve;
mod groups;
mod quality;
mod units;

#[cfg(test)]
mod tests;

pub use assign::one_to_one;
pub use bootstrap::{FEWEST_UNITS, Interval, Spread, bootstrap};
pub use candidates::Candidates;
pub use clusters::cluster_quality;
pub use compare::Comparison;
pub(crate) use compare::{block, exact_rows};
pub use curve::{CurvePoint, best, curve};
pub use groups::{GroupQuality, by_group};
pub use quality::{Quality, Truth, pair_quality};
pub use units::units;

/// A link between two tables that somebody proposes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkedPair {
    /// Row in the left table.
    pub left: u32,
    /// Row in the right table.
    pub right: u32,
    /// Dice similarity, from 0 to 1.
    pub score: f64,
    /// Whether the pair agrees on an exact token: it is then a link at every threshold.
    pub exact: bool,
}

impl LinkedPair {
    /// Whether the pair is a link at this threshold.
    #[must_use]
    pub fn accepted(&self, threshold: f64) -> bool {
        self.exact || self.score >= threshold
    }
}
