//! The search itself, band by band.

use std::fmt;

use super::super::rows::TokenRows;
use super::bands::Bands;
use super::blocks::Search;
use super::error::{LshError, Stopped};
use super::keys::Side;
use super::plan::LshPlan;
use crate::dice::{Kernel, Match};

/// Entries of a part: small enough that both sides' are sorted within the second-level cache.
const PART_ROWS: usize = 1 << 13;

/// Most parts, as a power of two: rows are dealt out to all of them at once, and each needs a line of the cache.
const MOST_PART_BITS: u32 = 11;

/// Where a search by bands may end up when data are skewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LshLimits {
    /// Most pairs of one block that are compared. The rest is counted: [`BandStats::uncompared`] and [`BandStats::lost`].
    pub block_pairs: u64,
}

impl Default for LshLimits {
    /// 2²⁸ pairs, about a quarter of a second of one core.
    fn default() -> Self {
        Self { block_pairs: 1 << 28 }
    }
}

/// What a search does next; a caller that has a clock measures with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Makes the keys of all rows.
    Keys,
    /// Deals them out into parts: the first digit of a radix sort.
    Deal,
    /// Sorts the parts, fetches the rows of every block and compares them.
    Blocks,
    /// Is done with the band.
    Done,
}

/// What one band did, or several.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BandStats {
    /// Bands that these counts are of.
    pub bands: u32,
    /// Blocks with rows of both sides.
    pub blocks: u64,
    /// Pairs of the largest block.
    pub largest_block: u64,
    /// Pairs compared; a pair that agrees in several bands counts in each.
    pub candidates: u64,
    /// Of these, the pairs given up early: in blocks of many rows on both sides.
    pub aborted: u64,
    /// Pairs at or above the threshold that agree in no earlier band.
    pub kept: u64,
    /// Blocks with more pairs than are allowed.
    pub capped_blocks: u64,
    /// Pairs of such blocks that were not compared.
    pub uncompared: u64,
    /// About how many pairs that lost: as many per pair not compared as were kept per pair compared in the same block.
    pub lost: f64,
}

impl BandStats {
    /// Adds the counts of other bands.
    pub fn add(&mut self, other: &Self) {
        self.bands += other.bands;
        self.blocks += other.blocks;
        self.largest_block = self.largest_block.max(other.largest_block);
        self.candidates += other.candidates;
        self.aborted += other.aborted;
        self.kept += other.kept;
        self.capped_blocks += other.capped_blocks;
        self.uncompared += other.uncompared;
        self.lost += other.lost;
    }
}

/// A search by bands over two tables.
///
/// Work is shared by the threads of the current rayon pool.
pub struct LshJoin<'a> {
    left: Side<'a>,
    right: Side<'a>,
    bands: Bands,
    plan: LshPlan,
    kernel: Kernel,
    limits: LshLimits,
    next: u32,
}

impl<'a> LshJoin<'a> {
    /// A search of `left` × `right` by this plan.
    ///
    /// # Errors
    /// When the tables' CLKs have another length than the plan's.
    ///
    /// # Panics
    /// When a table has more than 2³² rows.
    pub fn new(
        left: &'a TokenRows,
        right: &'a TokenRows,
        plan: LshPlan,
        kernel: Kernel,
        limits: LshLimits,
    ) -> Result<Self, LshError> {
        let words = plan.clk_bits() as usize / 64;
        if left.words() != words || right.words() != words {
            return Err(LshError::Lengths);
        }
        assert!(u32::try_from(left.rows().max(right.rows())).is_ok(), "rows are numbered in 32 bits");
        let bands = Bands::draw(words, plan.bits(), plan.bands(), plan.seed());
        Ok(Self { left: Side::new(left), right: Side::new(right), bands, plan, kernel, limits, next: 0 })
    }

    /// The same search without the bands before `band`, which somebody else searches: a pair that agrees in one of them is theirs.
    #[must_use]
    pub fn from_band(self, band: u32) -> Self {
        Self { next: band.min(self.plan.bands()), ..self }
    }

    /// Memory of a search, beside the tokens and the pairs.
    pub fn bytes_for(left_rows: usize, right_rows: usize) -> usize {
        Side::bytes_for(left_rows) + Side::bytes_for(right_rows)
    }

    /// Searches the next band and appends its pairs to `out`; `None` when all bands are done.
    ///
    /// `stop` is asked about every ten thousand rows, and about every million pairs of a large block. `grant` is asked whether
    /// so many more matches may be held, [`size_of::<Match>()`](Match) bytes each, before room is made for them: in all for those
    /// that are appended and for what they were found in, at most half as much again as they are. What was granted is the
    /// caller's to take back when the band is done. `stage` is told what comes next.
    ///
    /// # Errors
    /// When `stop` says yes or `grant` says no. The search is then of no further use.
    pub fn next_band(
        &mut self,
        out: &mut Vec<Match>,
        stop: &(dyn Fn() -> bool + Sync),
        grant: &(dyn Fn(usize) -> bool + Sync),
        stage: &mut dyn FnMut(Stage),
    ) -> Result<Option<BandStats>, Stopped> {
        if self.next == self.plan.bands() {
            return Ok(None);
        }
        let band = self.next as usize;
        stage(Stage::Keys);
        self.left.find_filled(stop)?;
        self.right.find_filled(stop)?;
        self.left.make_keys(&self.bands, band, stop)?;
        self.right.make_keys(&self.bands, band, stop)?;
        stage(Stage::Deal);
        let part_bits = (self.left.filled().max(self.right.filled()) / PART_ROWS).max(1).ilog2().min(MOST_PART_BITS);
        let (left, right) = (self.left.tokens, self.right.tokens);
        let parts = (self.left.deal(part_bits, stop)?, self.right.deal(part_bits, stop)?);
        stage(Stage::Blocks);
        let search = Search {
            left,
            right,
            bands: &self.bands,
            band,
            threshold: self.plan.threshold(),
            kernel: self.kernel,
            block_pairs: self.limits.block_pairs.max(1),
            stop,
            grant,
        };
        let mut stats = search.parts(parts.0, parts.1, out)?;
        stats.bands = 1;
        self.next += 1;
        stage(Stage::Done);
        Ok(Some(stats))
    }
}

impl fmt::Debug for LshJoin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LshJoin").field("plan", &self.plan).field("next", &self.next).finish_non_exhaustive()
    }
}
