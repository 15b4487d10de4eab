//! One input of a join that scores single pairs, held in memory.

use arrow::array::AsArray;
use arrow::datatypes::UInt32Type;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use datafusion::physical_plan::metrics::{Count, Gauge, Time};
use futures::StreamExt;
use linkage_core::block::TokenRows;

use super::exec::SideColumns;
use crate::error::PlanError;
use crate::layout::{ClkLayout, clks, for_each};

/// CLKs in rows, and the number that each row has in its table.
pub(crate) struct Input {
    pub(crate) tokens: TokenRows,
    pub(crate) numbers: Vec<u32>,
}

/// What an input is held as, and where that is counted.
pub(crate) struct Holding<'a> {
    /// What an error calls it.
    pub(crate) what: &'static str,
    /// What a row takes beside its CLK and its number.
    pub(crate) bytes_beside: usize,
    pub(crate) rows: &'a Count,
    pub(crate) bytes: &'a Gauge,
    pub(crate) time: &'a Time,
}

/// Reads an input to its end. Every batch is reserved before it is kept, twice over while the rows grow: they move.
pub(crate) async fn collect(
    mut input: SendableRecordBatchStream,
    columns: SideColumns,
    layout: ClkLayout,
    memory: &MemoryReservation,
    pool: &dyn MemoryPool,
    holding: &Holding<'_>,
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
    let needed = rows * (layout.bytes + size_of::<u32>() + holding.bytes_beside);
    if memory.try_grow(needed).is_err() {
        let hint = "grant the session that much memory, or compare all pairs, which holds one side only";
        return Err(PlanError::memory(pool, holding.what, rows, needed, hint).into_datafusion());
    }
    let _timer = holding.time.timer();
    holding.bytes.add(needed);
    holding.rows.add(rows);
    let mut tokens = layout.rows(rows)?;
    let mut numbers = Vec::with_capacity(rows);
    for batch in batches {
        for_each(clks(&batch, columns.clk)?, |clk| tokens.push(clk))?;
        let column = batch.column(columns.row).as_primitive_opt::<UInt32Type>();
        let column = column.ok_or_else(|| exec_datafusion_err!("the row numbers are not UInt32"))?;
        numbers.extend_from_slice(column.values());
        tokio::task::yield_now().await;
    }
    Ok(Input { tokens, numbers })
}
