//! Whether bands can find what is asked for, told by some rows of both tables before a strategy is chosen.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use datafusion::common::{TableReference, exec_datafusion_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use linkage_core::block::TokenRows;
use linkage_core::block::lsh::{LshDemand, LshError, LshPlan, MAX_BANDS};
use linkage_core::dice::DiceThreshold;

use crate::error::PlanError;
use crate::layout::{ClkLayout, clks, for_each};
use crate::lsh_join::StopOnDrop;
use crate::table::CLK;

/// Rows of either table that are looked at: as many as the solver looks at of the whole. A token file's rows are in the order of
/// their refs, so the first ones are as good as any.
const ROWS: usize = 65_536;

/// Why bands cannot find so much of the pairs in these tables, in a line; `None` when they can.
///
/// After an exact stage bands have other rows than these, and may refuse where this does not.
pub(super) async fn out_of_reach(
    context: &SessionContext,
    tables: (&str, &str),
    threshold: DiceThreshold,
    recall: f64,
    seed: u64,
) -> Result<Option<String>, PlanError> {
    let memory =
        MemoryConsumer::new("rows that tell what bands can reach").register(&context.runtime_env().memory_pool);
    let mut sides = Vec::with_capacity(2);
    for name in [tables.0, tables.1] {
        let rows = context.table(TableReference::bare(name)).await?.select_columns(&[CLK])?.limit(0, Some(ROWS))?;
        let mut batches = rows.execute_stream().await?;
        let layout = ClkLayout::of(batches.schema().field(0))?;
        let mut tokens: TokenRows = layout.rows(0)?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            memory.try_grow(batch.num_rows() * layout.bytes)?;
            tokens.reserve(batch.num_rows());
            for_each(clks(&batch, 0)?, |clk| tokens.push(clk))?;
        }
        sides.push(tokens);
    }
    let demand = LshDemand { threshold, recall, most_bands: MAX_BANDS, seed };
    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    let solving = tokio::task::spawn_blocking(move || {
        LshPlan::solve(&sides[0], &sides[1], &demand, &|| stopped.load(Ordering::Relaxed))
    });
    let solved = solving.await.map_err(|error| exec_datafusion_err!("the bands were not solved: {error}"))?;
    drop(stop);
    match solved {
        // Without rows there is nothing to find.
        Ok(_) | Err(LshError::Empty) => Ok(None),
        Err(error @ LshError::OutOfReach { .. }) => Ok(error.to_string().lines().next().map(str::to_owned)),
        Err(error) => Err(PlanError::Lsh(error)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch};
    use datafusion::datasource::MemTable;
    use tokio::runtime::Runtime;

    use super::*;

    /// A session with two tables of tokens, each word of which is drawn `and` times, so that fewer bits are set.
    fn session(and: u32) -> SessionContext {
        let context = SessionContext::new();
        for (table, salt) in [("l", 1_u64), ("r", 2)] {
            let word =
                |at: u64| (0..and).fold(u64::MAX, |word, turn| word & mixed(at * 8 + u64::from(turn) + (salt << 40)));
            let row = |row: u64| (0..16).flat_map(move |at| word(row * 16 + at).to_le_bytes()).collect::<Vec<u8>>();
            let clks = FixedSizeBinaryArray::try_from_iter((0..3000).map(row)).unwrap();
            let batch = RecordBatch::try_from_iter([(CLK, Arc::new(clks) as ArrayRef)]).unwrap();
            let provider = MemTable::try_new(batch.schema(), vec![vec![batch]]).unwrap();
            context.register_table(table, Arc::new(provider)).unwrap();
        }
        context
    }

    fn mixed(number: u64) -> u64 {
        let number = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (number ^ (number >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (number >> 32)
    }

    #[test]
    fn bands_reach_similar_pairs_of_sparse_tokens_and_not_pairs_near_chance() {
        for (and, threshold, reached) in [(2, "0.85", true), (1, "0.85", true), (1, "0.55", false), (2, "0.35", false)]
        {
            let threshold: DiceThreshold = threshold.parse().unwrap();
            let asked = async { out_of_reach(&session(and), ("l", "r"), threshold, 0.99, 1).await.unwrap() };
            let problem = Runtime::new().unwrap().block_on(asked);
            assert_eq!(problem.is_none(), reached, "{and} {threshold}: {problem:?}");
            assert!(
                problem
                    .is_none_or(|problem| problem.starts_with("bands cannot find 99.0 %") && !problem.contains('\n'))
            );
        }
    }
}
