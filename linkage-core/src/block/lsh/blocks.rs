//! The pairs of one band: blocks of equal keys, compared where the rows are near.

use std::ops::Range;

use rayon::prelude::*;

use super::super::room::make_room;
use super::super::rows::TokenRows;
use super::bands::Bands;
use super::error::Stopped;
use super::join::BandStats;
use super::keys::{key, row};
use crate::dice::{DiceThreshold, Kernel, Match, RowKernel, search};

/// Rows that are fetched into one place before they are compared. Their fetches do not wait for each other, and what is
/// fetched stays in the second-level cache.
const BATCH_ROWS: usize = 1024;

/// Rows of either side of a piece of a block.
const PIECE_ROWS: usize = 512;

/// From how many rows on either side a block is worth laying out for the kernels.
const LAID_OUT_ROWS: usize = 64;

/// From how many pairs on a block is compared by all threads together, after the others.
const LARGE_PAIRS: u64 = 1 << 22;

/// Rows of a tile of a large block.
const TILE_ROWS: usize = 4096;

/// Tiles of a large block that a thread compares before their pairs are put together.
const TILES_PER_THREAD: usize = 2;

/// Pairs that are compared at a time, between two looks at whether to stop: what is found of them is held, 16 MB at most and a
/// thread, before there is a grant for it.
const STEP_PAIRS: usize = 1 << 20;

/// What stays the same over all parts of a band.
pub(super) struct Search<'a> {
    pub(super) left: &'a TokenRows,
    pub(super) right: &'a TokenRows,
    pub(super) bands: &'a Bands,
    pub(super) band: usize,
    pub(super) threshold: DiceThreshold,
    pub(super) kernel: Kernel,
    /// Most pairs of one block that are compared.
    pub(super) block_pairs: u64,
    pub(super) stop: &'a (dyn Fn() -> bool + Sync),
    /// Whether so many more matches may be held.
    pub(super) grant: &'a (dyn Fn(usize) -> bool + Sync),
}

/// A block: entries of one key, as places in the two lists.
type Block = (Range<usize>, Range<usize>);

impl Search<'_> {
    /// Compares the parts of both sides and appends the pairs, in an order that the threads have no say in.
    pub(super) fn parts(
        &self,
        left: Vec<&mut [u64]>,
        right: Vec<&mut [u64]>,
        out: &mut Vec<Match>,
    ) -> Result<BandStats, Stopped> {
        let parts = left.into_par_iter().zip(right).map(|(left, right)| {
            if (self.stop)() {
                return Err(Stopped);
            }
            left.sort_unstable();
            right.sort_unstable();
            self.part(left, right)
        });
        let parts: Vec<Part<'_>> = parts.collect::<Result<_, _>>()?;
        let mut stats = BandStats::default();
        let mut large = Vec::new();
        self.make_place(out, parts.iter().map(|part| part.found.len()).sum())?;
        for part in parts {
            if (self.stop)() {
                return Err(Stopped);
            }
            stats.add(&part.stats);
            out.extend_from_slice(&part.found);
            large.extend(part.large);
        }
        for (left, right) in large {
            stats.add(&self.large(left, right, out)?);
        }
        Ok(stats)
    }

    /// One part: both sides in order, merged.
    fn part<'b>(&self, left: &'b [u64], right: &'b [u64]) -> Result<Part<'b>, Stopped> {
        let mut part = Part::default();
        let mut batch = Batch::new(self);
        let (mut l, mut r) = (0, 0);
        while l < left.len() && r < right.len() {
            let (left_key, right_key) = (key(left[l]), key(right[r]));
            if left_key < right_key {
                l += 1;
            } else if right_key < left_key {
                r += 1;
            } else {
                let (left_end, right_end) = (end(left, l), end(right, r));
                let (rows, pairs) = ((left_end - l, right_end - r), (left_end - l) as u64 * (right_end - r) as u64);
                part.stats.blocks += 1;
                part.stats.largest_block = part.stats.largest_block.max(pairs);
                if pairs >= LARGE_PAIRS.min(self.block_pairs) {
                    part.large.push((&left[l..left_end], &right[r..right_end]));
                } else if rows.0.min(rows.1) >= LAID_OUT_ROWS {
                    part.stats.candidates += pairs;
                    part.stats.aborted += self.laid_out(&left[l..left_end], &right[r..right_end], &mut part.found)?;
                } else {
                    part.stats.candidates += pairs;
                    batch.add((l..left_end, r..right_end), left, right, &mut part.found)?;
                }
                (l, r) = (left_end, right_end);
            }
        }
        batch.flush(left, right, &mut part.found)?;
        part.stats.kept = part.found.len() as u64;
        Ok(part)
    }

    /// Makes room for exactly so many more pairs, after asking for it: those who found them still hold them as well.
    fn make_place(&self, out: &mut Vec<Match>, more: usize) -> Result<(), Stopped> {
        let missing = (out.len() + more).saturating_sub(out.capacity());
        if missing > 0 && !(self.grant)(missing) {
            return Err(Stopped);
        }
        out.reserve_exact(more);
        Ok(())
    }

    /// A block with many rows on both sides, by the kernels that compare all pairs of two blocks. Returns how many pairs they gave
    /// up early.
    fn laid_out(&self, left: &[u64], right: &[u64], found: &mut Vec<Match>) -> Result<u64, Stopped> {
        let left_block = self.left.block(left.iter().map(|entry| row(*entry)));
        let right_block = self.right.block(right.iter().map(|entry| row(*entry)));
        let (mut near, mut aborted) = (Vec::new(), 0);
        let step_rows = (STEP_PAIRS / right.len().max(1)).max(8) / 8 * 8;
        for from in (0..left.len()).step_by(step_rows) {
            if (self.stop)() {
                return Err(Stopped);
            }
            let (left_rows, right_rows) = (from..(from + step_rows).min(left.len()), 0..right.len());
            let stats =
                search(self.kernel, &left_block, left_rows, &right_block, right_rows, self.threshold, &mut near);
            aborted += stats.aborted;
            near.retain_mut(|pair| {
                let (left, right) = (row(left[pair.left as usize]), row(right[pair.right as usize]));
                (pair.left, pair.right) = (left as u32, right as u32);
                self.is_first(left, right)
            });
            make_room(found, near.len(), self.grant)?;
            found.append(&mut near);
        }
        Ok(aborted)
    }

    /// A block of very many pairs: in tiles that all threads share, and no further than the cap.
    fn large(&self, left: &[u64], right: &[u64], out: &mut Vec<Match>) -> Result<BandStats, Stopped> {
        let all = left.len() as u64 * right.len() as u64;
        let (left, right) = capped(left, right, self.block_pairs);
        let compared = left.len() as u64 * right.len() as u64;
        let tiles: Vec<(&[u64], &[u64])> =
            left.chunks(TILE_ROWS).flat_map(|left| right.chunks(TILE_ROWS).map(move |right| (left, right))).collect();
        let mut stats = BandStats { candidates: compared, ..BandStats::default() };
        for tiles in tiles.chunks(TILES_PER_THREAD * rayon::current_num_threads()) {
            let found = tiles.par_iter().map(|(left, right)| {
                let mut found = Vec::new();
                let aborted = self.laid_out(left, right, &mut found)?;
                Ok((found, aborted))
            });
            let found: Vec<(Vec<Match>, u64)> = found.collect::<Result<_, _>>()?;
            self.make_place(out, found.iter().map(|(tile, _)| tile.len()).sum())?;
            for (tile, aborted) in found {
                stats.aborted += aborted;
                stats.kept += tile.len() as u64;
                out.extend(tile);
            }
        }
        if compared < all {
            stats.capped_blocks = 1;
            stats.uncompared = all - compared;
            // The rows left out are no others than those compared: rows of a block are in the order of record refs, which are
            // random. Those pairs would have come out here and nowhere else.
            stats.lost = stats.kept as f64 * stats.uncompared as f64 / compared.max(1) as f64;
        }
        Ok(stats)
    }

    fn is_first(&self, left: usize, right: usize) -> bool {
        self.bands.is_first(self.band, self.left.row(left), self.right.row(right))
    }
}

/// What a part brought.
#[derive(Default)]
struct Part<'a> {
    found: Vec<Match>,
    stats: BandStats,
    large: Vec<(&'a [u64], &'a [u64])>,
}

/// Where the run of equal keys ends that begins at `from`.
fn end(entries: &[u64], from: usize) -> usize {
    let first = key(entries[from]);
    from + entries[from..].iter().take_while(|entry| key(**entry) == first).count()
}

/// As many rows of both sides as the cap allows, in proportion; at least one pair.
fn capped<'a>(left: &'a [u64], right: &'a [u64], most: u64) -> (&'a [u64], &'a [u64]) {
    let all = left.len() as f64 * right.len() as f64;
    if all <= most as f64 {
        return (left, right);
    }
    let share = (most as f64 / all).sqrt();
    let left_rows = ((left.len() as f64 * share) as usize).clamp(1, left.len());
    let right_rows = (most as usize / left_rows).clamp(1, right.len());
    (&left[..left_rows], &right[..right_rows])
}

/// Small blocks, fetched together and then compared.
struct Batch<'a> {
    search: &'a Search<'a>,
    kernel: RowKernel,
    words: usize,
    blocks: Vec<Block>,
    to_fetch: usize,
    rows: Vec<u64>,
    ones: Vec<u32>,
    common: Vec<u32>,
}

impl<'a> Batch<'a> {
    fn new(search: &'a Search<'a>) -> Self {
        let words = search.left.words();
        Self {
            search,
            kernel: RowKernel::of(search.kernel),
            words,
            blocks: Vec::new(),
            to_fetch: 0,
            rows: Vec::new(),
            ones: Vec::new(),
            common: Vec::new(),
        }
    }

    /// Takes a block, in pieces when it is long on one side.
    fn add(&mut self, block: Block, left: &[u64], right: &[u64], found: &mut Vec<Match>) -> Result<(), Stopped> {
        for l in block.0.clone().step_by(PIECE_ROWS) {
            for r in block.1.clone().step_by(PIECE_ROWS) {
                let piece = (l..(l + PIECE_ROWS).min(block.0.end), r..(r + PIECE_ROWS).min(block.1.end));
                self.to_fetch += piece.0.len() + piece.1.len();
                self.blocks.push(piece);
                if self.to_fetch >= BATCH_ROWS {
                    self.flush(left, right, found)?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self, left: &[u64], right: &[u64], found: &mut Vec<Match>) -> Result<(), Stopped> {
        let Self { search, kernel, words, rows, ones, common, .. } = self;
        if (search.stop)() {
            return Err(Stopped);
        }
        rows.clear();
        for (l, r) in &self.blocks {
            for entry in &left[l.clone()] {
                rows.extend_from_slice(search.left.row(row(*entry)));
            }
            for entry in &right[r.clone()] {
                rows.extend_from_slice(search.right.row(row(*entry)));
            }
        }
        ones.clear();
        ones.extend(rows.chunks_exact(*words).map(|row| {
            let mut ones = [0];
            kernel.common(row, row, &mut ones);
            ones[0]
        }));
        let mut at = 0;
        for (l, r) in self.blocks.drain(..) {
            let middle = at + l.len();
            let end = middle + r.len();
            let right_rows = &rows[middle * *words..end * *words];
            common.resize(r.len(), 0);
            for (l, place) in l.zip(at..middle) {
                let left_row = &rows[place * *words..][..*words];
                kernel.common(left_row, right_rows, common);
                for ((offset, intersection), right_ones) in common.iter().enumerate().zip(&ones[middle..end]) {
                    if search.threshold.accepts(*intersection, ones[place], *right_ones)
                        && search.bands.is_first(search.band, left_row, &right_rows[offset * *words..][..*words])
                    {
                        let (left, right) = (row(left[l]) as u32, row(right[r.start + offset]) as u32);
                        let ones = ones[place] + right_ones;
                        make_room(found, 1, search.grant)?;
                        found.push(Match { left, right, intersection: *intersection, ones });
                    }
                }
            }
            at = end;
        }
        self.to_fetch = 0;
        Ok(())
    }
}
