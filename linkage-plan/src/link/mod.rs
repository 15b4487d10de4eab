//! Linking two tables: exact tokens first, Dice for the rest.

mod keyed;
mod plan;
mod reach;
mod report;
mod rivals;
mod strategy;
mod stream;

use linkage_core::dice::DiceThreshold;

#[cfg(feature = "distributed")]
pub(crate) use keyed::{key_columns, similar as keyed_similar};
#[cfg(feature = "distributed")]
pub(crate) use plan::{best, candidates, exact_columns, rival_pairs, rows_with, similar, stages};
pub(crate) use plan::{explain, plan};
pub use report::{LinkProgress, LinkReport};
pub use strategy::Strategy;
pub(crate) use strategy::{ALL_PAIRS, Choice, choose};
#[cfg(feature = "distributed")]
pub(crate) use strategy::{lsh_settings, settle};
pub use stream::LinkStream;

/// How two tables are linked.
#[derive(Debug, Clone)]
pub struct LinkOptions {
    /// From which Dice similarity on a pair is a candidate.
    pub threshold: DiceThreshold,
    /// The exact tokens to join on first, by name; their columns are `exact_<name>`. None: Dice alone.
    pub exact_tokens: Vec<String>,
    /// How many pairs of each left record the Dice stage hands on, the best ones: higher similarity first and, of equal
    /// ones, the lower right row. None: all. Pairs that agree in an exact token are always handed on.
    pub top_k: Option<u32>,
    /// Whether to count the exact pairs of a record that is more like another one
    /// ([`LinkReport::exact_with_rival`]). For that, the records that the exact stage has matched are compared with all others
    /// as well: together with the Dice stage, every pair of the two tables once.
    pub rivals: bool,
}

impl LinkOptions {
    /// All pairs from a similarity on, of the records that no exact token of these has matched.
    pub fn new(threshold: DiceThreshold, exact_tokens: Vec<String>) -> Self {
        Self { threshold, exact_tokens, top_k: None, rivals: false }
    }
}

/// A pair of rows that may be one person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Row of the left table, as numbered in its token file.
    pub left: u32,
    /// Row of the right table.
    pub right: u32,
    /// Dice similarity.
    pub score: f64,
    /// Whether an exact token agrees. Such a pair is a candidate at any score.
    pub exact: bool,
}
