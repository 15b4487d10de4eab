//! Why no bands are used.

use thiserror::Error;

use crate::dice::DiceThreshold;

/// Why a search by bands is not planned.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum LshError {
    /// The recall is not a share below one.
    #[error("a recall of {recall} cannot be planned\nhint: ask for a share above 0 and below 1, or compare all pairs")]
    Recall {
        /// What was asked for.
        recall: f64,
    },
    /// No rows, or none with a bit set.
    #[error("there is nothing to plan bands for: a table has no filter with a bit set\nhint: compare all pairs")]
    Empty,
    /// The tables hold CLKs of different lengths.
    #[error("the tables' CLKs differ in length\nhint: both must be tokenised with one linkage schema")]
    Lengths,
    /// More bits per band than a CLK has, or no band.
    #[error(
        "{bits} bits in each of {bands} bands is no plan\nhint: 1 to 64 bits, no more than the CLK has, and 1 to 4096 bands"
    )]
    Plan {
        /// Bits per band.
        bits: u32,
        /// Bands.
        bands: u32,
    },
    /// The recall cannot be had for less than comparing a good share of all pairs.
    #[error(
        "bands cannot find {:.1} % of the pairs at Dice {threshold} in these tokens: such pairs differ in up to {distance} of \
         {clk_bits} bits, and others collide nearly as often; {:.1} % is what bands can reach{}\n\
         hint: compare all pairs, or use blocking keys made at the custodian",
        recall * 100.0, possible * 100.0, if *dense { " (half the bits are set, as in diffused tokens)" } else { "" }
    )]
    OutOfReach {
        /// The recall asked for.
        recall: f64,
        /// The most that can be had.
        possible: f64,
        /// The threshold.
        threshold: DiceThreshold,
        /// Differing bits of the worst pair at the threshold.
        distance: u32,
        /// Length of the CLKs.
        clk_bits: u32,
        /// Whether about half the bits are set.
        dense: bool,
    },
    /// The caller asked to stop.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The caller asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("stopped, as was asked for")]
pub struct Stopped;
