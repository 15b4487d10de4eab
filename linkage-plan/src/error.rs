//! What can go wrong between a table and its pairs.

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool};
use linkage_core::block::lsh::LshError;
use linkage_core::dice::KernelError;
use thiserror::Error;

/// Why a plan was not made, or did not run to its end.
///
/// Messages name tables, columns and sizes, never a token.
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The memory that was granted does not hold what has to be held.
    #[error(
        "{what} needs {} for {rows} rows, and {} of the memory granted is free\nhint: {hint}",
        Mebibytes(*.needed_bytes), Mebibytes(*.free_bytes)
    )]
    Memory {
        /// What has to be held.
        what: &'static str,
        /// Its rows.
        rows: u64,
        /// The bytes they take.
        needed_bytes: u64,
        /// The bytes that the pool had left.
        free_bytes: u64,
        /// What to do.
        hint: &'static str,
    },
    /// Another operator of the plan ran out of memory.
    #[error("the plan ran out of memory: {message}\nhint: grant the session more memory")]
    OutOfMemory {
        /// What DataFusion says.
        message: String,
    },
    /// The batches are not those of a token file.
    #[error("not a token table: {problem}\nhint: pass the batches of one token file, as its reader returns them")]
    Table {
        /// What is wrong with them.
        problem: String,
    },
    /// Two tables cannot be linked.
    #[error("`{left}` and `{right}` cannot be linked: {problem}\nhint: {hint}")]
    Link {
        /// The left table.
        left: String,
        /// The right table.
        right: String,
        /// What is in the way.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// A query cannot be planned.
    #[error(
        "the query cannot be planned: {message}\nhint: tables have the columns of their token file and `row`; EXPLAIN shows plans"
    )]
    Query {
        /// What DataFusion says.
        message: String,
    },
    /// A plan failed while it ran.
    #[error("the plan failed: {message}")]
    Execution {
        /// What DataFusion says.
        message: String,
    },
    /// The LSH join cannot be planned for these tokens.
    #[error(transparent)]
    Lsh(#[from] LshError),
    /// A part of a link failed on every worker that tried it.
    #[error(
        "work unit {unit} failed {attempts} times, the last time on {worker}: {problem}\nhint: look at that worker's log; a larger limit on attempts helps only if workers come and go"
    )]
    WorkUnit {
        /// The unit's number.
        unit: usize,
        /// How often it was tried.
        attempts: usize,
        /// Where it was tried last.
        worker: String,
        /// What was wrong there.
        problem: String,
    },
    /// No worker can be used.
    #[error(
        "none of {workers} workers has answered for {seconds} s; {problem}\nhint: start workers, or leave the list of workers empty to link on this machine"
    )]
    NoWorker {
        /// Workers listed.
        workers: usize,
        /// How long they have been silent.
        seconds: u64,
        /// What is wrong with one of them.
        problem: String,
    },
    /// No kernel could be chosen.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

impl PlanError {
    /// That `what` needs more than `pool` has left.
    pub(crate) fn memory(
        pool: &dyn MemoryPool,
        what: &'static str,
        rows: usize,
        needed_bytes: usize,
        hint: &'static str,
    ) -> Self {
        let free = match pool.memory_limit() {
            MemoryLimit::Finite(limit) => limit.saturating_sub(pool.reserved()),
            MemoryLimit::Infinite | MemoryLimit::Unknown => 0,
        };
        Self::Memory { what, rows: rows as u64, needed_bytes: needed_bytes as u64, free_bytes: free as u64, hint }
    }

    /// Carries the error through DataFusion; [`From`] unpacks it again.
    pub(crate) fn into_datafusion(self) -> DataFusionError {
        DataFusionError::External(Box::new(self))
    }
}

impl From<DataFusionError> for PlanError {
    fn from(error: DataFusionError) -> Self {
        match error.find_root() {
            DataFusionError::External(inner) => match inner.downcast_ref::<Self>() {
                Some(own) => own.clone(),
                None => Self::Execution { message: inner.to_string() },
            },
            DataFusionError::ResourcesExhausted(message) => Self::OutOfMemory { message: message.clone() },
            root @ (DataFusionError::Plan(_) | DataFusionError::SQL(..) | DataFusionError::SchemaError(..)) => {
                Self::Query { message: root.strip_backtrace() }
            }
            root => Self::Execution { message: root.strip_backtrace() },
        }
    }
}

/// Bytes as a person reads them.
struct Mebibytes(u64);

impl std::fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}
