//! What can go wrong before anything is compared.

use thiserror::Error;

use super::threshold::DECIMALS;

/// Why a text is not a threshold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ThresholdError {
    /// Not digits with at most one decimal point.
    #[error("the threshold is not a decimal number\nhint: write it as `0.85`")]
    NotADecimal,
    /// More decimals than an exact ratio of millionths can hold.
    #[error("the threshold has more than {DECIMALS} decimals\nhint: round it, for example to `0.857143`")]
    TooManyDecimals,
    /// Outside (0, 1].
    #[error(
        "the threshold is not above 0 and at most 1\nhint: a Dice similarity of 1 means equal filters; 0.85 is usual"
    )]
    OutOfRange,
}

/// Why rows cannot be laid out for comparison.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlockError {
    /// No CLK has this length.
    #[error("a CLK of {clk_bytes} bytes cannot be compared\nhint: CLKs have 64 to 4096 bits, in multiples of 64")]
    Length {
        /// The length asked for.
        clk_bytes: usize,
    },
    /// A row differs in length from those before it.
    #[error(
        "row {row}: the CLK has {clk_bytes} bytes, those before it {expected}\nhint: both sides must use one linkage schema"
    )]
    Ragged {
        /// The row, counted from 0.
        row: usize,
        /// Its length.
        clk_bytes: usize,
        /// The length of the block's rows.
        expected: usize,
    },
    /// Segments are whole words, and no more than the presence pattern has bits.
    #[error(
        "a CLK of {clk_bytes} bytes does not divide into {segments} segments\nhint: 1 to 16 equal segments of multiples of 64 bits"
    )]
    Segments {
        /// The length of the CLKs.
        clk_bytes: usize,
        /// The segments asked for.
        segments: usize,
    },
    /// A segment that is said to be absent has bits.
    #[error(
        "row {row}: segment {segment} is absent by its presence pattern, but has bits\nhint: the token file was made by a faulty encoder; ask the custodian to tokenise again"
    )]
    Absent {
        /// The row, counted from 0.
        row: usize,
        /// The segment, counted from 0.
        segment: usize,
    },
}

impl BlockError {
    /// The same error of another row.
    pub(super) fn at_row(self, at: usize) -> Self {
        match self {
            Self::Ragged { clk_bytes, expected, .. } => Self::Ragged { row: at, clk_bytes, expected },
            other => other,
        }
    }
}

/// Why no kernel could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// `LINKAGE_KERNEL` names no kernel.
    #[error(
        "`{name}` is no kernel\nhint: LINKAGE_KERNEL takes `scalar`, `avx2`, `avx512` or `neon`; unset, the fastest is chosen"
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The kernel needs instructions that this CPU lacks.
    #[error(
        "the kernel `{name}` does not run on this CPU\nhint: unset LINKAGE_KERNEL, and the fastest that runs is chosen"
    )]
    Unavailable {
        /// What was asked for.
        name: &'static str,
    },
}
