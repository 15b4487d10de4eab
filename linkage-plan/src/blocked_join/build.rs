//! The left side of one partition, block by block.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, FixedSizeBinaryArray, RecordBatch};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryPool, MemoryReservation};
use futures::StreamExt;
use linkage_core::block::TokenRows;

use super::keys::{BatchKeys, Keys};
use super::metrics::BlockedMetrics;
use crate::dice_join::{does_not_fit, slice_bytes};
use crate::error::PlanError;
use crate::layout::{ClkLayout, clks};
use crate::lsh_join::StopOnDrop;
use crate::steps::{STEP_ROWS, concat, go_on, sort};

/// What a row takes beside its CLK, its key and its columns: its place, twice while it is sorted, its number, its popcount, and
/// its share of the blocks' table.
const ROW_BYTES: usize = 96;

/// The left rows of one partition, those of a block one after another.
pub(super) struct BuildSide {
    pub(super) tokens: TokenRows,
    pub(super) ones: Vec<u32>,
    /// By place among the tokens, the row of `columns`.
    pub(super) rows: Vec<u32>,
    /// The columns that the output needs.
    pub(super) columns: RecordBatch,
    blocks: HashMap<Box<[u8]>, Range<u32>>,
    _memory: MemoryReservation,
}

impl BuildSide {
    /// The places of the rows that have a key.
    pub(super) fn block(&self, key: &[u8]) -> Option<Range<u32>> {
        self.blocks.get(key).cloned()
    }
}

/// What to collect, and against which pool.
pub(super) struct Collect {
    /// The CLK's column in the input, and its layout.
    pub(super) clk: (usize, ClkLayout),
    /// The input's columns that must be equal.
    pub(super) keys: Vec<usize>,
    /// The input's columns that the output needs.
    pub(super) keep: Vec<usize>,
    pub(super) memory: MemoryReservation,
    pub(super) pool: Arc<dyn MemoryPool>,
    pub(super) metrics: BlockedMetrics,
}

/// A batch as it waits for the rest.
struct Part {
    clks: FixedSizeBinaryArray,
    keys: BatchKeys,
    /// Its first row among those of all batches.
    first: u32,
}

impl Collect {
    /// Reads the left side to its end, and sorts it by key.
    ///
    /// Every batch is reserved before it is kept. When a reservation is refused, the rest is only counted, so that the
    /// error can say what the whole would have needed.
    pub(super) async fn run(self, mut input: SendableRecordBatchStream) -> Result<BuildSide> {
        let kept_schema = Arc::new(input.schema().project(&self.keep)?);
        let keys = Keys::new(self.keys.clone(), &input)?;
        let (mut parts, mut kept, mut held, mut rows) = (Vec::new(), Vec::new(), 0, 0_usize);
        let join = self.metrics.join.clone();
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let timer = join.build_time.timer();
            let columns = batch.project(&self.keep)?;
            let part = Part {
                clks: clks(&batch, self.clk.0)?.clone(),
                keys: keys.of(&batch)?,
                first: u32::try_from(rows).map_err(|_| exec_datafusion_err!("more rows than 32 bits can number"))?,
            };
            rows += batch.num_rows();
            // What the batch brought goes when the rows lie in their blocks; until then they are there twice.
            let brought = slice_bytes(&columns)? + self.clk.1.bytes * batch.num_rows();
            let wanted = 2 * (brought + part.keys.bytes()) + ROW_BYTES * batch.num_rows();
            if self.memory.try_grow(wanted).is_err() {
                let needed = self.memory.size() + wanted;
                drop((parts, kept, part));
                return Err(self.refused(input, rows, needed).await?.into_datafusion());
            }
            join.build_bytes.add(wanted);
            join.build_batches.add(1);
            join.build_rows.add(batch.num_rows());
            held += brought + part.keys.bytes();
            parts.push(part);
            kept.push(columns);
            timer.done();
            // An input in memory is always ready; without this a dropped stream would be noticed only at its end.
            tokio::task::yield_now().await;
        }
        drop(input);
        // Sorting millions of rows takes seconds, and the stream must be free to be dropped.
        let stop = StopOnDrop::default();
        let dropped = Arc::clone(&stop.0);
        let sorted = tokio::task::spawn_blocking(move || {
            let stop = || dropped.load(Ordering::Relaxed);
            let _timer = join.build_time.timer();
            let columns = concat(&kept_schema, &kept, &stop)?;
            drop(kept);
            let side = self.sorted(&parts, columns, rows, &stop)?;
            drop(parts);
            side._memory.shrink(held);
            join.build_bytes.sub(held);
            Ok(side)
        });
        let sorted = sorted.await;
        drop(stop);
        sorted.map_err(|_| exec_datafusion_err!("the left side of the Dice join was not put in blocks"))?
    }

    fn sorted(
        mut self,
        parts: &[Part],
        columns: RecordBatch,
        rows: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<BuildSide> {
        // Rows without a key, or without a CLK, have no partner.
        let mut places: Vec<(&[u8], &Part, u32)> = Vec::with_capacity(rows);
        for part in parts {
            go_on(stop)?;
            let with_clk = (0..part.clks.len()).filter(|row| part.clks.is_valid(*row));
            places.extend(with_clk.filter_map(|row| Some((part.keys.get(row)?, part, row as u32))));
        }
        sort(&mut places, |(key, part, row)| (*key, part.first + row), stop)?;
        let mut tokens = self.clk.1.rows(places.len())?;
        let (mut ones, mut row_of) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        let mut blocks = HashMap::new();
        for block in places.chunk_by(|a, b| a.0 == b.0) {
            let first = row_of.len() as u32;
            for (_, part, row) in block {
                if row_of.len().is_multiple_of(STEP_ROWS) {
                    go_on(stop)?;
                }
                tokens.push(part.clks.value(*row as usize)).map_err(|error| exec_datafusion_err!("{error}"))?;
                ones.push(tokens.popcount(tokens.rows() - 1));
                row_of.push(part.first + row);
            }
            self.metrics.largest_block_rows.set_max(block.len());
            blocks.insert(block[0].0.into(), first..row_of.len() as u32);
        }
        self.metrics.blocks.add(blocks.len());
        Ok(BuildSide { tokens, ones, rows: row_of, columns, blocks, _memory: self.memory.take() })
    }

    /// What the left side would have needed.
    async fn refused(&self, input: SendableRecordBatchStream, rows: usize, bytes: usize) -> Result<PlanError> {
        self.memory.free();
        let (what, hint) = (
            "a part of the left side of the Dice join within blocks",
            "grant the session that much memory for each of its partitions, or put the table with fewer rows on the left",
        );
        does_not_fit(self.pool.as_ref(), input, rows, bytes, what, hint).await
    }
}
