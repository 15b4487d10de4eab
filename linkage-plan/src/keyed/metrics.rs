//! What EXPLAIN ANALYZE shows of a keyed join.

use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, Time};

use crate::dice_join::metrics::{BUILD_BYTES, PAIRS_KEPT};
use crate::lsh_join::CANDIDATES;

/// The metrics of one output partition.
#[derive(Clone, Debug)]
pub(super) struct KeyedMetrics {
    /// `output_rows` and `elapsed_compute`, as every operator has them.
    pub(super) baseline: BaselineMetrics,
    pub(super) build_rows: Count,
    pub(super) build_bytes: Gauge,
    pub(super) build_time: Time,
    pub(super) sample_time: Time,
    pub(super) candidates: Count,
    pub(super) pairs_kept: Count,
}

impl KeyedMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let count = |name: &'static str| MetricBuilder::new(set).counter(name, partition);
        let time = |name: &'static str| MetricBuilder::new(set).subset_time(name, partition);
        Self {
            baseline: BaselineMetrics::new(set, partition),
            build_rows: count("build_rows"),
            build_bytes: MetricBuilder::new(set).gauge(BUILD_BYTES, partition),
            build_time: time("build_time"),
            sample_time: time("sample_time"),
            candidates: count(CANDIDATES),
            pairs_kept: count(PAIRS_KEPT),
        }
    }
}
