//! What EXPLAIN ANALYZE shows of a Dice join within blocks.

use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder};

use crate::dice_join::metrics::DiceJoinMetrics;

/// The metrics of one output partition: those of a Dice join, and the blocks.
#[derive(Clone, Debug)]
pub(super) struct BlockedMetrics {
    pub(super) join: DiceJoinMetrics,
    /// Distinct keys of the left side.
    pub(super) blocks: Count,
    /// Left rows of the largest block of all partitions, which share it: what is in each would be added up.
    pub(super) largest_block_rows: Gauge,
}

impl BlockedMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet, partition: usize, largest_block_rows: Gauge) -> Self {
        Self {
            join: DiceJoinMetrics::new(set, partition),
            blocks: MetricBuilder::new(set).counter("blocks", partition),
            largest_block_rows,
        }
    }

    /// The one gauge of an operator's partitions.
    pub(super) fn largest_block_rows(set: &ExecutionPlanMetricsSet) -> Gauge {
        MetricBuilder::new(set).gauge("largest_block_rows", 0)
    }
}
