//! Counts that travel in a stream of pairs, from a worker to whoever adds them up.
//!
//! A stream with notes has a fourth column beside left row, right row and score. It is null for a pair; a row of its own
//! has a note, and its other columns mean nothing. What is counted arrives with what was found, or neither does.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Float64Array, RecordBatch, UInt32Array, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use linkage_core::block::lsh::BandStats;

use crate::dice_join::SCORE;
use crate::table::ROW;

const BAND: u64 = 1;
const DONE: u64 = 2;

/// What a unit of work has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UnitCounts {
    /// Pairs compared, or candidates scored.
    pub(crate) compared: u64,
    /// Of these, the pairs given up early.
    pub(crate) aborted: u64,
    /// Bytes reserved for what was held.
    pub(crate) bytes: u64,
}

/// A row that is no pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Note {
    /// The pairs since the note before are those of a band, and this is what it counted.
    Band(BandStats),
    /// No pairs follow.
    Done(UnitCounts),
}

impl Note {
    fn to_bytes(self) -> Vec<u8> {
        let words: Vec<u64> = match self {
            Self::Band(band) => vec![
                BAND,
                band.bands.into(),
                band.blocks,
                band.largest_block,
                band.candidates,
                band.aborted,
                band.kept,
                band.capped_blocks,
                band.uncompared,
                band.lost.to_bits(),
            ],
            Self::Done(counts) => vec![DONE, counts.compared, counts.aborted, counts.bytes],
        };
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    /// Reads a note; `None` when the bytes are none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else { return None };
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        match *words.as_slice() {
            [BAND, bands, blocks, largest_block, candidates, aborted, kept, capped_blocks, uncompared, lost] => {
                let (bands, lost) = (bands.try_into().ok()?, f64::from_bits(lost));
                Some(Self::Band(BandStats {
                    bands,
                    blocks,
                    largest_block,
                    candidates,
                    aborted,
                    kept,
                    capped_blocks,
                    uncompared,
                    lost,
                }))
            }
            [DONE, compared, aborted, bytes] => Some(Self::Done(UnitCounts { compared, aborted, bytes })),
            _ => None,
        }
    }

    /// The note as a batch of one row.
    pub(crate) fn batch(self) -> Result<RecordBatch> {
        let rows = || Arc::new(UInt32Array::from(vec![0])) as ArrayRef;
        let score = Arc::new(Float64Array::from(vec![None::<f64>]));
        let note = Arc::new(BinaryArray::from_vec(vec![self.to_bytes().as_slice()]));
        Ok(RecordBatch::try_new(noted_schema(), vec![rows(), rows(), score, note])?)
    }
}

/// Left row, right row, score, note.
pub(crate) fn noted_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(format!("left_{ROW}"), DataType::UInt32, false),
        Field::new(format!("right_{ROW}"), DataType::UInt32, false),
        Field::new(SCORE, DataType::Float64, true),
        Field::new("note", DataType::Binary, true),
    ]))
}

/// Columns of pairs as a batch of a stream with notes.
pub(crate) fn noted(pairs: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
    let columns = pairs.iter().take(3).cloned().chain([new_null_array(&DataType::Binary, rows)]);
    Ok(RecordBatch::try_new(noted_schema(), columns.collect())?)
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;

    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_anything_else_is_none() {
        let band = BandStats { bands: 1, blocks: 7, aborted: 2, kept: 3, lost: 0.25, ..BandStats::default() };
        for note in [Note::Band(band), Note::Done(UnitCounts { compared: u64::MAX, aborted: 5, bytes: 9 })] {
            let batch = note.batch().unwrap();
            let bytes = batch.column(3).as_binary::<i32>().value(0);
            assert_eq!(Note::from_bytes(bytes), Some(note));
            assert_eq!(Note::from_bytes(&bytes[..bytes.len() - 1]), None);
            assert_eq!(Note::from_bytes(&bytes[..8]), None);
        }
        assert_eq!(Note::from_bytes(&[]), None);
    }
}
