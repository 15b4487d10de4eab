//! What EXPLAIN ANALYZE shows of a Bloom semi-join.

use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, Time};

pub(crate) const PROBED: &str = "probed";
pub(crate) const PRUNED: &str = "pruned";
pub(crate) const FILTER_BYTES: &str = "filter_bytes";

/// The metrics of one output partition.
#[derive(Clone, Debug)]
pub(super) struct BloomMetrics {
    pub(super) baseline: BaselineMetrics,
    /// Keys in the filter.
    pub(super) keys: Count,
    pub(super) filter_bytes: Gauge,
    pub(super) build_time: Time,
    /// Rows looked up.
    pub(super) probed: Count,
    /// Of these, the rows dropped.
    pub(super) pruned: Count,
    /// What the rows dropped would have taken on their way.
    pub(super) pruned_bytes: Count,
}

impl BloomMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let count = |name: &'static str| MetricBuilder::new(set).counter(name, partition);
        Self {
            baseline: BaselineMetrics::new(set, partition),
            keys: count("keys"),
            filter_bytes: MetricBuilder::new(set).gauge(FILTER_BYTES, partition),
            build_time: MetricBuilder::new(set).subset_time("build_time", partition),
            probed: count(PROBED),
            pruned: count(PRUNED),
            pruned_bytes: count("pruned_bytes"),
        }
    }
}
