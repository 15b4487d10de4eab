//! The physical operator.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::TryFutureExt;
use linkage_core::dice::{DiceThreshold, Kernel};

use super::build::{BuildSide, Collect};
use super::metrics::DiceJoinMetrics;
use super::output::{OutputColumn, Writer, kept, names_of, schema_of, take_in};
use super::room::PairRoom;
use super::stream::{self, Probing};
use crate::layout::ClkLayout;
use crate::once::Once;

/// Which of two rows must have the lesser number: `l.row < r.row`, above all in a join of a table with itself.
///
/// Rows that cannot be in order are not compared, in tiles of `ORDER_TILE` left rows: so of a
/// table with itself every pair is compared once, and only within a tile twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowOrder {
    /// The number's column in the left input: UInt32, never null.
    pub left: usize,
    /// The number's column in the right input, likewise.
    pub right: usize,
    /// Whether the left row's number is the lesser one; if not, the right row's is.
    pub left_first: bool,
}

impl RowOrder {
    /// The same order when the inputs have changed places.
    pub(super) fn turned(self) -> Self {
        Self { left: self.right, right: self.left, left_first: !self.left_first }
    }
}

/// Every pair of left and right rows whose CLKs reach the threshold, by comparing all pairs.
///
/// Segmented CLKs, which their field's metadata tell, are scored over the segments that both rows have.
///
/// **What is held.** The left input is collected once, from all its partitions: its CLKs in the kernels' layout (about
/// 136 bytes per row at 1024 bits) and those of its columns that the output needs. The right input is streamed, in as
/// many partitions as it has; each holds the CLKs of one batch and the pairs that are not yet handed on.
///
/// **Out of memory.** All of it is reserved from the task's memory pool before it is taken. Nothing is spilled: when the
/// left side does not fit, the query fails with [`PlanError::Memory`](crate::PlanError::Memory), which names what the
/// whole left side would need. Where memory for pairs is short, fewer rows are compared at a time.
///
/// **Order and cancelling.** Pairs come in no particular order. About every millisecond a partition yields to the
/// runtime, so a dropped stream stops within a few milliseconds. A batch that is not full is handed on when it is 50 ms
/// old or its right batch is done; one of best pairs when its right batch is done.
pub struct DiceJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    left_clk: usize,
    right_clk: usize,
    layout: ClkLayout,
    threshold: DiceThreshold,
    output: Arc<[OutputColumn]>,
    order: Option<RowOrder>,
    best: Option<u32>,
    kernel: Kernel,
    build: Once<BuildSide>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl DiceJoinExec {
    /// A Dice join of two inputs on the CLK columns `clks` (left, right), which returns the columns `output`.
    ///
    /// # Errors
    /// When the CLK columns are not CLKs of one length and layout.
    pub fn try_new(
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        clks: (usize, usize),
        threshold: DiceThreshold,
        output: Vec<OutputColumn>,
        kernel: Kernel,
    ) -> Result<Self> {
        let (left_schema, right_schema) = (left.schema(), right.schema());
        let layout = ClkLayout::of_both(left_schema.field(clks.0), right_schema.field(clks.1))?;
        let schema = schema_of(&output, &left_schema, &right_schema);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema)),
            Partitioning::UnknownPartitioning(right.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            left,
            right,
            left_clk: clks.0,
            right_clk: clks.1,
            layout,
            threshold,
            output: output.into(),
            order: None,
            best: None,
            kernel,
            build: Once::default(),
            metrics: ExecutionPlanMetricsSet::new(),
            properties: Arc::new(properties),
        })
    }

    /// The same join, of rows in this order alone.
    ///
    /// # Errors
    /// When the columns are not UInt32 without nulls.
    pub fn with_order(self, order: RowOrder) -> Result<Self> {
        let (left, right) = (self.left.schema(), self.right.schema());
        for field in [left.field(order.left), right.field(order.right)] {
            if field.data_type() != &DataType::UInt32 || field.is_nullable() {
                return plan_err!("a Dice join orders rows by UInt32 without nulls, and `{}` is not", field.name());
            }
        }
        Ok(Self { order: Some(order), ..self })
    }

    /// The same join, of which each right row's best pairs alone are wanted, and all that are as good as the last of them.
    #[must_use]
    pub fn with_best(self, best: Option<u32>) -> Self {
        Self { best, ..self }
    }

    /// How many pairs of each right row are wanted; none when all are.
    pub fn best(&self) -> Option<u32> {
        self.best
    }

    /// Which of two rows must come first; none when it does not matter.
    pub fn order(&self) -> Option<RowOrder> {
        self.order
    }

    /// Segments of each CLK, over which pairs are scored; 1 when CLKs are composite.
    pub fn segments(&self) -> usize {
        self.layout.segments
    }

    /// The CLK columns of the left and the right input.
    pub fn clks(&self) -> (usize, usize) {
        (self.left_clk, self.right_clk)
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
        let clks = (self.left_clk, self.right_clk);
        let same = Self::try_new(left, right, clks, self.threshold, output, self.kernel)?;
        Ok(Self { order: self.order, best: self.best, ..same })
    }

    fn collect_left(
        &self,
        context: &Arc<TaskContext>,
        metrics: &DiceJoinMetrics,
    ) -> Result<impl Future<Output = Result<Arc<BuildSide>>> + use<>> {
        if self.left.output_partitioning().partition_count() != 1 {
            return internal_err!("the left side of a Dice join must be one partition");
        }
        let collect = Collect {
            clk: (self.left_clk, self.layout),
            keep: kept(&self.output),
            numbers: self.order.map(|order| order.left),
            memory: MemoryConsumer::new("DiceJoinExec left").register(context.memory_pool()),
            pool: Arc::clone(context.memory_pool()),
            metrics: metrics.clone(),
        };
        let input = self.left.execute(0, Arc::clone(context))?;
        Ok(collect.run(input).map_ok(Arc::new))
    }
}

impl fmt::Debug for DiceJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiceJoinExec")
            .field("left", &self.left)
            .field("right", &self.right)
            .field("threshold", &self.threshold)
            .field("kernel", &self.kernel)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for DiceJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = (self.left.schema(), self.right.schema());
        let (left_clk, right_clk) = (left.field(self.left_clk).name(), right.field(self.right_clk).name());
        let order = self.order.map_or_else(String::new, |order| {
            let (left, right) = (left.field(order.left).name(), right.field(order.right).name());
            format!(", left.{left} {} right.{right}", if order.left_first { '<' } else { '>' })
        });
        let best = self.best.map_or_else(String::new, |best| format!(", best {best} of each right row"));
        write!(
            f,
            "DiceJoinExec: dice({left_clk}, {right_clk}){} >= {}{order}{best}, kernel={}, output=[{}]",
            self.layout,
            self.threshold,
            self.kernel.name(),
            names_of(&self.output)
        )
    }
}

impl ExecutionPlan for DiceJoinExec {
    fn name(&self) -> &'static str {
        "DiceJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::UnspecifiedDistribution])
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
        let metrics = DiceJoinMetrics::new(&self.metrics, partition);
        let partitions = self.right.output_partitioning().partition_count();
        let build = self.build.share(partitions, || self.collect_left(&context, &metrics))?;
        let probing = Probing {
            writer: Writer::new(&self.output, self.schema()),
            clk: (self.right_clk, self.layout),
            order: self.order,
            best: self.best,
            threshold: self.threshold,
            kernel: self.kernel,
            batch_size: context.session_config().batch_size(),
            room: PairRoom::new(
                MemoryConsumer::new(format!("DiceJoinExec right[{partition}]")).register(context.memory_pool()),
                Arc::clone(context.memory_pool()),
            ),
            metrics,
        };
        Ok(stream::pairs(build, self.right.execute(partition, context)?, probing))
    }
}
