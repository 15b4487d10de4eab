//! What the Dice stage does on workers: which units there are, and what each of them runs.

use std::ops::Range;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::{JoinType, lit};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::prelude::{DataFrame, SessionContext};
use linkage_core::block::lsh::LshPlan;
use linkage_core::dice::{DiceThreshold, Kernel};

use super::objects::ChunkKey;
use super::scan::{SharedScanExec, SharedTable, deal};
use super::unit_exec::{UnitExec, UnitTable};
use super::units::{Unit, bands, units};
use crate::error::PlanError;
use crate::keyed::KeyedSettings;
use crate::link::{self, LinkOptions};
use crate::lsh_join::{BandPart, LshJoinExec, LshSettings, SideColumns};

/// Units that every worker is to get, so that the last ones are not waited for long.
const UNITS_PER_WORKER: usize = 4;

/// How units find their pairs.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    /// Some rows of the left table against some of the right one, all pairs; of each left row the best ones only, if so asked.
    AllPairs { threshold: DiceThreshold, best: Option<u32> },
    /// Some rows of the left table against the whole right one, by blocking keys.
    Keyed { settings: KeyedSettings, columns: Vec<String>, best: Option<u32> },
    /// As `AllPairs`, and of the pairs those that agree in no exact token: the rivals of exact pairs.
    Rivals { options: LinkOptions, columns: Vec<String> },
    /// Some bands, of both tables whole. Which, says a plan that is solved when the rows are there.
    Bands { settings: LshSettings, plan: Option<LshPlan>, best: Option<u32> },
}

/// Both tables as workers read them.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub(super) left: SharedTable,
    pub(super) right: SharedTable,
}

impl Tables {
    /// So many rows of both sides' chunks.
    pub(super) fn pairs(&self, unit: &Unit) -> u64 {
        let rows = |table: &SharedTable, chunks: &Range<usize>| {
            table.chunks[chunks.clone()].iter().map(|chunk| chunk.rows as u64).sum::<u64>()
        };
        rows(&self.left, &unit.left) * rows(&self.right, &unit.right)
    }

    fn frames(&self, context: &SessionContext, unit: &Unit) -> Result<(DataFrame, DataFrame)> {
        let side = |table: &SharedTable, chunks: &Range<usize>| {
            let chunks = table.chunks[chunks.clone()].to_vec();
            context.read_table(Arc::new(SharedTable { chunks, ..table.clone() }))
        };
        Ok((side(&self.left, &unit.left)?.alias("l")?, side(&self.right, &unit.right)?.alias("r")?))
    }
}

impl Stage {
    /// The columns that it reads beside row and CLK.
    pub(super) fn columns(&self) -> &[String] {
        match self {
            Self::Keyed { columns, .. } | Self::Rivals { columns, .. } => columns,
            Self::AllPairs { .. } | Self::Bands { .. } => &[],
        }
    }

    /// How many pairs of each left row are wanted, if not all.
    pub(super) fn best(&self) -> Option<u32> {
        match self {
            Self::AllPairs { best, .. } | Self::Keyed { best, .. } | Self::Bands { best, .. } => *best,
            Self::Rivals { .. } => None,
        }
    }

    /// Whether a unit hands on notes of what it has counted.
    pub(super) fn is_noted(&self) -> bool {
        !matches!(self, Self::AllPairs { best: None, .. } | Self::Rivals { .. })
    }

    /// All units; `wanted` chunks of either side make one of the wanted size.
    pub(super) fn units(&self, tables: &Tables, wanted: usize, workers: usize) -> Vec<Unit> {
        let (left, right) = (tables.left.chunks.len(), tables.right.chunks.len());
        let enough = (UNITS_PER_WORKER * workers).max(1);
        match self {
            Self::AllPairs { .. } | Self::Rivals { .. } => {
                // Few enough chunks that every worker gets several units.
                let least = ((left * right) as f64 / enough as f64).sqrt().floor().max(1.0) as usize;
                units(left, right, wanted.min(least), wanted.min(least))
            }
            // What a unit reads of the right side does not shrink with it, so there are no more units than are useful.
            Self::Keyed { .. } => units(left, right, left.div_ceil(enough), right),
            Self::Bands { plan, .. } if left > 0 && right > 0 => {
                let all = plan.as_ref().map_or(0, LshPlan::bands);
                bands(all, all.div_ceil(2 * enough as u32), left, right)
            }
            Self::Bands { .. } => Vec::new(),
        }
    }

    /// What a unit is, for people; `rows` are the most of either side in one that compares all pairs.
    pub(super) fn unit_name(&self, rows: usize) -> String {
        match self {
            Self::AllPairs { .. } => format!("a work unit of at most {rows} left and {rows} right rows"),
            Self::Rivals { .. } => format!("a work unit of at most {rows} x {rows} rows, which counts conflicts,"),
            Self::Keyed { .. } => "a work unit of some left rows and all right ones".to_owned(),
            Self::Bands { .. } => "a work unit of some bands of all rows".to_owned(),
        }
    }

    /// The plan of a unit of these sides, without rows.
    pub(super) async fn preview(
        &self,
        local: &SessionContext,
        [left, right]: [DataFrame; 2],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = |side: DataFrame, name| -> Result<SharedTable> {
            let schema = Arc::new(link::rows_with(side, name, self.columns())?.schema().as_arrow().clone());
            Ok(SharedTable { schema, chunks: Vec::new(), key: ChunkKey::draw()? })
        };
        let tables = Tables { left: table(left, "l")?, right: table(right, "r")? };
        let unit = Unit { number: 0, left: 0..0, right: 0..0, bands: 0..0, failed: Vec::new() };
        self.within(local, &tables, &unit).await
    }

    /// What a worker is sent, as planned by a session on workers.
    pub(super) async fn plan(
        &self,
        local: &SessionContext,
        remote: &SessionContext,
        tables: &Tables,
        unit: &Unit,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.is_noted() {
            // The engine splits a Dice join between its tasks.
            return self.within(remote, tables, unit).await;
        }
        let plan = self.within(local, tables, unit).await?;
        remote.read_table(Arc::new(UnitTable(Arc::new(UnitExec::new(Some(plan))))))?.create_physical_plan().await
    }

    /// What a unit runs, as planned by a session: by one that is not distributed, as one process would run it.
    pub(super) async fn within(
        &self,
        context: &SessionContext,
        tables: &Tables,
        unit: &Unit,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let similar = match self {
            Self::AllPairs { threshold, best } => {
                let (left, right) = tables.frames(context, unit)?;
                let similar = left.join_on(right, JoinType::Inner, [link::similar(*threshold)])?;
                let similar = link::candidates(similar)?;
                match best {
                    Some(pairs) => link::best(similar, *pairs)?,
                    None => similar.with_column("exact", lit(false))?,
                }
            }
            Self::Rivals { options, .. } => {
                let (left, right) = tables.frames(context, unit)?;
                link::rival_pairs(left, right, options)?
            }
            Self::Keyed { settings, columns, .. } => {
                let (left, right) = tables.frames(context, unit)?;
                // The left side is the smaller one in all but the smallest links.
                let similar = link::keyed_similar(context, (&left, &right), columns, *settings, false);
                similar.map_err(PlanError::into_datafusion)?
            }
            Self::Bands { settings, plan, .. } => {
                let bits = plan.as_ref().map_or(0, LshPlan::bits);
                let part = BandPart { bits, first: unit.bands.start, end: unit.bands.end };
                return bands_of(context, tables, *settings, part);
            }
        };
        similar.create_physical_plan().await
    }
}

fn bands_of(
    local: &SessionContext,
    tables: &Tables,
    settings: LshSettings,
    part: BandPart,
) -> Result<Arc<dyn ExecutionPlan>> {
    let threads = local.state().config().target_partitions();
    let side = |table: &SharedTable| -> Result<Arc<dyn ExecutionPlan>> {
        let scan = Arc::new(SharedScanExec::try_new(table, vec![0, 1], deal(&table.chunks, threads))?);
        Ok(Arc::new(CoalescePartitionsExec::new(scan)))
    };
    let kernel = Kernel::detect().map_err(|error| PlanError::from(error).into_datafusion())?;
    let columns = [SideColumns { row: 0, clk: 1 }; 2];
    let join = LshJoinExec::try_new(side(&tables.left)?, side(&tables.right)?, columns, settings, kernel, threads)?;
    Ok(Arc::new(join.with_part(part)))
}
