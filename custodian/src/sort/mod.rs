//! Sorting rows by record ref within a memory budget.
//!
//! Record refs are keyed PRF outputs, so their order is the keyed permutation that hides the order of the extract, and
//! it brings duplicates together. Rows are fixed-width; when they exceed the budget, sorted runs go to one anonymous
//! file (unlinked, so that a crash leaves nothing; enciphered, so that no token lies open on a disk) and are merged from there.

mod spill;

use std::collections::BinaryHeap;
use std::io;
use std::path::{Path, PathBuf};

use linkage_core::encode::Token;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use spill::{Run, Spill};

/// The record ref, then how old the row is, then its number: of the rows of one ref the newest comes first, and the
/// order of the file decides between equally new ones.
const KEY: usize = 16 + 8;

/// Bits of the row's number in the key; the age has the others.
const ROW_BITS: u32 = 44;

/// What is left of a key's last eight bytes without the age.
const ROW_MASK: u64 = (1 << ROW_BITS) - 1;

/// The greatest age; months since the year 0 stay far below it.
const MAX_AGE: u32 = (1 << (64 - ROW_BITS)) - 1;

/// How a token becomes bytes of fixed width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowCodec {
    clk_bytes: usize,
    equal: usize,
}

/// A token as it stands in a sorted row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    codec: RowCodec,
    bytes: &'a [u8],
}

impl RowCodec {
    /// Rows with `equal` exact tokens and blocking keys in all.
    pub(crate) fn new(clk_bits: usize, equal: usize) -> Self {
        Self { clk_bytes: clk_bits / 8, equal }
    }

    /// The bytes of a row.
    pub(crate) fn width(self) -> usize {
        KEY + 2 + self.clk_bytes + 17 * self.equal
    }

    /// Appends one row.
    pub(crate) fn write(self, record_ref: &[u8; 16], newness: u32, row: u64, token: &Token, out: &mut Vec<u8>) {
        out.extend_from_slice(record_ref);
        // Big-endian, so that bytes compare as numbers do.
        let order = u64::from(MAX_AGE.saturating_sub(newness)) << ROW_BITS | row & ROW_MASK;
        out.extend_from_slice(&order.to_be_bytes());
        out.extend_from_slice(&token.presence.to_le_bytes());
        token.clk.words().iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        for value in token.exact.iter().chain(&token.blocking) {
            out.push(u8::from(value.is_some()));
            out.extend_from_slice(&value.unwrap_or_default());
        }
    }
}

impl<'a> Row<'a> {
    pub(crate) fn record_ref(self) -> [u8; 16] {
        self.array(0)
    }

    pub(crate) fn row(self) -> u64 {
        u64::from_be_bytes(self.array(16)) & ROW_MASK
    }

    pub(crate) fn presence(self) -> u16 {
        u16::from_le_bytes(self.array(KEY))
    }

    pub(crate) fn clk(self) -> &'a [u8] {
        &self.bytes[KEY + 2..KEY + 2 + self.codec.clk_bytes]
    }

    /// How many bits of the CLK are set.
    pub(crate) fn clk_ones(self) -> u32 {
        // A CLK is whole words of 64 bits, so nothing remains after the chunks.
        self.clk().as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum()
    }

    /// An exact token, or after all of those a blocking key.
    pub(crate) fn equal(self, index: usize) -> Option<[u8; 16]> {
        let at = KEY + 2 + self.codec.clk_bytes + 17 * index;
        (self.bytes[at] == 1).then(|| self.array(at + 1))
    }

    fn array<const N: usize>(self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[at..at + N]);
        array
    }
}

/// Takes rows in any order.
///
/// They are kept in buckets by the first byte of their refs, which fall evenly: a bucket of a million rows in all fits
/// the processor's caches, so that putting it in order does not wait for memory at every row.
pub(crate) struct Sorter {
    codec: RowCodec,
    folder: PathBuf,
    budget_bytes: usize,
    buckets: Vec<Vec<u8>>,
    rows: usize,
    spill: Option<Spill>,
    runs: Vec<Run>,
}

impl Sorter {
    /// A sorter that keeps about `budget_bytes` in memory and spills into an anonymous file in `folder`.
    pub(crate) fn new(codec: RowCodec, folder: &Path, budget_bytes: usize) -> Self {
        let buckets = vec![Vec::new(); 256];
        Self { codec, folder: folder.to_owned(), budget_bytes, buckets, rows: 0, spill: None, runs: Vec::new() }
    }

    /// Takes rows that [`RowCodec::write`] has written.
    ///
    /// # Errors
    /// When the runs cannot be written.
    pub(crate) fn push(&mut self, rows: &[u8]) -> io::Result<()> {
        let per_row = self.codec.width();
        for row in rows.chunks_exact(self.codec.width()) {
            if (self.rows + 1) * per_row > self.budget_bytes && self.rows > 0 {
                self.spill()?;
            }
            self.buckets[usize::from(row[0])].extend_from_slice(row);
            self.rows += 1;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let width = self.codec.width();
        self.buckets.par_iter_mut().for_each(|bucket| sort_bucket(bucket, width));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill::create(&self.folder)?),
        };
        let width = self.codec.width();
        self.runs.push(spill.write_run(self.buckets.iter().flat_map(|bucket| bucket.chunks_exact(width)))?);
        self.buckets.iter_mut().for_each(Vec::clear);
        self.rows = 0;
        Ok(())
    }

    /// No more rows: they can now be read in order, as often as is needed.
    ///
    /// # Errors
    /// When the last run cannot be written.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        if self.spill.is_some() && self.rows > 0 {
            self.spill()?;
        }
        self.sort();
        let Self { codec, budget_bytes, buckets, spill, runs, .. } = self;
        Ok(Sorted { codec, budget_bytes, buckets, spill, runs })
    }
}

/// Puts the rows of one bucket in order.
fn sort_bucket(rows: &mut Vec<u8>, width: usize) {
    let mut order: Vec<_> = rows.chunks_exact(width).enumerate().map(|(index, row)| (key_of(row), index)).collect();
    order.sort_unstable();
    let mut sorted = Vec::with_capacity(rows.len());
    order.iter().for_each(|(_, index)| sorted.extend_from_slice(&rows[index * width..][..width]));
    *rows = sorted;
}

/// The key of a row as numbers, which order as its bytes do.
fn key_of(row: &[u8]) -> (u128, u64) {
    let (record_ref, rest) = row.split_at(16);
    let number = rest.first_chunk().expect("a row begins with its key");
    (u128::from_be_bytes(record_ref.try_into().expect("16 bytes")), u64::from_be_bytes(*number))
}

/// All rows, in the order of their refs.
pub(crate) struct Sorted {
    codec: RowCodec,
    budget_bytes: usize,
    buckets: Vec<Vec<u8>>,
    spill: Option<Spill>,
    runs: Vec<Run>,
}

impl Sorted {
    /// Passes every row in order: the first of each record ref (the newest) to `keep`, the others to `duplicate`.
    ///
    /// # Errors
    /// What `keep` fails with, or an error of the file that holds the runs.
    pub(crate) fn for_each(
        &self,
        mut keep: impl FnMut(Row<'_>) -> anyhow::Result<()>,
        mut duplicate: impl FnMut(Row<'_>),
    ) -> anyhow::Result<()> {
        let mut last: Option<[u8; 16]> = None;
        self.in_order(|bytes| {
            let row = Row { codec: self.codec, bytes };
            if last.replace(row.record_ref()) == Some(row.record_ref()) {
                duplicate(row);
                return Ok(());
            }
            keep(row)
        })
    }

    fn in_order(&self, mut each: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let width = self.codec.width();
        let Some(spill) = &self.spill else {
            return self.buckets.iter().flat_map(|bucket| bucket.chunks_exact(width)).try_for_each(each);
        };
        let rows_each = (self.budget_bytes / self.runs.len() / width).clamp(1, 4096);
        let mut readers: Vec<_> = self.runs.iter().map(|run| spill.read_run(*run, width, rows_each)).collect();
        let mut heap = BinaryHeap::with_capacity(readers.len());
        for (index, reader) in readers.iter_mut().enumerate() {
            if let Some(row) = reader.current()? {
                heap.push(std::cmp::Reverse((key_of(row), index)));
            }
        }
        while let Some(std::cmp::Reverse((_, index))) = heap.pop() {
            let reader = &mut readers[index];
            if let Some(row) = reader.current()? {
                each(row)?;
            }
            reader.advance();
            if let Some(row) = reader.current()? {
                heap.push(std::cmp::Reverse((key_of(row), index)));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
