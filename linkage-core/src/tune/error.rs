//! What can go wrong while a schema is tuned.

use thiserror::Error;

use crate::dice::{BlockError, KernelError};
use crate::error::SchemaError;

/// Why a linkage schema cannot be tuned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TuneError {
    /// Too few people to learn from and to judge by.
    #[error(
        "{found} people are in both tables, fewer than {least}\nhint: name more pairs in the gold file, or tune on a synthetic twin made by `linkage generate`"
    )]
    TooFewPeople {
        /// How many there are.
        found: usize,
        /// How many there must be.
        least: usize,
    },
    /// No field tells pairs of one person from others.
    #[error(
        "no field tells gold pairs from random ones\nhint: are the tables the right way round, and are the columns those of the schema?"
    )]
    NoEvidence,
    /// The density that was asked for cannot be reached.
    #[error(
        "a density of {density} is not above 0 and at most 0.5\nhint: 0.4 is usual; leave it out to keep the total"
    )]
    Density {
        /// What was asked for.
        density: f64,
    },
    /// So many pairs look alike that no threshold can be chosen.
    #[error(
        "too many pairs of different people are alike\nhint: the fields tell too little about a person; encode more of them"
    )]
    TooManyPairs,
    /// The tuned schema breaks a rule, such as that of its name.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The tokens cannot be compared.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// No kernel can compare them.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}
