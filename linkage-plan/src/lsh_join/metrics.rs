//! What EXPLAIN ANALYZE shows of an LSH join.

use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, Gauge, MetricBuilder, Time};
use linkage_core::block::lsh::{BandStats, Stage};

use crate::dice_join::metrics::{BUILD_BYTES, EARLY_ABORTS, PAIRS_KEPT};

pub(crate) const CANDIDATES: &str = "candidates";

/// The metrics of the one output partition.
#[derive(Clone, Debug)]
pub(super) struct LshJoinMetrics {
    /// `output_rows` and `elapsed_compute`, as every operator has them.
    pub(super) baseline: BaselineMetrics,
    pub(super) build_rows: Count,
    pub(super) build_bytes: Gauge,
    pub(super) build_time: Time,
    pub(super) solve_time: Time,
    pub(super) sample_time: Time,
    keys_time: Time,
    deal_time: Time,
    blocks_time: Time,
    pub(super) bits: Gauge,
    bands: Count,
    blocks: Count,
    largest_block: Gauge,
    candidates: Count,
    early_aborts: Count,
    pairs_kept: Count,
    pairs_capped: Count,
}

impl LshJoinMetrics {
    pub(super) fn new(set: &ExecutionPlanMetricsSet) -> Self {
        let count = |name: &'static str| MetricBuilder::new(set).counter(name, 0);
        let gauge = |name: &'static str| MetricBuilder::new(set).gauge(name, 0);
        let time = |name: &'static str| MetricBuilder::new(set).subset_time(name, 0);
        Self {
            baseline: BaselineMetrics::new(set, 0),
            build_rows: count("build_rows"),
            build_bytes: gauge(BUILD_BYTES),
            build_time: time("build_time"),
            solve_time: time("solve_time"),
            sample_time: time("sample_time"),
            keys_time: time("keys_time"),
            deal_time: time("deal_time"),
            blocks_time: time("blocks_time"),
            bits: gauge("bits_per_band"),
            bands: count("bands"),
            blocks: count("blocks"),
            largest_block: gauge("largest_block"),
            candidates: count(CANDIDATES),
            early_aborts: count(EARLY_ABORTS),
            pairs_kept: count(PAIRS_KEPT),
            pairs_capped: count("pairs_capped"),
        }
    }

    /// The time of a stage of a band; `None` when there is nothing to measure.
    pub(super) fn stage(&self, stage: Stage) -> Option<&Time> {
        match stage {
            Stage::Keys => Some(&self.keys_time),
            Stage::Deal => Some(&self.deal_time),
            Stage::Blocks => Some(&self.blocks_time),
            _ => None,
        }
    }

    pub(super) fn searched(&self, band: &BandStats) {
        self.bands.add(band.bands as usize);
        self.blocks.add(band.blocks as usize);
        self.largest_block.set_max(band.largest_block as usize);
        self.candidates.add(band.candidates as usize);
        self.early_aborts.add(band.aborted as usize);
        self.pairs_kept.add(band.kept as usize);
        self.pairs_capped.add(band.uncompared as usize);
    }
}
