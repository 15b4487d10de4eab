//! How the Dice stage finds its pairs, and who decides.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::{Column, TableReference};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::logical_expr::{Extension, LogicalPlan, col};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::prelude::{DataFrame, SessionContext};
use linkage_core::dice::DiceThreshold;

use super::LinkOptions;
use super::keyed;
use super::plan::{Stages, plan, stages, whole};
use super::reach::out_of_reach;
use crate::dice_join::SCORE;
use crate::error::PlanError;
use crate::layout::ClkLayout;
use crate::lsh_join::{LshJoinNode, LshSettings};
use crate::table::{CLK, ROW};

/// What EXPLAIN says of the Dice stage when nobody asked for anything else.
pub(crate) const ALL_PAIRS: &str = "Dice stage: all pairs of the rows that the exact stage did not match";

/// Pairs that one core compares per second, low: AVX-512 without early abort (benches/record).
const PAIRS_PER_SECOND: f64 = 1.2e9;

/// Up to how many seconds all pairs are compared without asking whether bands would be quicker.
const PATIENCE_SECONDS: f64 = 60.0;

/// What bands hold per row beside its CLK, and per row of both sides: see `LshJoinExec`.
const BAND_BYTES: f64 = 17.0;

/// How the Dice stage finds its pairs.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// Compares all pairs. Everything above the threshold is found, by construction.
    #[default]
    Exhaustive,
    /// Compares pairs that agree in a band of bits. The recall is certified on an exact sample of the same run.
    Lsh {
        /// The share of the pairs above the threshold that must be found, above 0 and below 1.
        recall: f64,
        /// What bits and sampled rows are drawn from. The same seed gives the same pairs.
        seed: u64,
    },
    /// Compares pairs that agree in a blocking key, which the custodians made. How complete that is, is measured on an
    /// exact sample of the same run; nothing is promised.
    Keyed {
        /// The keys, by name, in the order in which they are tried; their columns are `block_<name>`. None: all that both
        /// tables have.
        keys: Vec<String>,
        /// What sampled rows are drawn from.
        seed: u64,
    },
    /// Compares all pairs when that takes a minute, the recall is to be 1, CLKs have segments or bands cannot find so much in
    /// these tokens, and else by bands.
    Auto {
        /// The share of the pairs above the threshold that must be found, above 0 and at most 1.
        recall: f64,
        /// As of `Lsh`.
        seed: u64,
    },
}

/// A plan and the reason for it.
pub(crate) struct Choice {
    pub(crate) plan: LogicalPlan,
    /// One line.
    pub(crate) why: String,
}

/// The strategy asked for, or the one that sizes, memory and the recall asked for speak for; never `Auto`. And why.
pub(crate) async fn settle(
    context: &SessionContext,
    left: &str,
    right: &str,
    threshold: DiceThreshold,
    strategy: Strategy,
) -> Result<(Strategy, String), PlanError> {
    let why = match strategy {
        Strategy::Exhaustive => "all pairs, as asked for",
        Strategy::Keyed { .. } => "blocking keys, as asked for",
        Strategy::Lsh { .. } => "bands, as asked for",
        Strategy::Auto { recall, seed } => {
            let (bands, why) = Sizes::of(context, left, right).await?.weigh(recall);
            if !bands {
                return Ok((Strategy::Exhaustive, why));
            }
            return Ok(match out_of_reach(context, (left, right), threshold, recall, seed).await? {
                Some(problem) => (Strategy::Exhaustive, format!("exhaustive, because {problem}")),
                None => (Strategy::Lsh { recall, seed }, why),
            });
        }
    };
    Ok((strategy, why.to_owned()))
}

/// What bands of these rows are asked for.
pub(crate) fn lsh_settings(
    names: (&str, &str),
    left: &DataFrame,
    threshold: DiceThreshold,
    recall: f64,
    seed: u64,
) -> Result<LshSettings, PlanError> {
    let layout = ClkLayout::of(left.schema().field_with_unqualified_name(CLK)?)?;
    if layout.segments > 1 {
        return Err(PlanError::Link {
            left: names.0.into(),
            right: names.1.into(),
            problem: format!("bands need composite CLKs, and these have {} segments", layout.segments),
            hint: "compare all pairs, or use blocking keys made at the custodian",
        });
    }
    LshSettings::new(threshold, recall, seed)
}

/// Plans a link by the strategy asked for, or by the one that sizes, memory and the recall asked for speak for.
pub(crate) async fn choose(
    context: &SessionContext,
    left: &str,
    right: &str,
    options: &LinkOptions,
    strategy: Strategy,
) -> Result<Choice, PlanError> {
    let (strategy, why) = settle(context, left, right, options.threshold, strategy).await?;
    let (recall, seed) = match strategy {
        Strategy::Lsh { recall, seed } => (recall, seed),
        Strategy::Keyed { keys, seed } => {
            let sizes = Sizes::of(context, left, right).await?;
            let right_builds = sizes.rows.1 < sizes.rows.0;
            let (plan, stage) = keyed::plan(context, (left, right), options, &keys, seed, right_builds).await?;
            return Ok(Choice { plan, why: format!("{stage}\nstrategy: {why}") });
        }
        Strategy::Exhaustive | Strategy::Auto { .. } => {
            let plan = plan(context, left, right, options).await?;
            return Ok(Choice { plan, why: format!("{ALL_PAIRS}\nstrategy: {why}") });
        }
    };
    let names = (left, right);
    let Stages { exact, rivals, left, right } = stages(context, left, right, options).await?;
    let settings = lsh_settings(names, &left, options.threshold, recall, seed)?;
    let columns = |side: &str| [CLK, ROW].map(|column| Column::new(Some(TableReference::bare(side)), column));
    let node = LshJoinNode::try_new(
        left.into_unoptimized_plan(),
        right.into_unoptimized_plan(),
        columns("l"),
        columns("r"),
        settings,
    )?;
    let similar = DataFrame::new(context.state(), LogicalPlan::Extension(Extension { node: Arc::new(node) }));
    let columns = ["left_row", "right_row"].map(col);
    let similar = similar.select(columns.into_iter().chain([col(SCORE).alias("score")]))?;
    let plan = whole(exact, rivals, similar, options)?;
    let stage = "Dice stage: pairs that agree in a band, of the rows that the exact stage did not match";
    Ok(Choice { plan, why: format!("{stage}\nstrategy: {why}") })
}

/// What speaks for one strategy or the other.
struct Sizes {
    rows: (f64, f64),
    clk_bytes: f64,
    segments: usize,
    cores: f64,
    free_bytes: f64,
}

impl Sizes {
    async fn of(context: &SessionContext, left: &str, right: &str) -> Result<Self, PlanError> {
        let (mut clk_bytes, mut segments) = (0.0, 1);
        let mut rows = [f64::INFINITY; 2];
        for (name, rows) in [left, right].into_iter().zip(&mut rows) {
            let table = TableReference::bare(name);
            if !context.table_exist(table.clone())? {
                // The plan says so better.
                continue;
            }
            let scan = context.table(table).await?.create_physical_plan().await?;
            if let Ok(layout) = scan.schema().field_with_name(CLK).map(ClkLayout::of) {
                let layout = layout?;
                (clk_bytes, segments) = (layout.bytes as f64, layout.segments);
            }
            let statistics = StatisticsContext::new().compute(scan.as_ref(), &StatisticsArgs::new())?;
            if let Precision::Exact(counted) | Precision::Inexact(counted) = statistics.num_rows {
                *rows = counted as f64;
            }
        }
        let pool = &context.runtime_env().memory_pool;
        let free_bytes = match pool.memory_limit() {
            MemoryLimit::Finite(limit) => limit.saturating_sub(pool.reserved()) as f64,
            MemoryLimit::Infinite | MemoryLimit::Unknown => f64::INFINITY,
        };
        let cores = context.state().config().target_partitions() as f64;
        Ok(Self { rows: (rows[0], rows[1]), clk_bytes, segments, cores, free_bytes })
    }

    /// Whether bands are the better choice for this recall, and why.
    fn weigh(&self, recall: f64) -> (bool, String) {
        let pairs = self.rows.0 * self.rows.1;
        // The work grows with the length of a CLK; the rate is that of 1024 bits.
        let seconds = pairs / (PAIRS_PER_SECOND * self.cores) * (self.clk_bytes / 128.0).max(0.1);
        let bytes = (self.rows.0 + self.rows.1) * (self.clk_bytes + BAND_BYTES);
        let rate = format!("{pairs:.1e} pairs take about {} at {PAIRS_PER_SECOND:.1e} pairs/s and core", Span(seconds));
        if self.segments > 1 {
            (false, format!("exhaustive, because bands do not go with CLKs of {} segments; {rate}", self.segments))
        } else if recall >= 1.0 {
            (false, format!("exhaustive, because every pair is asked for; {rate}"))
        } else if seconds <= PATIENCE_SECONDS {
            (false, format!("exhaustive, because {rate}"))
        } else if bytes > self.free_bytes {
            let (needed, free) = (bytes / f64::from(1 << 30), self.free_bytes / f64::from(1 << 30));
            (false, format!("exhaustive, because bands would hold {needed:.1} GiB and {free:.1} GiB are free; {rate}"))
        } else {
            (true, format!("bands, because {rate}, and a recall of {recall} is enough"))
        }
    }
}

/// Seconds as a person says them.
struct Span(f64);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            seconds if seconds < 120.0 => write!(f, "{seconds:.1} s"),
            seconds if seconds < 7200.0 => write!(f, "{:.0} min", seconds / 60.0),
            seconds => write!(f, "{:.1} h", seconds / 3600.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_memory_and_the_recall_decide() {
        let sizes = |rows: f64, free_bytes: f64| Sizes {
            rows: (rows, rows),
            clk_bytes: 128.0,
            segments: 1,
            cores: 2.0,
            free_bytes,
        };
        let (large, plenty) = (sizes(2e7, 2e10), 2e10);
        for (sizes, recall, bands, reason) in [
            (
                &sizes(5e4, plenty),
                0.99,
                false,
                "exhaustive, because 2.5e9 pairs take about 1.0 s at 1.2e9 pairs/s and core",
            ),
            (&large, 0.99, true, "bands, because 4.0e14 pairs take about 46.3 h"),
            (&large, 1.0, false, "exhaustive, because every pair is asked for; 4.0e14"),
            (&sizes(2e7, 1e9), 0.99, false, "exhaustive, because bands would hold 5.4 GiB and 0.9 GiB are free"),
            (
                &Sizes { segments: 8, ..sizes(2e7, plenty) },
                0.99,
                false,
                "exhaustive, because bands do not go with CLKs of 8 segments; 4.0e14",
            ),
        ] {
            let (chosen, why) = sizes.weigh(recall);
            assert!(chosen == bands && why.starts_with(reason), "{why}");
        }
    }
}
