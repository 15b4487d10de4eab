//! Why runs do not start, and why they fail.

use super::StoreError;
use crate::permit::Refusal;

/// Why a permit does not cover what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecisionError {
    /// A rule.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// Nobody could have signed one.
    #[error("this linkage unit has no committee yet\nhint: its operator puts committee.json into the unit's folder")]
    NoCommittee,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DecisionError {
    /// The code that clients and the audit log see; `None` when the service is at fault.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::Refusal(refusal) => Some(refusal.code()),
            Self::NoCommittee => Some("no-committee"),
            Self::Store(_) => None,
        }
    }
}

/// Why a run was not started, or not answered for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A database of the permit has submitted nothing.
    #[error("no token file of {database} is here\nhint: its custodian submits it with `custodian submit`")]
    NoSubmission {
        /// The database.
        database: linkage_core::types::DatabaseId,
    },
    /// The tokens of a database need a declaration that the permit does not have.
    #[error(
        "the tokens of {database} are of the profile max-quality, and the permit does not accept their risk\nhint: the committee declares `max-quality-risk` in the permit, or the custodians use another linkage schema"
    )]
    RiskNotAccepted {
        /// The database.
        database: linkage_core::types::DatabaseId,
    },
    /// Bands do not go with tokens of several segments.
    #[error(
        "the tokens of {database} have several segments, and bands need composite ones\nhint: the operator sets `matching.candidates` to all-pairs, or to keyed when the linkage schema has blocking keys"
    )]
    SegmentsInBands {
        /// The database.
        database: linkage_core::types::DatabaseId,
    },
    /// One run at a time per project.
    #[error("run {run} of this project is under way\nhint: `linkage run watch` or `linkage run cancel` it")]
    UnderWay {
        /// The other run.
        run: String,
    },
    /// No such run, or another project's.
    #[error("there is no such run of this project\nhint: `linkage run list` shows them")]
    NoRun,
    /// The run has ended.
    #[error("the run has ended already")]
    Ended,
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Randomness,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RunError {
    /// The code that clients and the audit log see; `None` when the service is at fault.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::NoSubmission { .. } => Some("no-submission"),
            Self::RiskNotAccepted { .. } => Some("risk-not-accepted"),
            Self::SegmentsInBands { .. } => Some("segments-in-bands"),
            Self::UnderWay { .. } => Some("run-under-way"),
            Self::NoRun => Some("no-run"),
            Self::Ended => Some("run-ended"),
            Self::Randomness | Self::Store(_) => None,
        }
    }
}

/// Why a run failed. The message becomes part of the run's record, so it names databases and rules only.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A stored token file is not what was accepted.
    #[error("the stored token file of {database} is damaged\nhint: its custodian submits it again")]
    DamagedTokenFile {
        /// The database.
        database: linkage_core::types::DatabaseId,
    },
    /// The permit does not cover the run any more.
    #[error("its permit does not cover it any more: {0}")]
    PermitEnded(DecisionError),
    /// Tokens of one schema that do not have one form.
    #[error(
        "the tokens of {database} are not cut as those of the databases before it\nhint: its custodian tokenises again with the schema of the linkage group"
    )]
    OtherLayout {
        /// The database.
        database: linkage_core::types::DatabaseId,
    },
    /// The token files together are larger than the memory of a run.
    #[error(
        "the token files are {needed_mib} MiB and a run has {limit_mib} MiB of memory\nhint: raise `limits.memory_mib`"
    )]
    TooLarge {
        /// What they take.
        needed_mib: u64,
        /// What there is.
        limit_mib: u64,
    },
    /// The memory of a run does not hold what has to be held.
    #[error(
        "{problem}\nhint: raise `limits.memory_mib`; or `matching.threshold`, so that fewer pairs are candidates, if it is these"
    )]
    Memory {
        /// What needs how much, and how much is free.
        problem: String,
    },
    /// The tokens cannot be learnt from.
    #[error(
        "tokens of {segments} segments cannot be learnt from\nhint: `matching.threshold` takes a decimal instead of `learnt`"
    )]
    Segments {
        /// How many there are.
        segments: usize,
    },
    /// The token file has nothing to draw candidates by.
    #[error(
        "the token file of {database} has no blocking keys, and `matching.candidates` is keyed\nhint: tokenise with a linkage schema that has `blocking_keys`, such as person-ja-blocked, or take all-pairs or bands"
    )]
    NoBlockingKeys {
        /// The database.
        database: linkage_core::types::DatabaseId,
    },
    /// Bands cannot find the pairs of these tokens.
    #[error(
        "{left} – {right}: {source}; the operator sets `matching.candidates`, `matching.recall` and `matching.threshold`"
    )]
    Bands {
        /// The left database.
        left: linkage_core::types::DatabaseId,
        /// The right database.
        right: linkage_core::types::DatabaseId,
        /// Why.
        source: linkage_core::block::lsh::LshError,
    },
    /// The recall of a pair of databases is not what was asked for, as far as the sample shows.
    #[error(
        "{left} – {right}: the recall is NOT CERTIFIED: {demand} was asked for, and the sample shows {lower:.4} to {upper:.4} after {bands} bands; {}\nhint: compare all pairs, or ask for less; with `matching.uncertified = \"mark\"` such runs end and say so",
        if upper >= demand { "it has too few pairs to show more" } else { "bands do not find more in these tokens" }
    )]
    Uncertified {
        /// The left database.
        left: linkage_core::types::DatabaseId,
        /// The right database.
        right: linkage_core::types::DatabaseId,
        /// The recall asked for.
        demand: f64,
        /// Where the recall lies at least,
        lower: f64,
        /// and at most.
        upper: f64,
        /// Bands searched.
        bands: u32,
    },
    /// The plan.
    #[error("matching: {0}")]
    Plan(linkage_plan::PlanError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug.
    #[error("an internal error; the service's log has the details")]
    Internal,
}

impl From<linkage_plan::PlanError> for LinkError {
    /// What is said of memory ends in the key that grants it.
    fn from(error: linkage_plan::PlanError) -> Self {
        use linkage_plan::PlanError;
        match error {
            PlanError::Memory { .. } | PlanError::OutOfMemory { .. } => {
                let text = error.to_string();
                Self::Memory { problem: text.split("\nhint: ").next().unwrap_or_default().to_owned() }
            }
            other => Self::Plan(other),
        }
    }
}
