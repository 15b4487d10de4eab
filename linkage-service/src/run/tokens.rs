//! Token files as a run holds them.

use std::io::BufReader;
use std::sync::Arc;

use arrow::array::{Array, FixedSizeBinaryArray, RecordBatch};
use linkage_core::harden::Step;
use linkage_core::token_file::TokenFileReader;
use linkage_core::types::RecordRef;
use tokio::sync::OwnedSemaphorePermit;

use crate::error::LinkError;
use crate::store::Submission;
use crate::unit::Unit;

/// One database's tokens, in memory.
pub(super) struct Tokens {
    pub batches: Vec<RecordBatch>,
    pub refs: Refs,
    pub exact_tokens: Vec<String>,
    /// How many filters stand side by side in a CLK.
    pub segments: usize,
    /// How many bits of a filter each bit joins.
    pub joined: u32,
    /// Whether it has any blocking key.
    pub blocking_keys: bool,
}

impl Tokens {
    /// The bytes of a CLK and the filters that stand side by side in it; [`None`] without rows.
    pub fn layout(&self) -> Option<(usize, usize)> {
        let clk = self.batches.first()?.column_by_name("clk")?.as_any().downcast_ref::<FixedSizeBinaryArray>()?;
        Some((clk.value_length() as usize, self.segments))
    }
}

/// The record refs of a database, in the order of its token file. They are the batches' own: nothing is copied.
#[derive(Default)]
pub(super) struct Refs {
    columns: Vec<FixedSizeBinaryArray>,
    /// The first row of each column.
    first: Vec<usize>,
    rows: usize,
}

impl Refs {
    /// Appends those of a batch; [`None`] when it has none.
    fn push(&mut self, batch: &RecordBatch) -> Option<()> {
        let column = batch.column_by_name("record_ref")?.as_any().downcast_ref::<FixedSizeBinaryArray>()?;
        if column.value_length() as usize != size_of::<RecordRef>() {
            return None;
        }
        self.columns.push(column.clone());
        self.first.push(self.rows);
        self.rows += column.len();
        Some(())
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// That of a row; [`None`] when there is no such row.
    pub fn get(&self, row: u32) -> Option<RecordRef> {
        let row = row as usize;
        let at = self.first.partition_point(|first| *first <= row).checked_sub(1)?;
        let (column, row) = (&self.columns[at], row - self.first[at]);
        (row < column.len()).then(|| column.value(row).try_into().ok().map(RecordRef))?
    }
}

/// Reads a stored token file and makes sure that it is still the one that was accepted. Work on other threads holds on to the
/// `turn` until it is over.
pub(super) async fn load(
    unit: &Arc<Unit>,
    submission: &Submission,
    turn: &Arc<OwnedSemaphorePermit>,
) -> Result<Tokens, LinkError> {
    let file = unit.store().open_token_file(&submission.database, &submission.file_blake3).await?;
    let (unit, submission, turn) = (Arc::clone(unit), submission.clone(), Arc::clone(turn));
    let loading = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let damaged = |_| LinkError::DamagedTokenFile { database: submission.database.clone() };
        let mut reader = TokenFileReader::open(BufReader::new(file), unit.identity()).map_err(damaged)?;
        let (mut batches, mut refs) = (Vec::new(), Refs::default());
        while let Some(batch) = reader.next_batch().map_err(damaged)? {
            refs.push(&batch).ok_or(LinkError::Internal)?;
            batches.push(batch);
        }
        let exact_tokens = reader.header().exact_tokens.clone();
        let segments = reader.header().segments as usize;
        let joined = Step::joined(&reader.header().hardening_steps()).unwrap_or(1);
        let blocking_keys = !reader.header().blocking_keys.is_empty();
        let stats = reader.finish().map_err(damaged)?;
        if stats.payload_blake3 != submission.payload_blake3 {
            return Err(LinkError::DamagedTokenFile { database: submission.database });
        }
        Ok(Tokens { batches, refs, exact_tokens, segments, joined, blocking_keys })
    });
    loading.await.map_err(|_| LinkError::Internal)?
}

#[cfg(test)]
mod tests {
    use arrow::array::ArrayRef;

    use super::*;

    #[test]
    fn the_refs_of_all_batches_are_those_of_their_rows() {
        let mut refs = Refs::default();
        for (from, rows) in [(0, 3_u8), (3, 0), (3, 2)] {
            let values = (from..from + rows).map(|row| Some([row; 16]));
            let column = FixedSizeBinaryArray::try_from_sparse_iter_with_size(values, 16).unwrap();
            let batch = RecordBatch::try_from_iter([("record_ref", Arc::new(column) as ArrayRef)]).unwrap();
            refs.push(&batch).unwrap();
        }
        let found: Vec<Option<RecordRef>> = (0..6).map(|row| refs.get(row)).collect();
        let expected = (0..5_u8).map(|row| Some(RecordRef([row; 16]))).chain([None]).collect::<Vec<_>>();
        assert_eq!((refs.rows(), found), (5, expected));
    }
}
