//! One input of a join that scores single pairs, held in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::UInt32Type;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::metrics::{Count, Gauge, Time};
use datafusion::physical_plan::projection::ProjectionExec;
use futures::StreamExt;
use linkage_core::block::TokenRows;

use super::exec::SideColumns;
use super::stream::StopOnDrop;
use crate::dice_join::slice_bytes;
use crate::error::PlanError;
use crate::layout::{ClkLayout, clks, for_each};
use crate::steps::{go_on, sort};

/// Rows that are put in order at a time.
const ORDERED_ROWS: usize = 8192;

/// CLKs in rows, and the number that each row has in its table, ascending.
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

/// Whether the batches of a plan are slices of the tables that it reads, which somebody else holds anyway. Sessions have tables in
/// memory only; a join, a filter or an exchange between machines makes batches of its own.
pub(super) fn shares_buffers(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let passes_on = match plan.downcast_ref::<ProjectionExec>() {
        Some(projection) => projection.expr().iter().all(|column| column.expr.is::<Column>()),
        None => plan.is::<CoalescePartitionsExec>() || plan.is::<CooperativeExec>(),
    };
    plan.is::<DataSourceExec>() || passes_on && plan.children().into_iter().all(shares_buffers)
}

/// Reads an input to its end, and puts its rows in the order of their numbers: joins and partitions give them in any order, and
/// what is drawn from them must not depend on that. What a batch's rows will take is reserved before the batch is kept, and so is the
/// batch, unless its buffers are a table's. When that
/// is refused, the rest is only counted, so that the error can say what the whole would have needed.
pub(crate) async fn collect_of(
    plan: &Arc<dyn ExecutionPlan>,
    input: SendableRecordBatchStream,
    columns: SideColumns,
    layout: ClkLayout,
    memory: &MemoryReservation,
    pool: &dyn MemoryPool,
    holding: &Holding<'_>,
) -> Result<Input> {
    collect_batches(shares_buffers(plan), input, columns, layout, memory, pool, holding).await
}

pub(super) async fn collect_batches(
    shares_buffers: bool,
    mut input: SendableRecordBatchStream,
    columns: SideColumns,
    layout: ClkLayout,
    memory: &MemoryReservation,
    pool: &dyn MemoryPool,
    holding: &Holding<'_>,
) -> Result<Input> {
    let bytes_per_row = layout.bytes + size_of::<u32>() + holding.bytes_beside;
    let (mut batches, mut rows, mut held, mut refused) = (Vec::new(), 0, 0, false);
    // What the batches themselves take goes back when their rows are copied.
    let (brought, mut brought_bytes) = (memory.new_empty(), 0);
    while let Some(batch) = input.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        let own_bytes = if shares_buffers { 0 } else { slice_bytes(&batch)? };
        brought_bytes += own_bytes;
        if !refused {
            let wanted = batch.num_rows() * bytes_per_row;
            let granted = brought.try_grow(own_bytes).and_then(|()| memory.try_grow(wanted));
            refused = granted.is_err();
            if refused {
                batches.clear();
            } else {
                held += wanted;
                batches.push(batch);
            }
        }
        tokio::task::yield_now().await;
    }
    drop(input);
    let needed = rows * bytes_per_row;
    if refused {
        memory.shrink(held);
        brought.free();
        let hint = "grant the session that much memory, or compare all pairs, which holds one side only";
        return Err(PlanError::memory(pool, holding.what, rows, needed + brought_bytes, hint).into_datafusion());
    }
    let _timer = holding.time.timer();
    holding.bytes.add(needed);
    holding.rows.add(rows);
    let mut tokens = layout.rows(rows)?;
    let mut numbers = Vec::with_capacity(rows);
    // Sorting tens of millions of rows takes a second, and the stream must be free to be dropped.
    let stop = StopOnDrop::default();
    let dropped = Arc::clone(&stop.0);
    let ordering = tokio::task::spawn_blocking(move || {
        Order::of(batches, columns.row, brought, &|| dropped.load(Ordering::Relaxed))
    });
    let order = ordering.await.map_err(|e| exec_datafusion_err!("the rows were not put in order: {e}"))??;
    drop(stop);
    for batch in order.batches() {
        let batch = batch?;
        for_each(clks(&batch, columns.clk)?, |clk| tokens.push(clk))?;
        let column = batch.column(columns.row).as_primitive_opt::<UInt32Type>();
        let column = column.ok_or_else(|| exec_datafusion_err!("the row numbers are not UInt32"))?;
        numbers.extend_from_slice(column.values());
        tokio::task::yield_now().await;
    }
    Ok(Input { tokens, numbers })
}

/// Batches, and where each row is in the order of the rows' numbers.
struct Order {
    batches: Vec<RecordBatch>,
    /// Number, batch, row of the batch; empty when the batches have that order already.
    places: Vec<(u32, u32, u32)>,
    _memory: MemoryReservation,
}

impl Order {
    fn of(
        batches: Vec<RecordBatch>,
        column: usize,
        memory: MemoryReservation,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self> {
        let numbers = |batch: &RecordBatch| {
            let column = batch.column(column).as_primitive_opt::<UInt32Type>();
            Ok(column.ok_or_else(|| exec_datafusion_err!("the row numbers are not UInt32"))?.clone())
        };
        let numbers: Vec<UInt32Array> = batches.iter().map(numbers).collect::<Result<_>>()?;
        let mut places = Vec::new();
        if !numbers.iter().flat_map(|batch| batch.values()).is_sorted() {
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            let places_bytes = rows * size_of::<(u32, u32, u32)>();
            // Sorting takes as much again.
            memory.try_grow(2 * places_bytes)?;
            places.reserve_exact(rows);
            for (batch, numbers) in numbers.iter().enumerate() {
                go_on(stop)?;
                let rows = numbers.values().iter().enumerate();
                places.extend(rows.map(|(row, number)| (*number, batch as u32, row as u32)));
            }
            sort(&mut places, |place| *place, stop)?;
            memory.shrink(places_bytes);
        }
        Ok(Self { batches, places, _memory: memory })
    }

    fn batches(&self) -> Box<dyn Iterator<Item = Result<RecordBatch>> + Send + '_> {
        if self.places.is_empty() {
            return Box::new(self.batches.iter().cloned().map(Ok));
        }
        let all: Vec<&RecordBatch> = self.batches.iter().collect();
        Box::new(self.places.chunks(ORDERED_ROWS).map(move |places| {
            let places: Vec<_> = places.iter().map(|(_, batch, row)| (*batch as usize, *row as usize)).collect();
            Ok(interleave_record_batch(&all, &places)?)
        }))
    }
}
