//! The physical operator.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, Float64Array, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{Distribution, EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::{TryStreamExt, stream};
use linkage_core::block::PairSearch;
use linkage_core::block::certificate::{RecallCertificate, RecallTally, SampleRequest};
use linkage_core::dice::Kernel;

use super::metrics::KeyedMetrics;
use super::node::KeyedSettings;
use super::sides::{Side, Sides};
use crate::dice_join::SCORE;
use crate::dice_join::metrics::{PAIRS_KEPT, total};
use crate::error::PlanError;
use crate::layout::ClkLayout;
use crate::lsh_join::{CANDIDATES, Holding, SideColumns, StopOnDrop, collect_of};
use crate::once::Once;
use crate::sample;
use crate::steps::stopped;
use crate::table::ROW;

/// Pairs that the exact sample is to have: the interval at a completeness of 0.9 is then about 0.04 wide.
const SAMPLE_PAIRS: u64 = 1000;

/// Comparisons that the sample may take, a few seconds of one core; its first 128 rows apart.
const SAMPLE_COMPARED: u64 = 5_000_000_000;

/// The sample on which completeness is measured.
pub(crate) fn sample_request(settings: KeyedSettings) -> SampleRequest {
    let pairs = if settings.sampled { SAMPLE_PAIRS } else { 0 };
    SampleRequest { pairs, most_compared: SAMPLE_COMPARED, seed: settings.seed }
}

/// Those of the pairs that agree in a blocking key whose CLKs reach the threshold, with a measured completeness.
///
/// Segmented CLKs are scored over the segments that both rows have, in the sample as well.
///
/// **What is held.** The CLKs of both sides, at 1024 bits about 140 bytes per row: the pairs themselves carry row numbers
/// only; the sample's pairs, and 4 bytes per left row that count what is found; and after an exact stage, until a side's rows are
/// in their order, the batches in which they came. All of it is reserved from the task's memory pool; nothing is spilled. A side
/// or a sample that does not fit is refused with what it needs.
///
/// **Order.** As many output partitions as the pairs have. The sides are read and the sample is drawn before the first pair,
/// once for all partitions; when that fails, it fails in each.
pub struct KeyedJoinExec {
    /// The pairs, the left side, the right side.
    inputs: [Arc<dyn ExecutionPlan>; 3],
    pairs: [usize; 2],
    columns: [SideColumns; 2],
    layout: ClkLayout,
    settings: KeyedSettings,
    kernel: Kernel,
    threads: usize,
    sides: Once<Sides>,
    /// Of the sides that were read last, for the report.
    read: Arc<Mutex<Option<Arc<Sides>>>>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

/// What keyed blocking left to compare, and how much of what there was it found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyedReport {
    /// Rows of the left side that the exact stage did not match.
    pub left_rows: u64,
    /// Rows of the right side, likewise.
    pub right_rows: u64,
    /// Pairs that agree in a blocking key: those that were compared.
    pub candidates: u64,
    /// Of these, the pairs at or above the threshold.
    pub kept: u64,
    /// The pair completeness: how many of all pairs at or above the threshold were found, measured on a random exact
    /// sample of the same run. None is asked for, so its target is 0.
    pub completeness: RecallCertificate,
}

impl KeyedReport {
    /// The share of all pairs that was not compared.
    pub fn reduction_ratio(&self) -> f64 {
        let all = self.left_rows as f64 * self.right_rows as f64;
        if all == 0.0 { 0.0 } else { 1.0 - self.candidates as f64 / all }
    }
}

impl fmt::Display for KeyedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = &self.completeness;
        write!(
            f,
            "{} candidate pairs, reduction ratio {:.6}, pair completeness {:.4} (95 % interval {:.4} to {:.4}): {} of {} \
             pairs of {} random rows found",
            self.candidates,
            self.reduction_ratio(),
            c.recall,
            c.lower,
            c.upper,
            c.found,
            c.pairs,
            c.rows
        )
    }
}

impl KeyedJoinExec {
    /// A keyed join of pairs (by their columns of left and right row numbers) of two sides, each by its columns.
    ///
    /// # Errors
    /// When the CLK columns are not CLKs of one length and layout.
    pub fn try_new(
        inputs: [Arc<dyn ExecutionPlan>; 3],
        pairs: [usize; 2],
        columns: [SideColumns; 2],
        settings: KeyedSettings,
        kernel: Kernel,
        threads: usize,
    ) -> Result<Self> {
        let (left, right) = (inputs[1].schema(), inputs[2].schema());
        let layout = ClkLayout::of_both(left.field(columns[0].clk), right.field(columns[1].clk))?;
        let schema = Schema::new(vec![
            Field::new(format!("left_{ROW}"), DataType::UInt32, false),
            Field::new(format!("right_{ROW}"), DataType::UInt32, false),
            // Never null, but declared as the function that it stands for.
            Field::new(SCORE, DataType::Float64, true),
        ]);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema)),
            Partitioning::UnknownPartitioning(inputs[0].output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            inputs,
            pairs,
            columns,
            layout,
            settings,
            kernel,
            threads,
            sides: Once::default(),
            read: Arc::default(),
            metrics: ExecutionPlanMetricsSet::new(),
            properties: Arc::new(properties),
        })
    }

    /// The pairs' columns of left and right row numbers.
    pub fn pairs(&self) -> [usize; 2] {
        self.pairs
    }

    /// The columns of the left and the right side.
    pub fn columns(&self) -> [SideColumns; 2] {
        self.columns
    }

    /// Segments of each CLK, over which pairs are scored; 1 when CLKs are composite.
    pub fn segments(&self) -> usize {
        self.layout.segments
    }

    /// What is asked for.
    pub fn settings(&self) -> KeyedSettings {
        self.settings
    }

    /// What was done so far; `None` before the sample is drawn.
    pub fn report(&self) -> Option<KeyedReport> {
        let sides = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let metrics = self.metrics.clone_inner();
        Some(KeyedReport {
            left_rows: sides.left.tokens.rows() as u64,
            right_rows: sides.right.tokens.rows() as u64,
            candidates: total(&metrics, CANDIDATES),
            kept: total(&metrics, PAIRS_KEPT),
            completeness: sides.completeness(),
        })
    }
}

impl fmt::Debug for KeyedJoinExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedJoinExec")
            .field("inputs", &self.inputs)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for KeyedJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyedJoinExec: {}, kernel={}", self.settings, self.kernel.name())?;
        match self.report() {
            Some(report) => write!(f, ", {report}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for KeyedJoinExec {
    fn name(&self) -> &'static str {
        "KeyedJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![
            Distribution::UnspecifiedDistribution,
            Distribution::SinglePartition,
            Distribution::SinglePartition,
        ])
    }

    columns_by_number!();

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok(inputs) = children.try_into() else { return internal_err!("a keyed join has three inputs") };
        Ok(Arc::new(Self::try_new(inputs, self.pairs, self.columns, self.settings, self.kernel, self.threads)?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = KeyedMetrics::new(&self.metrics, partition);
        let pairs = self.inputs[0].execute(partition, Arc::clone(&context))?;
        let (schema, places) = (self.schema(), self.pairs);
        let reading = Reading {
            inputs: [Arc::clone(&self.inputs[1]), Arc::clone(&self.inputs[2])],
            columns: self.columns,
            layout: self.layout,
            settings: self.settings,
            kernel: self.kernel,
            threads: self.threads,
        };
        let (read, metrics_of_reading) = (Arc::clone(&self.read), metrics.clone());
        let sides = self.sides.share(self.inputs[0].output_partitioning().partition_count(), || {
            Ok(async move {
                let sides = Arc::new(reading.sides(context, metrics_of_reading).await?);
                *read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&sides));
                Ok(sides)
            })
        })?;
        let batches = stream::once(async move {
            let sides = sides.await.map_err(DataFusionError::Shared)?;
            Ok::<_, DataFusionError>(pairs.try_filter_map(move |batch| {
                let kept = keep(&batch, places, &sides, &schema, &metrics);
                async move { kept }
            }))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }
}

/// What reading the sides takes.
struct Reading {
    inputs: [Arc<dyn ExecutionPlan>; 2],
    columns: [SideColumns; 2],
    layout: ClkLayout,
    settings: KeyedSettings,
    kernel: Kernel,
    threads: usize,
}

impl Reading {
    async fn sides(self, context: Arc<TaskContext>, metrics: KeyedMetrics) -> Result<Sides> {
        let pool = Arc::clone(context.memory_pool());
        let memory = MemoryConsumer::new("KeyedJoinExec").register(&pool);
        let holding = Holding {
            what: "a side of the keyed join",
            bytes_beside: 0,
            rows: &metrics.build_rows,
            bytes: &metrics.build_bytes,
            time: &metrics.build_time,
        };
        let [left, right] = &self.inputs;
        let input = left.execute(0, Arc::clone(&context))?;
        let left = collect_of(left, input, self.columns[0], self.layout, &memory, pool.as_ref(), &holding).await?;
        let input = right.execute(0, context)?;
        let right = collect_of(right, input, self.columns[1], self.layout, &memory, pool.as_ref(), &holding).await?;
        for input in [&left, &right] {
            let (rows, bytes) = (input.numbers.len(), Side::bytes_for(input.numbers.len(), Side::numbers(input)));
            memory.try_grow(bytes).map_err(|_| {
                let (what, hint) = ("where the rows of the keyed join are", "grant the session more memory");
                PlanError::memory(pool.as_ref(), what, rows, bytes, hint).into_datafusion()
            })?;
            metrics.build_bytes.add(bytes);
        }
        let stop = StopOnDrop::default();
        let dropped: Arc<AtomicBool> = Arc::clone(&stop.0);
        let (settings, kernel, threads) = (self.settings, self.kernel, self.threads);
        let drawn = tokio::task::spawn_blocking(move || {
            let stop = || dropped.load(Ordering::Relaxed);
            let (left, right) = (Side::new(left, &stop)?, Side::new(right, &stop)?);
            let _timer = metrics.sample_time.timer();
            let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let threads = threads.map_err(|e| exec_datafusion_err!("no threads for the exact sample: {e}"))?;
            let request = sample_request(settings);
            let tokens = (&left.tokens, &right.tokens);
            let sample = threads
                .install(|| sample::draw(tokens, settings.threshold, kernel, request, &stop, &memory, pool.as_ref()));
            let sample = sample?.ok_or_else(stopped)?;
            metrics.build_bytes.add(sample.bytes());
            let search = PairSearch::new(kernel, settings.threshold);
            Ok::<_, DataFusionError>(Sides {
                left,
                right,
                search,
                tally: RecallTally::new(sample).into(),
                _memory: memory,
            })
        });
        drawn.await.map_err(|e| exec_datafusion_err!("the exact sample was not drawn: {e}"))?
    }
}

/// Those pairs of a batch that reach the threshold; `None` when there is none.
fn keep(
    batch: &RecordBatch,
    places: [usize; 2],
    sides: &Sides,
    schema: &SchemaRef,
    metrics: &KeyedMetrics,
) -> Result<Option<RecordBatch>> {
    let _timer = metrics.baseline.elapsed_compute().timer();
    let rows = |place| {
        let rows = batch.column(place).as_primitive_opt::<UInt32Type>();
        rows.ok_or_else(|| exec_datafusion_err!("the row numbers are not UInt32"))
    };
    let (left, right) = (rows(places[0])?, rows(places[1])?);
    metrics.candidates.add(batch.num_rows());
    let pairs = left.values().iter().copied().zip(right.values().iter().copied());
    let Some(kept) = sides.keep(pairs) else { return internal_err!("a pair of rows that are not there") };
    metrics.pairs_kept.add(kept.len());
    if kept.is_empty() {
        return Ok(None);
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(kept.iter().map(|pair| pair.left))),
        Arc::new(UInt32Array::from_iter_values(kept.iter().map(|pair| pair.right))),
        Arc::new(Float64Array::from_iter_values(kept.iter().map(|pair| pair.score))),
    ];
    Ok(Some(RecordBatch::try_new(Arc::clone(schema), columns)?.record_output(&metrics.baseline)))
}
