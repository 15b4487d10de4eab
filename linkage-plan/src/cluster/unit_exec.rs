//! A work unit as one operator: a whole plan that a worker runs by itself.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, EmptyRecordBatchStream, ExecutionPlan, PlanProperties, displayable, execute_stream,
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::dice_join::metrics::{BUILD_BYTES, EARLY_ABORTS, PAIRS_COMPARED, total};
use crate::lsh_join::CANDIDATES;
use crate::note::{Note, UnitCounts, noted, noted_schema};

/// Runs a whole plan in its first partition, and says in the end what it has counted.
///
/// The engine sees a leaf: it neither splits the plan within nor puts anything between its operators, so that whatever runs
/// in one process runs in a unit as well. The engine keeps a stage of one task for itself, so a unit is given two, of which
/// the second one is idle, and two partitions, because it collects only what has several.
pub(super) struct UnitExec {
    plan: Option<Arc<dyn ExecutionPlan>>,
    properties: Arc<PlanProperties>,
}

const PARTITIONS: usize = 2;

impl UnitExec {
    /// A unit that runs a plan whose columns are left row, right row, score, and a note if there are notes in it; or an idle one.
    pub(super) fn new(plan: Option<Arc<dyn ExecutionPlan>>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(noted_schema()),
            Partitioning::UnknownPartitioning(PARTITIONS),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { plan, properties: Arc::new(properties) }
    }

    /// What it runs.
    pub(super) fn plan(&self) -> Option<&Arc<dyn ExecutionPlan>> {
        self.plan.as_ref()
    }

    /// The unit for one of several tasks, and idle ones for the others.
    pub(super) fn split(&self, tasks: usize) -> Vec<Arc<dyn ExecutionPlan>> {
        let task = |at| Arc::new(Self::new(self.plan.clone().filter(|_| at == 0))) as Arc<dyn ExecutionPlan>;
        (0..tasks).map(task).collect()
    }
}

impl fmt::Debug for UnitExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitExec").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl DisplayAs for UnitExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.plan {
            Some(plan) => write!(f, "UnitExec: {}", displayable(plan.as_ref()).one_line().to_string().trim_end()),
            None => f.write_str("UnitExec: idle"),
        }
    }
}

impl ExecutionPlan for UnitExec {
    fn name(&self) -> &'static str {
        "UnitExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a work unit has no inputs") }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(plan) = self.plan.clone().filter(|_| partition == 0) else {
            return Ok(Box::pin(EmptyRecordBatchStream::new(self.schema())));
        };
        let pairs = execute_stream(Arc::clone(&plan), context)?;
        let pairs = pairs.and_then(|batch| async move {
            if batch.num_columns() == 3 { noted(batch.columns(), batch.num_rows()) } else { Ok(batch) }
        });
        let done = stream::once(async move { Note::Done(counts(&plan)).batch() });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), pairs.chain(done))))
    }
}

/// What a plan that has run has counted.
fn counts(plan: &Arc<dyn ExecutionPlan>) -> UnitCounts {
    let mut counts = UnitCounts::default();
    let _ = plan.apply(|node| {
        if let Some(metrics) = node.metrics() {
            counts.compared += total(&metrics, PAIRS_COMPARED) + total(&metrics, CANDIDATES);
            counts.aborted += total(&metrics, EARLY_ABORTS);
            counts.bytes += total(&metrics, BUILD_BYTES);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    counts
}

/// A table whose rows are what a unit finds, so that the engine plans it as it does any table.
#[derive(Debug)]
pub(super) struct UnitTable(pub(super) Arc<UnitExec>);

#[async_trait]
impl TableProvider for UnitTable {
    fn schema(&self) -> SchemaRef {
        noted_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match projection {
            Some(columns) if !columns.iter().copied().eq(0..noted_schema().fields().len()) => {
                internal_err!("a work unit is read whole")
            }
            _ => Ok(Arc::clone(&self.0) as Arc<dyn ExecutionPlan>),
        }
    }
}
