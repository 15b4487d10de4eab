//! What an input takes while it is read.

use std::sync::Arc;

use arrow::array::{FixedSizeBinaryArray, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};
use datafusion::physical_plan::metrics::{Count, Gauge, Time};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{SessionContext, col, lit};
use tokio::runtime::Runtime;

use super::{Holding, Input, SideColumns, collect, shares_buffers};
use crate::error::PlanError;
use crate::layout::ClkLayout;

const ROWS: usize = 10_000;
/// A CLK of 128 bytes and a number: what a row takes as it comes, and again as it is held.
const ROW_BYTES: usize = 128 + 4;

fn batches() -> Vec<RecordBatch> {
    let fields = [("clk", DataType::FixedSizeBinary(128)), ("row", DataType::UInt32)];
    let schema = Arc::new(Schema::new(fields.map(|(name, of)| Field::new(name, of, false)).to_vec()));
    let batch = |from: usize| {
        let clks = (from..from + 1000).map(|row| [row as u8; 128]);
        let clks = FixedSizeBinaryArray::try_from_iter(clks).unwrap();
        let rows = UInt32Array::from_iter_values(from as u32..from as u32 + 1000);
        RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(clks), Arc::new(rows)]).unwrap()
    };
    (0..ROWS).step_by(1000).map(batch).collect()
}

/// Reads the batches with so much memory; what was read and what is reserved then.
fn read(memory_bytes: usize, shares_buffers: bool) -> (Result<Input>, usize) {
    let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(memory_bytes));
    let memory = MemoryConsumer::new("side").register(&pool);
    let (rows, bytes, time) = (Count::new(), Gauge::new(), Time::new());
    let holding = Holding { shares_buffers, what: "a side", bytes_beside: 0, rows: &rows, bytes: &bytes, time: &time };
    let batches = batches();
    let schema = batches[0].schema();
    let layout = ClkLayout::of(schema.field(0)).unwrap();
    let input = RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches.into_iter().map(Ok)));
    let columns = SideColumns { clk: 0, row: 1 };
    let read = collect(Box::pin(input), columns, layout, &memory, pool.as_ref(), &holding);
    let read = Runtime::new().unwrap().block_on(read);
    (read, pool.reserved())
}

#[test]
fn batches_with_buffers_of_their_own_are_reserved_until_their_rows_are_copied() {
    let once = ROWS * ROW_BYTES;
    for (memory_bytes, shares_buffers) in [(once, true), (2 * once, false)] {
        let (input, reserved) = read(memory_bytes, shares_buffers);
        assert_eq!((input.unwrap().numbers.len(), reserved), (ROWS, once));
    }
    for (memory_bytes, shares_buffers, needed) in [(once - 1, true, once), (2 * once - 1, false, 2 * once)] {
        let (refused, reserved) = read(memory_bytes, shares_buffers);
        let PlanError::Memory { needed_bytes, .. } = refused.err().unwrap().into() else { panic!("another error") };
        assert_eq!((needed_bytes, reserved), (needed as u64, 0));
    }
}

#[test]
fn slices_of_a_table_are_told_from_batches_that_were_made() {
    let context = SessionContext::new();
    let table = || context.read_batches(batches()).unwrap();
    let shares = |frame| {
        let frame: datafusion::dataframe::DataFrame = frame;
        let plan = Runtime::new().unwrap().block_on(frame.create_physical_plan()).unwrap();
        shares_buffers(&plan)
    };
    assert!(shares(table()) && shares(table().select(vec![col("row"), col("clk")]).unwrap()));
    assert!(!shares(table().filter(col("row").gt(lit(5_u32))).unwrap()));
    assert!(!shares(table().select(vec![col("row") + lit(1_u32)]).unwrap()));
}
