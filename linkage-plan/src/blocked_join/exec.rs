//! The physical operator.

use std::fmt;
use std::sync::Arc;

use datafusion::common::{Result, internal_err, plan_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, Gauge};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, ReplaceChildrenOptions,
};
use linkage_core::block::GroupSearch;
use linkage_core::dice::{DiceThreshold, Kernel};

use super::build::Collect;
use super::keys::is_key_type;
use super::metrics::BlockedMetrics;
use super::stream::{self, Probing};
use crate::dice_join::output::{Writer, kept, names_of, schema_of, take_in};
use crate::dice_join::{OutputColumn, PairRoom};
use crate::layout::ClkLayout;

/// Every pair of left and right rows that are equal in some columns and whose CLKs reach the threshold, by comparing all
/// pairs of a block: the rows of one key. Null equals nothing.
///
/// Segmented CLKs, which their field's metadata tell, are scored over the segments that both rows have.
///
/// **What is held.** Both inputs are partitioned by the columns. Each partition holds its left rows, sorted by key: their
/// CLKs (128 bytes per row at 1024 bits), their keys and those of their columns that the output needs, all of it twice
/// until they are sorted. The right input is streamed. A block is compared whole, however large it is: of a key that all
/// rows share come as many comparisons as without keys, in one partition.
///
/// **Out of memory.** All of it is reserved from the task's memory pool before it is taken. Nothing is spilled: when a
/// left part does not fit, the query fails with [`PlanError::Memory`](crate::PlanError::Memory).
///
/// **Order and cancelling.** As of [`DiceJoinExec`](crate::dice_join::DiceJoinExec).
pub struct BlockedDiceJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    clks: (usize, usize),
    layout: ClkLayout,
    keys: Vec<(usize, usize)>,
    threshold: DiceThreshold,
    output: Arc<[OutputColumn]>,
    kernel: Kernel,
    metrics: ExecutionPlanMetricsSet,
    largest_block_rows: Gauge,
    properties: Arc<PlanProperties>,
}

impl BlockedDiceJoinExec {
    /// A Dice join of two inputs on the CLK columns `clks` (left, right), of rows that are equal in the columns `keys`
    /// (left, right), which returns the columns `output`.
    ///
    /// # Errors
    /// When the CLK columns are not CLKs of one length and layout, when there is no key, or when its columns differ in type or
    /// are floats, of which some are equal in SQL and not in their bytes.
    pub fn try_new(
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        clks: (usize, usize),
        keys: Vec<(usize, usize)>,
        threshold: DiceThreshold,
        output: Vec<OutputColumn>,
        kernel: Kernel,
    ) -> Result<Self> {
        let (left_schema, right_schema) = (left.schema(), right.schema());
        let layout = ClkLayout::of_both(left_schema.field(clks.0), right_schema.field(clks.1))?;
        let fit = |(l, r): &(usize, usize)| {
            let data_type = left_schema.field(*l).data_type();
            data_type == right_schema.field(*r).data_type() && is_key_type(data_type)
        };
        if keys.is_empty() || !keys.iter().all(fit) {
            return plan_err!("a Dice join within blocks needs keys of one type on both sides, and no floats");
        }
        let schema = schema_of(&output, &left_schema, &right_schema);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema)),
            Partitioning::UnknownPartitioning(right.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self {
            left,
            right,
            clks,
            layout,
            keys,
            threshold,
            output: output.into(),
            kernel,
            largest_block_rows: BlockedMetrics::largest_block_rows(&metrics),
            metrics,
            properties: Arc::new(properties),
        })
    }

    /// Segments of each CLK, over which pairs are scored; 1 when CLKs are composite.
    pub fn segments(&self) -> usize {
        self.layout.segments
    }

    /// The CLK columns of the left and the right input.
    pub fn clks(&self) -> (usize, usize) {
        self.clks
    }

    /// The columns of the left and the right input in which rows must be equal.
    pub fn keys(&self) -> &[(usize, usize)] {
        &self.keys
    }

    /// From which similarity on a pair is returned.
    pub fn threshold(&self) -> DiceThreshold {
        self.threshold
    }

    /// The columns returned.
    pub fn output(&self) -> &[OutputColumn] {
        &self.output
    }

    /// The same join over other inputs or with another output.
    fn with(
        &self,
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        output: Vec<OutputColumn>,
    ) -> Result<Self> {
        Self::try_new(left, right, self.clks, self.keys.clone(), self.threshold, output, self.kernel)
    }
}

impl fmt::Debug for BlockedDiceJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockedDiceJoinExec")
            .field("left", &self.left)
            .field("right", &self.right)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for BlockedDiceJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = (self.left.schema(), self.right.schema());
        let (left_clk, right_clk) = (left.field(self.clks.0).name(), right.field(self.clks.1).name());
        let keys =
            self.keys.iter().map(|(l, r)| format!("left.{} = right.{}", left.field(*l).name(), right.field(*r).name()));
        write!(
            f,
            "BlockedDiceJoinExec: dice({left_clk}, {right_clk}){} >= {}, {}, kernel={}, output=[{}]",
            self.layout,
            self.threshold,
            keys.collect::<Vec<_>>().join(", "),
            self.kernel.name(),
            names_of(&self.output)
        )
    }
}

impl ExecutionPlan for BlockedDiceJoinExec {
    fn name(&self) -> &'static str {
        "BlockedDiceJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let keys = |input: &Arc<dyn ExecutionPlan>, place: fn(&(usize, usize)) -> usize| {
            let schema = input.schema();
            let columns = self.keys.iter().map(place);
            let columns = columns.map(|at| Arc::new(Column::new(schema.field(at).name(), at)) as Arc<dyn PhysicalExpr>);
            Distribution::KeyPartitioned(columns.collect())
        };
        InputDistributionRequirements::co_partitioned(vec![
            keys(&self.left, |key| key.0),
            keys(&self.right, |key| key.1),
        ])
    }

    columns_by_number!();

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [left, right] = children.as_slice() else { return internal_err!("a Dice join has two inputs") };
        Ok(Arc::new(self.with(Arc::clone(left), Arc::clone(right), self.output.to_vec())?))
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        take_in(projection, &self.output, |output| {
            Ok(Arc::new(self.with(Arc::clone(&self.left), Arc::clone(&self.right), output)?))
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (left_parts, right_parts) = (self.left.output_partitioning(), self.right.output_partitioning());
        if left_parts.partition_count() != right_parts.partition_count() {
            return internal_err!("both sides of a Dice join within blocks must be partitioned alike");
        }
        let metrics = BlockedMetrics::new(&self.metrics, partition, self.largest_block_rows.clone());
        let memory = |side: &str| {
            MemoryConsumer::new(format!("BlockedDiceJoinExec {side}[{partition}]")).register(context.memory_pool())
        };
        let collect = Collect {
            clk: (self.clks.0, self.layout),
            keys: self.keys.iter().map(|key| key.0).collect(),
            keep: kept(&self.output),
            memory: memory("left"),
            pool: Arc::clone(context.memory_pool()),
            metrics: metrics.clone(),
        };
        let probing = Probing {
            writer: Writer::new(&self.output, self.schema()),
            clk: (self.clks.1, self.layout),
            keys: self.keys.iter().map(|key| key.1).collect(),
            search: GroupSearch::new(self.kernel, self.threshold),
            batch_size: context.session_config().batch_size(),
            room: PairRoom::new(memory("right"), Arc::clone(context.memory_pool())),
            metrics,
        };
        let left = self.left.execute(partition, Arc::clone(&context))?;
        Ok(stream::pairs(collect, left, self.right.execute(partition, context)?, probing))
    }
}
