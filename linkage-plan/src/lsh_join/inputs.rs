//! One input of an LSH join, held in memory.

use arrow::array::AsArray;
use arrow::datatypes::UInt32Type;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};
use futures::StreamExt;
use linkage_core::block::TokenRows;
use linkage_core::block::lsh::LshJoin;

use super::exec::SideColumns;
use super::metrics::LshJoinMetrics;
use crate::dice_join::for_each_clk;
use crate::error::PlanError;

/// CLKs in rows, and the number that each row has in its table.
pub(super) struct Input {
    pub(super) tokens: TokenRows,
    pub(super) numbers: Vec<u32>,
}

/// What a row takes, beside its CLK: its number, and what a search holds of it.
fn bytes_per_row(clk_bytes: usize) -> usize {
    clk_bytes + size_of::<u32>() + LshJoin::bytes_for(1 << 10, 0).div_ceil(1 << 10)
}

/// Reads an input to its end. Every batch is reserved before it is kept, twice over while the rows grow: they move.
pub(super) async fn collect(
    mut input: SendableRecordBatchStream,
    columns: SideColumns,
    clk_bytes: usize,
    memory: &MemoryReservation,
    pool: &dyn MemoryPool,
    metrics: &LshJoinMetrics,
) -> Result<Input> {
    let mut batches = Vec::new();
    let mut rows = 0;
    while let Some(batch) = input.next().await {
        // The batches share their buffers with the table, so that keeping them costs nothing but the columns' places.
        let batch = batch?;
        rows += batch.num_rows();
        batches.push(batch);
        tokio::task::yield_now().await;
    }
    let needed = rows * bytes_per_row(clk_bytes);
    if memory.try_grow(needed).is_err() {
        let free = match pool.memory_limit() {
            MemoryLimit::Finite(limit) => limit.saturating_sub(pool.reserved()),
            MemoryLimit::Infinite | MemoryLimit::Unknown => 0,
        };
        return Err(PlanError::Memory {
            what: "a side of the LSH join",
            rows: rows as u64,
            needed_bytes: needed as u64,
            free_bytes: free as u64,
            hint: "grant the session that much memory, or compare all pairs, which holds one side only",
        }
        .into_datafusion());
    }
    let _timer = metrics.build_time.timer();
    metrics.build_bytes.add(needed);
    metrics.build_rows.add(rows);
    let mut tokens = TokenRows::with_capacity(clk_bytes, rows).map_err(|e| exec_datafusion_err!("{e}"))?;
    let mut numbers = Vec::with_capacity(rows);
    for batch in batches {
        for_each_clk(&batch, columns.clk, |clk| tokens.push(clk))?;
        let column = batch.column(columns.row).as_primitive_opt::<UInt32Type>();
        let column = column.ok_or_else(|| exec_datafusion_err!("the row numbers are not UInt32"))?;
        numbers.extend_from_slice(column.values());
        tokio::task::yield_now().await;
    }
    Ok(Input { tokens, numbers })
}
