//! The left side of a Dice join, held in memory.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{SchemaRef, UInt32Type};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};
use futures::StreamExt;
use linkage_core::dice::{BlockError, ClkBlock};

use super::metrics::DiceJoinMetrics;
use crate::error::PlanError;

/// Rows of one block: 8 MiB of CLKs of 1024 bits. Blocks are filled one after another, because one that grew with the
/// input would have to be copied to grow.
pub(super) const SEGMENT_ROWS: usize = 65_536;

/// Left rows that are compared, or not, together when the order of rows matters.
pub(super) const ORDER_TILE: usize = 256;

/// The numbers of the left rows, for a join of rows in order.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Of every row.
    pub(super) all: Vec<u32>,
    /// The least and the greatest of every [`ORDER_TILE`] rows.
    pub(super) bounds: Vec<(u32, u32)>,
}

/// The left rows: their CLKs laid out for comparison, and the columns that the output needs.
#[derive(Debug)]
pub(super) struct BuildSide {
    /// Each of [`SEGMENT_ROWS`] rows, but the last.
    pub(super) segments: Vec<ClkBlock>,
    /// The columns that the output needs, of all rows in order.
    pub(super) columns: RecordBatch,
    /// Empty when the order of rows does not matter.
    pub(super) numbers: Numbers,
    /// Goes back to the pool when the last stream that probes this side is gone.
    _memory: MemoryReservation,
}

/// What to collect, and against which pool.
pub(super) struct Collect {
    /// The CLK's column in the input, and its bytes.
    pub(super) clk: (usize, usize),
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
        let (mut segments, mut kept, mut kept_bytes) = (Vec::<ClkBlock>::new(), Vec::new(), 0);
        let mut rows = 0_usize;
        let mut numbers = Vec::new();
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let timer = self.metrics.build_time.timer();
            let columns = batch.project(&self.keep)?;
            let column_bytes = slice_bytes(&columns)?;
            let before = blocks_bytes(self.clk.1, rows);
            rows += batch.num_rows();
            // Twice the columns: concatenating them takes a second copy for a moment.
            let number_bytes = if self.numbers.is_some() { size_of::<u32>() * batch.num_rows() } else { 0 };
            let wanted = blocks_bytes(self.clk.1, rows) - before + 2 * column_bytes + number_bytes;
            if self.memory.try_grow(wanted).is_err() {
                let needed_so_far = self.memory.size() + wanted;
                drop((segments, kept));
                return Err(self.refused(input, rows, needed_so_far).await?.into_datafusion());
            }
            self.metrics.build_bytes.add(wanted);
            self.metrics.build_batches.add(1);
            self.metrics.build_rows.add(batch.num_rows());
            self.push_clks(&batch, &mut segments)?;
            if let Some(column) = self.numbers {
                numbers.extend_from_slice(row_numbers(&batch, column)?.values());
            }
            kept_bytes += column_bytes;
            kept.push(columns);
            timer.done();
            // An input in memory is always ready; without this a dropped stream would be noticed only at its end.
            tokio::task::yield_now().await;
        }
        let _timer = self.metrics.build_time.timer();
        let columns = concat_batches(&kept_schema, &kept)?;
        drop(kept);
        self.memory.shrink(kept_bytes);
        self.metrics.build_bytes.sub(kept_bytes);
        let bounds = numbers.chunks(ORDER_TILE).map(|tile| {
            tile.iter().fold((u32::MAX, u32::MIN), |(least, most), number| (least.min(*number), most.max(*number)))
        });
        let numbers = Numbers { bounds: bounds.collect(), all: numbers };
        Ok(BuildSide { segments, columns, numbers, _memory: self.memory })
    }

    fn push_clks(&self, batch: &RecordBatch, segments: &mut Vec<ClkBlock>) -> Result<()> {
        let mut to_come = batch.num_rows();
        if let Some(segment) = segments.last_mut() {
            segment.reserve(to_come.min(SEGMENT_ROWS - segment.rows()));
        }
        for_each_clk(batch, self.clk.0, |clk| {
            if segments.last().is_none_or(|segment| segment.rows() == SEGMENT_ROWS) {
                segments.push(ClkBlock::with_capacity(self.clk.1, to_come.min(SEGMENT_ROWS))?);
            }
            to_come -= 1;
            segments.last_mut().map_or(Ok(()), |segment| segment.push(clk))
        })
    }

    /// What the left side would have needed.
    async fn refused(&self, mut input: SendableRecordBatchStream, rows: usize, bytes: usize) -> Result<PlanError> {
        self.memory.free();
        let mut all_rows = rows;
        while let Some(batch) = input.next().await {
            all_rows += batch?.num_rows();
        }
        let free = match self.pool.memory_limit() {
            MemoryLimit::Finite(limit) => limit.saturating_sub(self.pool.reserved()),
            MemoryLimit::Infinite | MemoryLimit::Unknown => 0,
        };
        Ok(PlanError::Memory {
            what: "the left side of the Dice join",
            rows: all_rows as u64,
            needed_bytes: (bytes as f64 * all_rows as f64 / rows.max(1) as f64).ceil() as u64,
            free_bytes: free as u64,
            hint: "grant the session that much memory, or put the table with fewer rows on the left",
        })
    }
}

/// Calls `push` with each row's CLK. A row without one gets an all-zero CLK, which matches nothing, so that a row keeps
/// its number.
pub(crate) fn for_each_clk(
    batch: &RecordBatch,
    column: usize,
    mut push: impl FnMut(&[u8]) -> std::result::Result<(), BlockError>,
) -> Result<()> {
    let clks = batch.column(column).as_fixed_size_binary_opt();
    let clks = clks.ok_or_else(|| exec_datafusion_err!("the CLK column is not FixedSizeBinary"))?;
    let none = vec![0; clks.value_size()];
    for row in 0..clks.len() {
        push(if clks.is_null(row) { &none } else { clks.value(row) }).map_err(|e| exec_datafusion_err!("{e}"))?;
    }
    Ok(())
}

/// A batch's row numbers.
pub(super) fn row_numbers(batch: &RecordBatch, column: usize) -> Result<&UInt32Array> {
    let numbers = batch.column(column).as_primitive_opt::<UInt32Type>();
    numbers.ok_or_else(|| exec_datafusion_err!("the row numbers are not UInt32"))
}

/// The bytes of `rows` rows in segments.
fn blocks_bytes(clk_bytes: usize, rows: usize) -> usize {
    // Segments are filled to a multiple of eight rows, so one block of all rows takes as much as all segments.
    ClkBlock::bytes_for(clk_bytes, rows)
}

/// The bytes of a batch's rows, without what its buffers hold beside them.
fn slice_bytes(batch: &RecordBatch) -> Result<usize> {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    Ok(sizes.sum::<std::result::Result<usize, _>>()?)
}
