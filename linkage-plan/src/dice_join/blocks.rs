//! CLKs laid out in blocks, one filled after another.

use arrow::array::{Array, FixedSizeBinaryArray};
use datafusion::common::Result;
use linkage_core::dice::ClkBlock;

use crate::layout::{ClkLayout, for_each};

/// Rows of one block: 8 MiB of CLKs of 1024 bits. Blocks are filled one after another, because one that grew with the
/// input would have to be copied to grow, and because one of segmented CLKs is made at once.
pub(super) const BLOCK_ROWS: usize = 65_536;

/// What a row takes while it waits for its block: its place among them, beside its CLK.
const WAITING_BYTES: usize = 40;

/// Blocks in the making.
pub(super) struct Blocks {
    layout: ClkLayout,
    /// Composite CLKs go straight into the last of these.
    blocks: Vec<ClkBlock>,
    /// Columns of segmented CLKs, less than a block of rows.
    waiting: Vec<FixedSizeBinaryArray>,
    waiting_rows: usize,
}

impl Blocks {
    pub(super) fn new(layout: ClkLayout) -> Self {
        Self { layout, blocks: Vec::new(), waiting: Vec::new(), waiting_rows: 0 }
    }

    /// What so many rows take at most, those that wait for their block among them.
    pub(super) fn bytes_for(layout: ClkLayout, rows: usize) -> usize {
        if layout.segments == 1 {
            // Blocks are filled to a multiple of eight rows, so one of all rows takes as much as all of them.
            return layout.block_bytes(rows);
        }
        let blocks = rows / BLOCK_ROWS * layout.block_bytes(BLOCK_ROWS) + layout.block_bytes(rows % BLOCK_ROWS);
        blocks + rows.min(BLOCK_ROWS) * (layout.bytes + WAITING_BYTES)
    }

    /// Takes a batch's CLKs.
    pub(super) fn push(&mut self, clks: &FixedSizeBinaryArray) -> Result<()> {
        let mut from = 0;
        while from < clks.len() {
            let held = if self.layout.segments == 1 {
                self.blocks.last().map_or(BLOCK_ROWS, ClkBlock::rows) % BLOCK_ROWS
            } else {
                self.waiting_rows
            };
            let rows = (BLOCK_ROWS - held).min(clks.len() - from);
            let part = clks.slice(from, rows);
            if self.layout.segments > 1 {
                self.waiting.push(part);
                self.waiting_rows += rows;
                if self.waiting_rows == BLOCK_ROWS {
                    self.fill()?;
                }
            } else if held == 0 {
                self.blocks.push(self.layout.block(&[part])?);
            } else if let Some(block) = self.blocks.last_mut() {
                block.reserve(rows);
                for_each(&part, |clk| block.push(clk))?;
            }
            from += rows;
        }
        Ok(())
    }

    /// All rows: blocks of [`BLOCK_ROWS`] rows each, but the last.
    pub(super) fn finish(mut self) -> Result<Vec<ClkBlock>> {
        if self.waiting_rows > 0 {
            self.fill()?;
        }
        Ok(self.blocks)
    }

    fn fill(&mut self) -> Result<()> {
        self.blocks.push(self.layout.block(&self.waiting)?);
        (self.waiting_rows, self.waiting) = (0, Vec::new());
        Ok(())
    }
}
