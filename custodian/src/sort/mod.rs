//! Sorting rows by record ref within a memory budget.
//!
//! Record refs are keyed PRF outputs, so their order is the keyed permutation that hides the order of the extract, and
//! it brings duplicates together. Rows are fixed-width; when they exceed the budget, sorted runs go to one anonymous
//! file (unlinked, so that a crash leaves nothing; enciphered, so that no token lies open on a disk) and are merged from there.

mod bucket;
mod spill;

use std::collections::BinaryHeap;
use std::io;
use std::path::{Path, PathBuf};

use linkage_core::encode::Token;
use linkage_core::source::NEWNESS_BITS;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use bucket::Bucket;
use spill::Nameless;
pub(crate) use spill::{Run, SpillKey, write_run};

use crate::findings::{Findings, Rows};
use crate::work::WorkFolder;

/// The record ref, then how old the row is, then its number: of the rows of one ref the newest comes first, and the
/// order of the file decides between equally new ones.
const KEY: usize = 16 + 8;

/// Bits of the row's number in the key; the age has the others. 34 thousand million rows are more than a site has.
const ROW_BITS: u32 = 64 - NEWNESS_BITS;

/// What is left of a key's last eight bytes without the age.
const ROW_MASK: u64 = (1 << ROW_BITS) - 1;

/// The greatest age.
const MAX_AGE: u32 = (1 << NEWNESS_BITS) - 1;

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
        let at = out.len();
        out.resize(at + self.clk_bytes, 0);
        let clk = out[at..].as_chunks_mut::<8>().0;
        clk.iter_mut().zip(token.clk.words()).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
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
pub(crate) struct Sorter<'a> {
    codec: RowCodec,
    place: Place<'a>,
    budget_bytes: usize,
    buckets: Vec<Bucket>,
    rows: usize,
    /// Bits set in the CLKs of all rows.
    ones: u64,
    runs: Vec<Run>,
}

/// Where runs go.
enum Place<'a> {
    /// Into a file without a name in this folder, made when it is needed.
    Nameless(PathBuf, Option<Nameless>),
    /// Into a work folder, from which a later process can go on.
    Work(WorkFolder<'a>),
}

impl<'a> Sorter<'a> {
    /// A sorter that keeps about `budget_bytes` in memory and spills into an anonymous file in `folder`.
    pub(crate) fn new(codec: RowCodec, folder: &Path, budget_bytes: usize) -> Self {
        let buckets = vec![Bucket::default(); 256];
        let place = Place::Nameless(folder.to_owned(), None);
        Self { codec, place, budget_bytes, buckets, rows: 0, ones: 0, runs: Vec::new() }
    }

    /// A sorter that goes on from the runs of a work folder, and spills into it at checkpoints alone.
    pub(crate) fn in_work(codec: RowCodec, work: WorkFolder<'a>, runs: Vec<Run>, budget_bytes: usize) -> Self {
        let buckets = vec![Bucket::default(); 256];
        Self { codec, place: Place::Work(work), budget_bytes, buckets, rows: 0, ones: 0, runs }
    }

    /// The work folder, when there is one and its next run is due: when a batch of this size would exceed the budget.
    pub(crate) fn checkpoint_is_due(&self, batch_rows: usize) -> bool {
        matches!(self.place, Place::Work(_)) && (self.rows + batch_rows) * self.codec.width() > self.budget_bytes
    }

    /// Writes what is in memory as a run and makes it last that everything up to here has been done.
    ///
    /// # Errors
    /// When the work folder cannot be written.
    pub(crate) fn checkpoint(&mut self, batches: u64, chain: &[u8; 32], findings: &Findings) -> io::Result<()> {
        if self.rows > 0 {
            self.spill()?;
        }
        match &self.place {
            Place::Work(work) => work.commit(batches, chain, findings),
            Place::Nameless(..) => Ok(()),
        }
    }

    /// Takes rows that [`RowCodec::write`] has written, in whose CLKs so many bits are set in all.
    ///
    /// # Errors
    /// When the runs cannot be written.
    pub(crate) fn push(&mut self, rows: &[u8], ones: u64) -> io::Result<()> {
        let per_row = self.codec.width();
        self.ones += ones;
        for row in rows.chunks_exact(per_row) {
            let full = (self.rows + 1) * per_row > self.budget_bytes && self.rows > 0;
            if full && matches!(self.place, Place::Nameless(..)) {
                self.spill()?;
            }
            self.buckets[usize::from(row[0])].push(row);
            self.rows += 1;
        }
        Ok(())
    }

    fn sort(&mut self) {
        let width = self.codec.width();
        self.buckets.par_iter_mut().for_each(|bucket| bucket.sort(width));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let width = self.codec.width();
        let rows = self.buckets.iter().flat_map(|bucket| bucket.in_order(width));
        self.runs.push(match &mut self.place {
            Place::Nameless(_, Some(file)) => file.write_run(rows)?,
            Place::Nameless(folder, none) => none.insert(Nameless::create(folder)?).write_run(rows)?,
            Place::Work(work) => work.write_run(rows)?,
        });
        self.buckets.iter_mut().for_each(Bucket::clear);
        self.rows = 0;
        Ok(())
    }

    /// No more rows: they can now be read in order, as often as is needed.
    ///
    /// # Errors
    /// When the last run cannot be written.
    pub(crate) fn finish(mut self) -> io::Result<Sorted<'a>> {
        if !self.runs.is_empty() {
            if self.rows > 0 {
                self.spill()?;
            }
            // The merge wants memory of its own.
            self.buckets.clear();
        }
        self.sort();
        let Self { codec, budget_bytes, buckets, ones, place, runs, .. } = self;
        let work = match place {
            Place::Work(work) => Some(work),
            Place::Nameless(..) => None,
        };
        Ok(Sorted { codec, budget_bytes, buckets, ones, runs, work })
    }
}

/// The key of a row as numbers, which order as its bytes do.
fn key_of(row: &[u8]) -> (u128, u64) {
    let (record_ref, rest) = row.split_at(16);
    let number = rest.first_chunk().expect("a row begins with its key");
    (u128::from_be_bytes(record_ref.try_into().expect("16 bytes")), u64::from_be_bytes(*number))
}

/// All rows, in the order of their refs.
pub(crate) struct Sorted<'a> {
    codec: RowCodec,
    budget_bytes: usize,
    buckets: Vec<Bucket>,
    ones: u64,
    runs: Vec<Run>,
    work: Option<WorkFolder<'a>>,
}

/// What remains of all rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Remaining {
    pub(crate) records: u64,
    /// Bits set in their CLKs.
    pub(crate) bits_set: u64,
    /// The rows that went, for a newer or an earlier one of the same record ref: counted, for there may be as many as rows.
    pub(crate) duplicates: Rows,
}

impl Remaining {
    fn count(&mut self, row: Row<'_>, is_first: bool) {
        if is_first {
            self.records += 1;
            self.bits_set += u64::from(row.clk_ones());
        } else {
            self.duplicates.add(row.row());
        }
    }
}

impl<'a> Sorted<'a> {
    /// Removes the work folder, when there is one: the work is done.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn forget_work(self) -> anyhow::Result<()> {
        self.work.map_or(Ok(()), WorkFolder::remove)
    }

    /// Counts what remains: while all is in memory, what the buckets have found and what has been counted on the way.
    ///
    /// # Errors
    /// An error of the file that holds the runs.
    pub(crate) fn count(&self) -> anyhow::Result<Remaining> {
        let mut remaining = Remaining::default();
        if !self.runs.is_empty() {
            let mut last = None;
            self.in_order(|bytes| {
                let row = Row { codec: self.codec, bytes };
                remaining.count(row, last.replace(row.record_ref()) != Some(row.record_ref()));
                Ok(())
            })?;
            return Ok(remaining);
        }
        remaining.bits_set = self.ones;
        for bucket in &self.buckets {
            let before = remaining.duplicates.count;
            for bytes in bucket.later(self.codec.width()) {
                let row = Row { codec: self.codec, bytes };
                remaining.bits_set -= u64::from(row.clk_ones());
                remaining.duplicates.add(row.row());
            }
            remaining.records += bucket.rows() - (remaining.duplicates.count - before);
        }
        Ok(remaining)
    }

    /// Passes the rows that remain, in order: the first of each record ref, which is the newest.
    ///
    /// # Errors
    /// What `keep` fails with, or an error of the file that holds the runs.
    pub(crate) fn for_each(&self, mut keep: impl FnMut(Row<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let mut last: Option<[u8; 16]> = None;
        self.in_order(|bytes| {
            let row = Row { codec: self.codec, bytes };
            if last.replace(row.record_ref()) == Some(row.record_ref()) {
                return Ok(());
            }
            keep(row)
        })
    }

    fn in_order(&self, mut each: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let width = self.codec.width();
        if self.runs.is_empty() {
            return self.buckets.iter().flat_map(|bucket| bucket.in_order(width)).try_for_each(each);
        }
        let rows_each = (self.budget_bytes / self.runs.len() / width).clamp(1, 4096);
        let mut readers: Vec<_> = self.runs.iter().map(|run| run.read(width, rows_each)).collect();
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
