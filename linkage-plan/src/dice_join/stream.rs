//! One output partition: right batches against the whole left side.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, UInt32Array};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::RecordOutput;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use linkage_core::dice::{ClkBlock, DiceThreshold, Kernel, Match, search};

use super::blocks::BLOCK_ROWS;
use super::build::{BuildSide, ORDER_TILE, row_numbers};
use super::cut::Cut;
use super::exec::RowOrder;
use super::metrics::DiceJoinMetrics;
use super::output::Writer;
use super::room::PairRoom;
use crate::layout::{ClkLayout, clks};
use crate::once::Awaited;

/// How long to compute before other tasks may run, and a dropped stream is noticed.
pub(crate) const STEP: Duration = Duration::from_millis(1);

/// Most pairs in a step: bounds what a senseless threshold can bring at once.
pub(crate) const STEP_PAIRS: usize = 2 << 20;

/// How long a batch that is not full may wait: rare pairs are wanted soon.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// What a partition needs beside its inputs.
pub(super) struct Probing {
    pub(super) writer: Writer,
    /// The CLK's column in the right input, and its layout.
    pub(super) clk: (usize, ClkLayout),
    pub(super) order: Option<RowOrder>,
    /// How many pairs of each right row are wanted, and all that are as good; none when all are.
    pub(super) best: Option<u32>,
    pub(super) threshold: DiceThreshold,
    pub(super) kernel: Kernel,
    pub(super) batch_size: usize,
    pub(super) room: PairRoom,
    pub(super) metrics: DiceJoinMetrics,
}

/// The pairs of one right partition with the left side.
pub(super) fn pairs(
    build: Awaited<BuildSide>,
    right: SendableRecordBatchStream,
    probing: Probing,
) -> SendableRecordBatchStream {
    let schema = Arc::clone(probing.writer.schema());
    let batches = stream::once(async move {
        let build = build.await.map_err(DataFusionError::Shared)?;
        let state = Probe { build, right, probing, current: None, step_rows: 64 };
        Ok::<_, DataFusionError>(stream::try_unfold(state, |mut state| async move {
            Ok(state.next_batch().await?.map(|batch| (batch, state)))
        }))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches.try_flatten()))
}

struct Probe {
    build: Arc<BuildSide>,
    right: SendableRecordBatchStream,
    probing: Probing,
    current: Option<Current>,
    /// Left rows of the next step: as many as took about [`STEP`] before.
    step_rows: usize,
}

/// The right batch being compared.
struct Current {
    batch: RecordBatch,
    block: ClkBlock,
    /// The right rows' numbers, if their order matters, and whether they ascend.
    numbers: Option<(UInt32Array, bool)>,
    /// Where the next step begins on the left side.
    left_block: usize,
    row: usize,
    /// Pairs found and not yet handed on; `left` counts from the start of the left side.
    pending: Vec<Match>,
    /// What is kept of these; none when all are.
    cut: Option<Cut>,
    since: Instant,
}

impl Probe {
    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let mut current = match self.current.take() {
                Some(current) => current,
                None => match self.right.next().await {
                    Some(batch) => self.start(batch?)?,
                    None => return Ok(None),
                },
            };
            let done = loop {
                let done = current.left_block == self.build.blocks.len();
                // Which pairs are the best is known when the batch is done.
                let waited = current.cut.is_none()
                    && !current.pending.is_empty()
                    && (current.since.elapsed() >= PATIENCE || current.pending.len() >= self.probing.batch_size);
                if done || waited {
                    break done;
                }
                self.step(&mut current)?;
                tokio::task::yield_now().await;
            };
            if done && let Some(cut) = current.cut.take() {
                cut.all(&mut current.pending);
            }
            let batch = if current.pending.is_empty() { None } else { Some(self.hand_on(&mut current)?) };
            if !done || !current.pending.is_empty() {
                self.current = Some(current);
            }
            if batch.is_some() {
                return Ok(batch);
            }
        }
    }

    fn start(&mut self, batch: RecordBatch) -> Result<Current> {
        let _timer = self.probing.metrics.baseline.elapsed_compute().timer();
        let (column, layout) = self.probing.clk;
        self.probing.metrics.probe_batches.add(1);
        self.probing.metrics.probe_rows.add(batch.num_rows());
        self.probing.room.start(layout.block_bytes(batch.num_rows()))?;
        let block = layout.block(std::slice::from_ref(clks(&batch, column)?))?;
        let numbers = match self.probing.order {
            Some(order) => {
                let numbers = row_numbers(&batch, order.right)?.clone();
                // Segmented rows lie in their block by presence pattern.
                let ascend = layout.segments == 1 && numbers.values().is_sorted();
                Some((numbers, ascend))
            }
            None => None,
        };
        let cut = self.probing.best.map(|pairs| Cut::new(pairs, batch.num_rows()));
        let (pending, since) = (Vec::new(), Instant::now());
        Ok(Current { batch, block, numbers, left_block: 0, row: 0, pending, cut, since })
    }

    /// Compares some left rows of one block with the whole right batch.
    fn step(&mut self, current: &mut Current) -> Result<()> {
        let began = Instant::now();
        let Probing { metrics, order, threshold, kernel, room, .. } = &mut self.probing;
        let (_timer, _probe_timer) = (metrics.baseline.elapsed_compute().timer(), metrics.probe_time.timer());
        let left_block = &self.build.blocks[current.left_block];
        let right_rows = current.block.rows();
        let rows = self.step_rows.min(STEP_PAIRS / right_rows.max(1)).max(8) / 8 * 8;
        let mut end = (current.row + rows).min(left_block.rows());
        let found = current.pending.len();
        let mut right = 0..right_rows;
        if let (Some(order), Some((numbers, ascend))) = (*order, &current.numbers) {
            let first_tile = current.left_block * (BLOCK_ROWS / ORDER_TILE);
            loop {
                let tile = current.row / ORDER_TILE;
                right = in_order(order, self.build.numbers.bounds[first_tile + tile], numbers.values(), *ascend);
                end = end.min((tile + 1) * ORDER_TILE);
                // Tiles without a row in order cost nothing, so they are passed over at once.
                if !right.is_empty() || end == left_block.rows() {
                    break;
                }
                current.row = end;
                end = left_block.rows().min(end + ORDER_TILE);
            }
        }
        // Any pair may come out: in a step there are as many as there is memory for.
        let pairs = |rows: usize| rows * right.len();
        let granted = room.grant(&mut current.pending, pairs(end - current.row), pairs(8.min(end - current.row)))?;
        if granted < pairs(end - current.row) {
            end = current.row + (granted / right.len() / 8 * 8).clamp(1, end - current.row);
        }
        let stats =
            search(*kernel, left_block, current.row..end, &current.block, right, *threshold, &mut current.pending);
        metrics.searched(stats);
        let written = current.pending.len();
        let first = (current.left_block * BLOCK_ROWS) as u32;
        for pair in &mut current.pending[found..] {
            pair.left += first;
        }
        if let (Some(order), Some((numbers, _))) = (*order, &current.numbers) {
            let left = &self.build.numbers.all;
            let mut kept = found;
            for at in found..current.pending.len() {
                let pair = current.pending[at];
                let (left, right) = (left[pair.left as usize], numbers.value(pair.right as usize));
                if if order.left_first { left < right } else { right < left } {
                    current.pending[kept] = pair;
                    kept += 1;
                }
            }
            current.pending.truncate(kept);
        }
        metrics.pairs_kept.add(current.pending.len() - found);
        if let Some(cut) = &mut current.cut {
            cut.when_many(&mut current.pending);
        }
        if found == 0 {
            current.since = began;
        }
        room.settle(written)?;
        (current.left_block, current.row) =
            if end == left_block.rows() { (current.left_block + 1, 0) } else { (current.left_block, end) };
        let took = began.elapsed();
        if took < STEP / 2 {
            self.step_rows = (self.step_rows * 2).min(BLOCK_ROWS);
        } else if took > STEP * 3 / 2 {
            self.step_rows = (self.step_rows / 2).max(8);
        }
        Ok(())
    }

    fn hand_on(&self, current: &mut Current) -> Result<RecordBatch> {
        let Probing { metrics, writer, batch_size, .. } = &self.probing;
        let _timer = metrics.baseline.elapsed_compute().timer();
        current.since = Instant::now();
        let batch = writer.latest(&mut current.pending, *batch_size, &self.build.columns, &current.batch)?;
        Ok(batch.record_output(&metrics.baseline))
    }
}

/// The right rows that can be in order with left rows whose numbers lie within `bounds`.
fn in_order(order: RowOrder, bounds: (u32, u32), right: &[u32], ascend: bool) -> Range<usize> {
    let (least, most) = bounds;
    match (ascend, order.left_first) {
        (true, true) => right.partition_point(|number| *number <= least)..right.len(),
        (true, false) => 0..right.partition_point(|number| *number < most),
        (false, left_first) => {
            let any = right.iter().any(|number| if left_first { *number > least } else { *number < most });
            0..if any { right.len() } else { 0 }
        }
    }
}
