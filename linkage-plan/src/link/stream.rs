//! The candidates of a link as they are found.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, UInt32Type};
use datafusion::common::{DataFusionError, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::{StreamExt, TryStreamExt, stream};

use super::report::{LinkProgress, LinkReport};
use super::rivals::Rivals;
use super::{Candidate, LinkOptions};
use crate::error::PlanError;

/// A link, which runs from the first call of [`next`](Self::next) on. Dropping it cancels the run: its tasks stop within
/// a few milliseconds and give their memory back.
///
/// All partitions work while candidates are taken; when none is taken, they stop after a batch or two.
pub struct LinkStream {
    batches: SendableRecordBatchStream,
    progress: LinkProgress,
    /// What exact pairs compete with, if it is asked for.
    rivals: Option<Rivals>,
}

impl LinkStream {
    pub(crate) async fn start(
        context: &SessionContext,
        plan: LogicalPlan,
        options: &LinkOptions,
    ) -> Result<Self, PlanError> {
        let plan = context.state().create_physical_plan(&plan).await?;
        let progress = LinkProgress::start(Arc::clone(&plan), options.threshold);
        let (schema, task) = (plan.schema(), context.task_ctx());
        // Not before the first candidates are asked for: EXPLAIN shows a plan and runs nothing of it.
        let batches = stream::once(async move { execute_stream(plan, task) }).try_flatten();
        Ok(Self::new(context, Box::pin(RecordBatchStreamAdapter::new(schema, batches)), progress, options))
    }

    /// A link whose candidates come as batches of `left`, `right`, `score` and `exact`, which is null of a rival.
    pub(crate) fn new(
        context: &SessionContext,
        batches: SendableRecordBatchStream,
        progress: LinkProgress,
        options: &LinkOptions,
    ) -> Self {
        let rivals = options.rivals.then(|| {
            let pool = &context.runtime_env().memory_pool;
            Rivals::new(MemoryConsumer::new("exact pairs and their rivals").register(pool))
        });
        Self { batches, progress, rivals }
    }

    /// The next candidates, in no particular order; `None` when there are no more.
    ///
    /// # Errors
    /// When the plan fails, above all for want of memory. After an error there is nothing more.
    pub async fn next(&mut self) -> Option<Result<Vec<Candidate>, PlanError>> {
        loop {
            let next = self.batches.next().await;
            if !matches!(next, Some(Ok(_))) {
                self.progress.finish();
            }
            if next.is_none()
                && let Some(rivals) = self.rivals.take()
            {
                // Set once, at the one end of the stream.
                let _ = self.progress.counts().exact_with_rival.set(rivals.count());
            }
            match next?.and_then(|batch| self.candidates(&batch)) {
                // A batch of rivals is nothing to hand on.
                Ok(candidates) if candidates.is_empty() => {}
                other => return Some(other.map_err(PlanError::from)),
            }
        }
    }

    /// What was done so far.
    pub fn report(&self) -> LinkReport {
        self.progress.report()
    }

    /// A handle that reads the same counts from another task.
    pub fn progress(&self) -> LinkProgress {
        self.progress.clone()
    }

    pub(super) fn physical_plan(&self) -> Option<&dyn ExecutionPlan> {
        self.progress.plan()
    }

    fn candidates(&mut self, batch: &RecordBatch) -> Result<Vec<Candidate>, DataFusionError> {
        let other = || exec_datafusion_err!("the plan's output is not a list of candidates");
        let left = batch.column(0).as_primitive_opt::<UInt32Type>().ok_or_else(other)?;
        let right = batch.column(1).as_primitive_opt::<UInt32Type>().ok_or_else(other)?;
        let score = batch.column(2).as_primitive_opt::<Float64Type>().ok_or_else(other)?;
        let exact = batch.column(3).as_boolean_opt().ok_or_else(other)?;
        let exact_pairs = exact.true_count() as u64;
        let handed_on = (exact.len() - exact.null_count()) as u64;
        self.progress.counts().exact.fetch_add(exact_pairs, Ordering::Relaxed);
        self.progress.counts().dice.fetch_add(handed_on - exact_pairs, Ordering::Relaxed);
        let row = |at| Candidate {
            left: left.value(at),
            right: right.value(at),
            // A record without a CLK has no score; an exact token can still match it.
            score: if score.is_null(at) { 0.0 } else { score.value(at) },
            exact: exact.value(at),
        };
        let rows = || 0..batch.num_rows();
        let candidates: Vec<Candidate> = rows().filter(|at| exact.is_valid(*at)).map(row).collect();
        if let Some(rivals) = &mut self.rivals {
            let null = rows().filter(|at| exact.is_null(*at));
            rivals.rivals(null.map(|at| (left.value(at), right.value(at), score.value(at))))?;
            rivals.exact(&candidates)?;
        }
        // A score is the double nearest to its ratio, and so is the threshold: they compare as the ratios do.
        let least = self.progress.counts().threshold.as_f64();
        let below = candidates.iter().filter(|pair| pair.exact && pair.score < least).count();
        self.progress.counts().exact_below.fetch_add(below as u64, Ordering::Relaxed);
        Ok(candidates)
    }
}

impl std::fmt::Debug for LinkStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LinkStream").field(&self.progress).finish()
    }
}
