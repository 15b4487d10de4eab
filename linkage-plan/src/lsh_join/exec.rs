//! The physical operator.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties, ReplaceChildrenOptions,
};
use futures::TryStreamExt;
use linkage_core::block::lsh::LshJoin;
use linkage_core::dice::Kernel;

use super::inputs::{Holding, Input, collect_of};
use super::metrics::LshJoinMetrics;
use super::run::{BandPart, LshReport, LshSettings, Run};
use super::stream::{self, StopOnDrop};
use crate::dice_join::SCORE;
use crate::layout::ClkLayout;
use crate::note::noted_schema;
use crate::table::ROW;

/// Batches that wait to be taken: a search that runs ahead holds pairs that nobody has asked for.
const WAITING_BATCHES: usize = 4;

/// Where an input has what is needed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideColumns {
    /// The CLKs.
    pub clk: usize,
    /// The rows' numbers.
    pub row: usize,
}

/// Nearly every pair of left and right rows whose CLKs reach the threshold, by Hamming LSH, with a measured recall.
///
/// Bits per band and the number of bands are solved from the data when they are there; see
/// [`LshPlan::solve`](linkage_core::block::lsh::LshPlan::solve). An exact sample is drawn before the first band, so that
/// [`report`](Self::report) has a certificate at any time; the bands end by the rule of
/// [`CertifiedSearch`](linkage_core::block::lsh::CertifiedSearch).
///
/// **What is held.** Both inputs, whole: at 1024 bits 144 bytes per row, CLK included; the sample's pairs, and 4 bytes per left row
/// that count what is found; the pairs of one band, twice while they are put together; and after an exact stage, until a side's
/// rows are in their order, the batches in which they came.
///
/// **Out of memory.** All of it is reserved from the task's memory pool before it is taken; nothing is spilled. An input
/// or a sample that does not fit is refused with what it needs.
///
/// **Order and cancelling.** One output partition; pairs come band by band. The search runs on as many threads as the
/// session has partitions, apart from the runtime's. When the stream is dropped they stop within some ten thousand rows, or
/// some millions of comparisons.
pub struct LshJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    columns: [SideColumns; 2],
    layout: ClkLayout,
    settings: LshSettings,
    part: Option<BandPart>,
    kernel: Kernel,
    threads: usize,
    report: Arc<Mutex<Option<LshReport>>>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

impl LshJoinExec {
    /// An LSH join of two inputs, each by its columns, on so many threads.
    ///
    /// # Errors
    /// When the CLK columns are not CLKs of one length, or have segments: bands sample bits of whole CLKs, and what they
    /// find would not be what the score over shared segments asks for.
    pub fn try_new(
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        columns: [SideColumns; 2],
        settings: LshSettings,
        kernel: Kernel,
        threads: usize,
    ) -> Result<Self> {
        let (left_schema, right_schema) = (left.schema(), right.schema());
        let layout = ClkLayout::of_both(left_schema.field(columns[0].clk), right_schema.field(columns[1].clk))?;
        if layout.segments > 1 {
            return plan_err!("an LSH join compares composite CLKs, and these have {} segments", layout.segments);
        }
        let schema = Schema::new(vec![
            Field::new(format!("left_{ROW}"), DataType::UInt32, false),
            Field::new(format!("right_{ROW}"), DataType::UInt32, false),
            // Never null, but declared as the function that it stands for.
            Field::new(SCORE, DataType::Float64, true),
        ]);
        Ok(Self {
            left,
            right,
            columns,
            layout,
            settings,
            part: None,
            kernel,
            threads,
            report: Arc::default(),
            metrics: ExecutionPlanMetricsSet::new(),
            properties: properties(Arc::new(schema)),
        })
    }

    /// The same search as a work unit: some bands of a plan that somebody else has solved, who certifies what all of them
    /// find. The output has a fourth column, with what each band has counted after its pairs.
    #[must_use]
    pub fn with_part(self, part: BandPart) -> Self {
        Self { part: Some(part), properties: properties(noted_schema()), ..self }
    }

    /// The bands of a work unit; `None` for a search of its own.
    pub fn part(&self) -> Option<BandPart> {
        self.part
    }

    /// The columns of the left and the right input.
    pub fn columns(&self) -> [SideColumns; 2] {
        self.columns
    }

    /// Segments of each CLK: 1, for bands go with no other.
    pub fn segments(&self) -> usize {
        self.layout.segments
    }

    /// What is asked for.
    pub fn settings(&self) -> LshSettings {
        self.settings
    }

    /// What was done so far; `None` before the first band is through.
    pub fn report(&self) -> Option<LshReport> {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn properties(schema: SchemaRef) -> Arc<PlanProperties> {
    let properties = PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(1),
        EmissionType::Incremental,
        Boundedness::Bounded,
    );
    Arc::new(properties.with_scheduling_type(SchedulingType::Cooperative))
}

impl fmt::Debug for LshJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LshJoinExec")
            .field("left", &self.left)
            .field("right", &self.right)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for LshJoinExec {
    /// Bits and bands are known when the data are: a plan that has run shows them.
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LshJoinExec: {}, kernel={}", self.settings, self.kernel.name())?;
        if let Some(BandPart { bits, first, end }) = self.part {
            write!(f, ", bands {first} to {end} of {bits} bits")?;
        }
        match self.report() {
            Some(report) => write!(f, ", {}, {report}", report.plan),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for LshJoinExec {
    fn name(&self) -> &'static str {
        "LshJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::SinglePartition])
    }

    columns_by_number!();

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [left, right] = children.as_slice() else { return internal_err!("an LSH join has two inputs") };
        let (left, right) = (Arc::clone(left), Arc::clone(right));
        let join = Self::try_new(left, right, self.columns, self.settings, self.kernel, self.threads)?;
        Ok(Arc::new(match self.part {
            Some(part) => join.with_part(part),
            None => join,
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("an LSH join has one partition");
        }
        let metrics = LshJoinMetrics::new(&self.metrics);
        let memory = MemoryConsumer::new("LshJoinExec").register(context.memory_pool());
        let pool = Arc::clone(context.memory_pool());
        let inputs = [self.left.execute(0, Arc::clone(&context))?, self.right.execute(0, Arc::clone(&context))?];
        let (columns, layout) = (self.columns, self.layout);
        let [left_plan, right_plan] = [Arc::clone(&self.left), Arc::clone(&self.right)];
        let (out, pairs) = tokio::sync::mpsc::channel(WAITING_BATCHES);
        let stop = StopOnDrop::default();
        let slot = Arc::clone(&self.report);
        let run = Run {
            settings: self.settings,
            part: self.part,
            kernel: self.kernel,
            threads: self.threads,
            schema: self.schema(),
            batch_size: context.session_config().batch_size(),
            metrics: metrics.clone(),
            stop: Arc::clone(&stop.0),
            report: Arc::new(move |report| *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(report)),
            out,
            memory,
            pool: Arc::clone(&pool),
        };
        let batches = futures::stream::once(async move {
            let [left, right] = inputs;
            let holding = Holding {
                what: "a side of the LSH join",
                bytes_beside: LshJoin::bytes_for(1 << 10, 0).div_ceil(1 << 10),
                rows: &metrics.build_rows,
                bytes: &metrics.build_bytes,
                time: &metrics.build_time,
            };
            let left: Input =
                collect_of(&left_plan, left, columns[0], layout, &run.memory, pool.as_ref(), &holding).await?;
            let right: Input =
                collect_of(&right_plan, right, columns[1], layout, &run.memory, pool.as_ref(), &holding).await?;
            let search = tokio::task::spawn_blocking(move || run.search(&left, &right));
            Ok::<_, DataFusionError>(stream::batches(pairs, search, stop))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }
}
