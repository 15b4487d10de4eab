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
    /// Building the filter and counting blocks, without what reading the keys takes.
    pub(super) build_time: Time,
    /// Different keys, and the rows of the most frequent one.
    pub(super) blocks: Count,
    pub(super) largest_block_rows: Gauge,
    /// Looking rows up, and dropping some.
    pub(super) probe_time: Time,
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
            blocks: count("blocks"),
            largest_block_rows: MetricBuilder::new(set).gauge("largest_block_rows", partition),
            probe_time: MetricBuilder::new(set).subset_time("probe_time", partition),
            probed: count(PROBED),
            pruned: count(PRUNED),
            pruned_bytes: count("pruned_bytes"),
        }
    }
}
