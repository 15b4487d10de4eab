//! The left side of a Dice join, held in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::datatypes::{SchemaRef, UInt32Type};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use futures::StreamExt;
use linkage_core::dice::ClkBlock;

use super::blocks::{BLOCK_ROWS, Blocks};
use super::metrics::DiceJoinMetrics;
use crate::error::PlanError;
use crate::layout::{ClkLayout, clks};
use crate::lsh_join::StopOnDrop;
use crate::steps::{concat, go_on};

/// Left rows that are compared, or not, together when the order of rows matters.
pub(super) const ORDER_TILE: usize = 256;

/// The numbers of the left rows, for a join of rows in order.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Of every row.
    pub(super) all: Vec<u32>,
    /// The least and the greatest of every [`ORDER_TILE`] rows, as they lie in their blocks.
    pub(super) bounds: Vec<(u32, u32)>,
}

impl Numbers {
    fn new(all: Vec<u32>, blocks: &[ClkBlock], stop: &dyn Fn() -> bool) -> Result<Self> {
        if all.is_empty() {
            return Ok(Self::default());
        }
        let mut bounds = Vec::with_capacity(all.len().div_ceil(ORDER_TILE));
        for (block, first) in blocks.iter().zip((0..).step_by(BLOCK_ROWS)) {
            go_on(stop)?;
            let order: Vec<u32> = block.order().collect();
            bounds.extend(order.chunks(ORDER_TILE).map(|tile| {
                let numbers = tile.iter().map(|row| all[first + *row as usize]);
                numbers.fold((u32::MAX, u32::MIN), |(least, most), number| (least.min(number), most.max(number)))
            }));
        }
        Ok(Self { all, bounds })
    }
}

/// The left rows: their CLKs laid out for comparison, and the columns that the output needs.
#[derive(Debug)]
pub(super) struct BuildSide {
    /// Each of [`BLOCK_ROWS`] rows, but the last.
    pub(super) blocks: Vec<ClkBlock>,
    /// The columns that the output needs, of all rows in order.
    pub(super) columns: RecordBatch,
    /// Empty when the order of rows does not matter.
    pub(super) numbers: Numbers,
    /// Goes back to the pool when the last stream that probes this side is gone.
    _memory: MemoryReservation,
}

/// What to collect, and against which pool.
pub(super) struct Collect {
    /// The CLK's column in the input, and its layout.
    pub(super) clk: (usize, ClkLayout),
    /// The input's columns that the output needs.
    pub(super) keep: Vec<usize>,
    /// The column of the rows' numbers, if their order matters.
    pub(super) numbers: Option<usize>,
    pub(super) memory: MemoryReservation,
    pub(super) pool: Arc<dyn MemoryPool>,
    pub(super) metrics: DiceJoinMetrics,
}

impl Collect {
    /// Reads the left side to its end.
    ///
    /// Every batch is reserved before it is kept. When a reservation is refused, what was collected is dropped and the
    /// rest only counted, so that the error can say what the whole would have needed.
    pub(super) async fn run(self, mut input: SendableRecordBatchStream) -> Result<BuildSide> {
        let kept_schema: SchemaRef = Arc::new(input.schema().project(&self.keep)?);
        let (mut blocks, mut kept, mut kept_bytes) = (Blocks::new(self.clk.1), Vec::new(), 0);
        let mut rows = 0_usize;
        let mut numbers = Vec::new();
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let timer = self.metrics.build_time.timer();
            let columns = batch.project(&self.keep)?;
            let column_bytes = slice_bytes(&columns)?;
            let before = Blocks::bytes_for(self.clk.1, rows);
            rows += batch.num_rows();
            // Twice the columns: concatenating them takes a second copy for a moment.
            let number_bytes = if self.numbers.is_some() { size_of::<u32>() * batch.num_rows() } else { 0 };
            let wanted = Blocks::bytes_for(self.clk.1, rows) - before + 2 * column_bytes + number_bytes;
            if self.memory.try_grow(wanted).is_err() {
                let needed_so_far = self.memory.size() + wanted;
                drop((blocks, kept));
                return Err(self.refused(input, rows, needed_so_far).await?.into_datafusion());
            }
            self.metrics.build_bytes.add(wanted);
            self.metrics.build_batches.add(1);
            self.metrics.build_rows.add(batch.num_rows());
            blocks.push(clks(&batch, self.clk.0)?)?;
            if let Some(column) = self.numbers {
                numbers.extend_from_slice(row_numbers(&batch, column)?.values());
            }
            kept_bytes += column_bytes;
            kept.push(columns);
            timer.done();
            // An input in memory is always ready; without this a dropped stream would be noticed only at its end.
            tokio::task::yield_now().await;
        }
        drop(input);
        // Putting millions of rows together takes a second, and the stream must be free to be dropped.
        let stop = StopOnDrop::default();
        let dropped = Arc::clone(&stop.0);
        let whole = tokio::task::spawn_blocking(move || {
            let stop = || dropped.load(Ordering::Relaxed);
            let _timer = self.metrics.build_time.timer();
            let columns = concat(&kept_schema, &kept, &stop)?;
            drop(kept);
            self.memory.shrink(kept_bytes);
            self.metrics.build_bytes.sub(kept_bytes);
            let blocks = blocks.finish()?;
            let numbers = Numbers::new(numbers, &blocks, &stop)?;
            Ok(BuildSide { blocks, columns, numbers, _memory: self.memory })
        });
        let whole = whole.await;
        drop(stop);
        whole.map_err(|_| exec_datafusion_err!("the left side of the Dice join was not put together"))?
    }

    /// What the left side would have needed.
    async fn refused(&self, input: SendableRecordBatchStream, rows: usize, bytes: usize) -> Result<PlanError> {
        self.memory.free();
        let (what, hint) = (
            "the left side of the Dice join",
            "grant the session that much memory, or put the table with fewer rows on the left",
        );
        does_not_fit(self.pool.as_ref(), input, rows, bytes, what, hint).await
    }
}

/// That an input, of which `rows` rows took `bytes`, does not fit: reads it to its end and says what the whole would need.
pub(crate) async fn does_not_fit(
    pool: &dyn MemoryPool,
    mut input: SendableRecordBatchStream,
    rows: usize,
    bytes: usize,
    what: &'static str,
    hint: &'static str,
) -> Result<PlanError> {
    let mut all_rows = rows;
    while let Some(batch) = input.next().await {
        all_rows += batch?.num_rows();
    }
    let needed_bytes = (bytes as f64 * all_rows as f64 / rows.max(1) as f64).ceil() as usize;
    Ok(PlanError::memory(pool, what, all_rows, needed_bytes, hint))
}

/// A batch's row numbers.
pub(super) fn row_numbers(batch: &RecordBatch, column: usize) -> Result<&UInt32Array> {
    let numbers = batch.column(column).as_primitive_opt::<UInt32Type>();
    numbers.ok_or_else(|| exec_datafusion_err!("the row numbers are not UInt32"))
}

/// The bytes of a batch's rows, without what its buffers hold beside them.
pub(crate) fn slice_bytes(batch: &RecordBatch) -> Result<usize> {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    Ok(sizes.sum::<std::result::Result<usize, _>>()?)
}
