//! What EXPLAIN ANALYZE shows of a Dice join.

use datafusion::physical_plan::metrics::{
    BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, MetricValue, MetricsSet, Time,
};
use linkage_core::dice::SearchStats;

pub(crate) const PAIRS_COMPARED: &str = "pairs_compared";
pub(crate) const PAIRS_KEPT: &str = "pairs_kept";
pub(crate) const EARLY_ABORTS: &str = "early_aborts";
pub(crate) const BUILD_BYTES: &str = "build_bytes";

/// The metrics of one output partition.
#[derive(Clone, Debug)]
pub(crate) struct DiceJoinMetrics {
    /// `output_rows` and `elapsed_compute`, as every operator has them.
    pub(crate) baseline: BaselineMetrics,
    pub(crate) build_batches: Count,
    pub(crate) build_rows: Count,
    pub(crate) build_bytes: Gauge,
    pub(crate) build_time: Time,
    pub(crate) probe_batches: Count,
    pub(crate) probe_rows: Count,
    /// Comparing, without what writing out the pairs takes.
    pub(crate) probe_time: Time,
    pub(crate) pairs_kept: Count,
    pairs_compared: Count,
    early_aborts: Count,
}

impl DiceJoinMetrics {
    pub(crate) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        Self {
            baseline: BaselineMetrics::new(set, partition),
            build_batches: MetricBuilder::new(set).counter("build_batches", partition),
            build_rows: MetricBuilder::new(set).counter("build_rows", partition),
            build_bytes: MetricBuilder::new(set).gauge(BUILD_BYTES, partition),
            build_time: MetricBuilder::new(set).subset_time("build_time", partition),
            probe_batches: MetricBuilder::new(set).counter("probe_batches", partition),
            probe_rows: MetricBuilder::new(set).counter("probe_rows", partition),
            probe_time: MetricBuilder::new(set).subset_time("probe_time", partition),
            pairs_compared: MetricBuilder::new(set).counter(PAIRS_COMPARED, partition),
            pairs_kept: MetricBuilder::new(set).counter(PAIRS_KEPT, partition),
            early_aborts: MetricBuilder::new(set).counter(EARLY_ABORTS, partition),
        }
    }

    pub(crate) fn searched(&self, stats: SearchStats) {
        self.pairs_compared.add(stats.compared as usize);
        self.early_aborts.add(stats.aborted as usize);
    }
}

/// The sum of a metric over all partitions; 0 as long as none has reported it.
pub(crate) fn total(metrics: &MetricsSet, name: &str) -> u64 {
    metrics.sum_by_name(name).as_ref().map_or(0, MetricValue::as_usize) as u64
}
