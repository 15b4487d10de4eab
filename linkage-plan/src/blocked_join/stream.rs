//! One output partition: right batches against the blocks of the left side.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, RecordBatch};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::metrics::RecordOutput;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use linkage_core::block::{GROUP_ROWS, Group, GroupSearch, TokenRows};
use linkage_core::dice::Match;

use super::build::{BuildSide, Collect};
use super::keys::Keys;
use super::metrics::BlockedMetrics;
use crate::dice_join::output::Writer;
use crate::dice_join::{PATIENCE, PairRoom, STEP, STEP_PAIRS};
use crate::layout::{ClkLayout, clks};

/// What a right row takes beside its CLK.
const ROW_BYTES: usize = 32;

/// What a partition needs beside its inputs.
pub(super) struct Probing {
    pub(super) writer: Writer,
    /// The CLK's column in the right input, and its layout.
    pub(super) clk: (usize, ClkLayout),
    /// The right columns that must be equal.
    pub(super) keys: Vec<usize>,
    pub(super) search: GroupSearch,
    pub(super) batch_size: usize,
    pub(super) room: PairRoom,
    pub(super) metrics: BlockedMetrics,
}

/// The pairs of one partition of both sides.
pub(super) fn pairs(
    collect: Collect,
    left: SendableRecordBatchStream,
    right: SendableRecordBatchStream,
    probing: Probing,
) -> SendableRecordBatchStream {
    let schema = Arc::clone(probing.writer.schema());
    let batches = stream::once(async move {
        let keys = Keys::new(probing.keys.clone(), &right)?;
        let build = collect.run(left).await?;
        let state = Probe { build, right, keys, probing, current: None };
        Ok::<_, DataFusionError>(stream::try_unfold(state, |mut state| async move {
            Ok(state.next_batch().await?.map(|batch| (batch, state)))
        }))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches.try_flatten()))
}

struct Probe {
    build: BuildSide,
    right: SendableRecordBatchStream,
    keys: Keys,
    probing: Probing,
    current: Option<Current>,
}

/// The right batch being compared: those of its rows that have a block, in the blocks' order.
struct Current {
    batch: RecordBatch,
    tokens: TokenRows,
    ones: Vec<u32>,
    /// By place among the tokens, the row of the batch.
    rows: Vec<u32>,
    /// What is still to be compared, the next last: places of left and of right rows.
    tiles: Vec<(Range<usize>, Range<usize>)>,
    /// Pairs found and not yet handed on.
    pending: Vec<Match>,
    /// Whether there is no memory for more until some are handed on.
    full: bool,
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
            loop {
                let waited = !current.pending.is_empty() && current.since.elapsed() >= PATIENCE;
                if current.tiles.is_empty()
                    || waited
                    || current.full
                    || current.pending.len() >= self.probing.batch_size
                {
                    break;
                }
                self.step(&mut current)?;
                tokio::task::yield_now().await;
            }
            let batch = if current.pending.is_empty() { None } else { Some(self.hand_on(&mut current)?) };
            if !current.tiles.is_empty() || !current.pending.is_empty() {
                self.current = Some(current);
            }
            if batch.is_some() {
                return Ok(batch);
            }
        }
    }

    fn start(&mut self, batch: RecordBatch) -> Result<Current> {
        let Probing { metrics, room, clk, .. } = &mut self.probing;
        let _timer = metrics.join.baseline.elapsed_compute().timer();
        metrics.join.probe_batches.add(1);
        metrics.join.probe_rows.add(batch.num_rows());
        let (column, layout) = *clk;
        let clks = clks(&batch, column)?;
        room.start(batch.num_rows() * (layout.bytes + ROW_BYTES))?;
        let keys = self.keys.of(&batch)?;
        let mut places: Vec<(Range<u32>, u32)> = Vec::with_capacity(batch.num_rows());
        for row in (0..batch.num_rows()).filter(|row| clks.is_valid(*row)) {
            let block = keys.get(row).and_then(|key| self.build.block(key));
            places.extend(block.map(|block| (block, row as u32)));
        }
        places.sort_unstable_by_key(|(block, row)| (block.start, *row));
        let mut tokens = layout.rows(places.len())?;
        let (mut ones, mut rows, mut tiles) = (Vec::with_capacity(places.len()), Vec::new(), Vec::new());
        for group in places.chunk_by(|a, b| a.0.start == b.0.start) {
            let first = rows.len();
            for (_, row) in group {
                tokens.push(clks.value(*row as usize)).map_err(|error| exec_datafusion_err!("{error}"))?;
                ones.push(tokens.popcount(rows.len()));
                rows.push(*row);
            }
            let block = group[0].0.start as usize..group[0].0.end as usize;
            for left in cut(block) {
                tiles.extend(cut(first..rows.len()).map(|right| (left.clone(), right)));
            }
        }
        room.start(tokens.bytes() + batch.num_rows() * ROW_BYTES + size_of_val(tiles.as_slice()))?;
        Ok(Current { batch, tokens, ones, rows, tiles, pending: Vec::new(), full: false, since: Instant::now() })
    }

    /// Compares tiles for about a millisecond.
    fn step(&mut self, current: &mut Current) -> Result<()> {
        let began = Instant::now();
        let Probing { metrics, search, room, .. } = &mut self.probing;
        let join = &metrics.join;
        let (_timer, _probe_timer) = (join.baseline.elapsed_compute().timer(), join.probe_time.timer());
        let found = current.pending.len();
        while let Some((mut left, right)) = current.tiles.pop() {
            // Any pair may come out: of a tile there are compared as many rows as there is memory for.
            let rows = match room.grant(&mut current.pending, left.len() * right.len(), right.len()) {
                Ok(pairs) => pairs / right.len(),
                Err(_) if !current.pending.is_empty() => 0,
                Err(refused) => return Err(refused),
            };
            current.full = rows < left.len() && !current.pending.is_empty();
            if rows < left.len() {
                current.tiles.push((left.start + rows..left.end, right.clone()));
                left.end = left.start + rows;
            }
            let left = Group { rows: &self.build.tokens, ones: &self.build.ones, range: left };
            let right = Group { rows: &current.tokens, ones: &current.ones, range: right };
            join.searched(search.search(&left, &right, &mut current.pending));
            if current.full || began.elapsed() >= STEP || current.pending.len() - found >= STEP_PAIRS {
                break;
            }
        }
        for pair in &mut current.pending[found..] {
            (pair.left, pair.right) = (self.build.rows[pair.left as usize], current.rows[pair.right as usize]);
        }
        join.pairs_kept.add(current.pending.len() - found);
        if found == 0 {
            current.since = began;
        }
        room.settle(current.pending.len())
    }

    fn hand_on(&self, current: &mut Current) -> Result<RecordBatch> {
        let Probing { metrics, writer, batch_size, .. } = &self.probing;
        let baseline = &metrics.join.baseline;
        let _timer = baseline.elapsed_compute().timer();
        (current.since, current.full) = (Instant::now(), false);
        let batch = writer.latest(&mut current.pending, *batch_size, &self.build.columns, &current.batch)?;
        Ok(batch.record_output(baseline))
    }
}

/// A range in parts that are searched at a time.
fn cut(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(GROUP_ROWS).map(move |from| from..(from + GROUP_ROWS).min(end))
}
