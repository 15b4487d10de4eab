//! One band's entries of one side: (key, row), dealt out by the first bits of the key.

use std::mem::size_of;

use rayon::prelude::*;

use super::super::rows::TokenRows;
use super::bands::Bands;
use super::error::Stopped;

/// Rows whose keys are made at a time, between two looks at whether to stop.
const CHUNK_ROWS: usize = 1 << 14;

/// Parts in which rows are dealt out side by side. More would cost more slices than they bring.
const DEALERS: usize = 16;

/// A whole side: keys by row, then entries by part.
pub(super) struct Side<'a> {
    pub(super) tokens: &'a TokenRows,
    /// Rows with a bit set, one bit per row: an empty filter matches nothing and would only fill up a block.
    /// Empty until they are looked for.
    filled: Vec<u64>,
    keys: Vec<u32>,
    /// Key in the upper half, row in the lower, so that entries sort by key and then by row.
    entries: Vec<u64>,
}

impl<'a> Side<'a> {
    pub(super) fn new(tokens: &'a TokenRows) -> Self {
        Self { tokens, filled: Vec::new(), keys: Vec::new(), entries: Vec::new() }
    }

    /// Looks which rows have a bit set, and makes room for keys and entries; the first band does it.
    pub(super) fn find_filled(&mut self, stop: &(dyn Fn() -> bool + Sync)) -> Result<(), Stopped> {
        let tokens = self.tokens;
        if self.keys.len() == tokens.rows() {
            return Ok(());
        }
        let mut filled = vec![0_u64; tokens.rows().div_ceil(64)];
        filled.par_chunks_mut(CHUNK_ROWS / 64).enumerate().try_for_each(|(chunk, filled)| {
            if stop() {
                return Err(Stopped);
            }
            for row in chunk * CHUNK_ROWS..(chunk * CHUNK_ROWS + filled.len() * 64).min(tokens.rows()) {
                let is_filled = tokens.row(row).iter().any(|word| *word != 0);
                filled[row % CHUNK_ROWS / 64] |= u64::from(is_filled) << (row % 64);
            }
            Ok(())
        })?;
        self.entries = vec![0; filled.iter().map(|word| word.count_ones() as usize).sum()];
        self.keys = vec![0; tokens.rows()];
        self.filled = filled;
        Ok(())
    }

    /// Memory of a side of `rows` rows, beside its tokens.
    pub(super) fn bytes_for(rows: usize) -> usize {
        rows.div_ceil(64) * size_of::<u64>() + rows * (size_of::<u32>() + size_of::<u64>())
    }

    /// Rows with a bit set.
    pub(super) fn filled(&self) -> usize {
        self.entries.len()
    }

    /// Makes the keys of a band.
    pub(super) fn make_keys(
        &mut self,
        bands: &Bands,
        band: usize,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Stopped> {
        let (words, all) = (self.tokens.words(), self.tokens.all());
        self.keys.par_chunks_mut(CHUNK_ROWS).zip(all.par_chunks(CHUNK_ROWS * words)).try_for_each(|(keys, rows)| {
            if stop() {
                return Err(Stopped);
            }
            bands.keys(band, rows, keys);
            Ok(())
        })
    }

    /// Deals the entries out into 2^`bits` parts by the first bits of their keys, and returns the parts.
    ///
    /// This is the first digit of a radix sort; the parts are small enough to be sorted within the caches.
    pub(super) fn deal(&mut self, bits: u32, stop: &(dyn Fn() -> bool + Sync)) -> Result<Vec<&mut [u64]>, Stopped> {
        let Self { filled, keys, entries, .. } = self;
        let part_of = |key: u32| (u64::from(key) >> (32 - bits)) as usize;
        let parts = 1 << bits;
        // Whole words of `filled` per dealer.
        let step = keys.len().div_ceil(DEALERS).next_multiple_of(64).max(64);
        let is_filled = |row: usize| filled[row / 64] >> (row % 64) & 1 != 0;
        let counts: Vec<Vec<u32>> = keys
            .par_chunks(step)
            .enumerate()
            .map(|(dealer, keys)| {
                let mut counts = vec![0_u32; parts];
                for (row, key) in (dealer * step..).zip(keys) {
                    if row % CHUNK_ROWS == 0 && stop() {
                        return Err(Stopped);
                    }
                    counts[part_of(*key)] += u32::from(is_filled(row));
                }
                Ok(counts)
            })
            .collect::<Result<_, _>>()?;
        // Every dealer gets its own piece of every part, in the order of rows.
        let mut pieces: Vec<Vec<&mut [u64]>> = counts.iter().map(|_| Vec::with_capacity(parts)).collect();
        let mut rest = entries.as_mut_slice();
        for part in 0..parts {
            for (counts, pieces) in counts.iter().zip(&mut pieces) {
                let (piece, after) = rest.split_at_mut(counts[part] as usize);
                pieces.push(piece);
                rest = after;
            }
        }
        keys.par_chunks(step).zip(pieces).enumerate().try_for_each(|(dealer, (keys, mut pieces))| {
            let mut filled_to = vec![0_u32; parts];
            for (row, key) in (dealer * step..).zip(keys) {
                if row % CHUNK_ROWS == 0 && stop() {
                    return Err(Stopped);
                }
                if is_filled(row) {
                    let part = part_of(*key);
                    pieces[part][filled_to[part] as usize] = u64::from(*key) << 32 | row as u64;
                    filled_to[part] += 1;
                }
            }
            Ok(())
        })?;
        let mut out = Vec::with_capacity(parts);
        let mut rest = entries.as_mut_slice();
        for part in 0..parts {
            let size = counts.iter().map(|counts| counts[part] as usize).sum();
            let (piece, after) = rest.split_at_mut(size);
            out.push(piece);
            rest = after;
        }
        Ok(out)
    }
}

/// The key of an entry.
pub(super) fn key(entry: u64) -> u32 {
    (entry >> 32) as u32
}

/// The row of an entry.
pub(super) fn row(entry: u64) -> usize {
    entry as u32 as usize
}
