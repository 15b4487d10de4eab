//! The physical operator.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, AsArray, FixedSizeBinaryArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, internal_err, plan_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::Distribution;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};

use super::blocks::{Blocks, KEY_BYTES};
use super::filter::KeyFilter;
use super::metrics::BloomMetrics;
use crate::error::PlanError;
use crate::lsh_join::StopOnDrop;
use crate::once::Once;
use crate::steps::go_on;

/// Passes on the rows of `probe` whose key a Bloom filter over `keys` does not rule out.
///
/// The filter is built once, by the partition that comes first, and shared; when that fails, it fails for each. The keys are held while it is built, so that
/// it has the size that fits their number; both are reserved from the task's memory pool. Order and partitions of `probe`
/// stay as they are.
pub struct BloomSemiExec {
    keys: Arc<dyn ExecutionPlan>,
    key: usize,
    probe: Arc<dyn ExecutionPlan>,
    probe_key: usize,
    built: Once<Built>,
    metrics: ExecutionPlanMetricsSet,
}

/// The filter, and the memory that it was granted.
struct Built {
    filter: KeyFilter,
    _memory: MemoryReservation,
}

impl BloomSemiExec {
    /// A semi-join of the column `probe_key` of `probe` with the column `key` of `keys`.
    ///
    /// # Errors
    /// When the columns are not keys of one length.
    pub fn try_new(
        keys: Arc<dyn ExecutionPlan>,
        key: usize,
        probe: Arc<dyn ExecutionPlan>,
        probe_key: usize,
    ) -> Result<Self> {
        let (a, b) = (keys.schema(), probe.schema());
        match (a.field(key).data_type(), b.field(probe_key).data_type()) {
            (DataType::FixedSizeBinary(a), DataType::FixedSizeBinary(b)) if a == b => {}
            _ => return plan_err!("a Bloom semi-join compares keys of one length"),
        }
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { keys, key, probe, probe_key, built: Once::default(), metrics })
    }

    /// The key's column of either input: of the keys, and of the rows that are probed.
    pub fn columns(&self) -> [usize; 2] {
        [self.key, self.probe_key]
    }
}

impl fmt::Debug for BloomSemiExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomSemiExec").field("keys", &self.keys).field("probe", &self.probe).finish_non_exhaustive()
    }
}

impl DisplayAs for BloomSemiExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (keys, probe) = (self.keys.schema(), self.probe.schema());
        write!(f, "BloomSemiExec: {} in {}", probe.field(self.probe_key).name(), keys.field(self.key).name())
    }
}

impl ExecutionPlan for BloomSemiExec {
    fn name(&self) -> &'static str {
        "BloomSemiExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.probe.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.keys, &self.probe]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::UnspecifiedDistribution])
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, true]
    }

    columns_by_number!();

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [keys, probe] = children.as_slice() else { return internal_err!("a Bloom semi-join has two inputs") };
        Ok(Arc::new(Self::try_new(Arc::clone(keys), self.key, Arc::clone(probe), self.probe_key)?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BloomMetrics::new(&self.metrics, partition);
        let probe = self.probe.execute(partition, Arc::clone(&context))?;
        let (keys, key, probe_key) = (Arc::clone(&self.keys), self.key, self.probe_key);
        let built = self.built.share(self.probe.output_partitioning().partition_count(), || {
            Ok(build(keys, key, context, metrics.clone()).map_ok(Arc::new))
        })?;
        let batches = stream::once(async move {
            let built = built.await.map_err(DataFusionError::Shared)?;
            Ok::<_, DataFusionError>(probe.try_filter_map(move |batch| {
                let passed = prune(&batch, probe_key, &built.filter, &metrics);
                async move { passed }
            }))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }
}

/// Reads all keys and builds the filter.
async fn build(
    keys: Arc<dyn ExecutionPlan>,
    key: usize,
    context: Arc<TaskContext>,
    metrics: BloomMetrics,
) -> Result<Built> {
    let pool = Arc::clone(context.memory_pool());
    let memory = MemoryConsumer::new("BloomSemiExec").register(&pool);
    let refused = |rows: usize, needed: usize| {
        let (what, hint) = ("the Bloom filter of a blocking key", "grant the session more memory");
        PlanError::memory(pool.as_ref(), what, rows, needed, hint).into_datafusion()
    };
    let mut input = keys.execute(0, context)?;
    let (mut all, mut rows, mut count) = (Vec::new(), 0, 0);
    while let Some(batch) = input.next().await {
        let column = keys_of(&batch?, key)?.clone();
        let bytes = column.len() * column.value_size();
        memory.try_grow(bytes).map_err(|_| refused(rows + column.len(), memory.size() + bytes))?;
        rows += column.len();
        count += column.len() - column.null_count();
        all.push(column);
        tokio::task::yield_now().await;
    }
    let held = memory.size();
    let bytes = KeyFilter::bytes_for(count);
    memory.try_grow(bytes).map_err(|_| refused(rows, held + bytes))?;
    // No plan is refused for want of what only tells of it.
    let counting = memory.new_empty();
    let counts = counting.try_grow(count * KEY_BYTES).is_ok();
    let stop = StopOnDrop::default();
    let dropped = Arc::clone(&stop.0);
    let building = tokio::task::spawn_blocking(move || {
        let (stop, _counting) = (|| dropped.load(Ordering::Relaxed), counting);
        let _timer = metrics.build_time.timer();
        let mut filter = KeyFilter::with_capacity(count)?;
        for keys in &all {
            go_on(&stop)?;
            filter.insert(keys);
        }
        if counts {
            let blocks = Blocks::count(&all, count, &stop)?;
            metrics.blocks.add(blocks.blocks);
            metrics.largest_block_rows.add(blocks.largest_rows);
        }
        memory.shrink(held);
        metrics.keys.add(count);
        metrics.filter_bytes.add(bytes);
        Ok(Built { filter, _memory: memory })
    });
    let built = building.await;
    drop(stop);
    built.map_err(|_| exec_datafusion_err!("the Bloom filter of a blocking key was not built"))?
}

/// The rows that may have a partner; `None` when there is none.
fn prune(batch: &RecordBatch, key: usize, filter: &KeyFilter, metrics: &BloomMetrics) -> Result<Option<RecordBatch>> {
    let (_timer, _probe_timer) = (metrics.baseline.elapsed_compute().timer(), metrics.probe_time.timer());
    let passes = filter.may_have(keys_of(batch, key)?);
    let (rows, pruned) = (batch.num_rows(), passes.false_count());
    metrics.probed.add(rows);
    metrics.pruned.add(pruned);
    let row_bytes: usize = batch.columns().iter().map(|column| width(column.data_type())).sum();
    metrics.pruned_bytes.add(pruned * row_bytes);
    if pruned == rows {
        return Ok(None);
    }
    let passed = if pruned == 0 { batch.clone() } else { filter_record_batch(batch, &passes)? };
    Ok(Some(passed.record_output(&metrics.baseline)))
}

fn keys_of(batch: &RecordBatch, column: usize) -> Result<&FixedSizeBinaryArray> {
    let keys = batch.column(column).as_fixed_size_binary_opt();
    keys.ok_or_else(|| exec_datafusion_err!("the key column is not FixedSizeBinary"))
}

/// The bytes of a value of fixed width; 0 for others.
fn width(data_type: &DataType) -> usize {
    match data_type {
        DataType::FixedSizeBinary(bytes) => *bytes as usize,
        other => other.primitive_width().unwrap_or(0),
    }
}
