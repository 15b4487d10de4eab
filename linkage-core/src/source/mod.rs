//! Readers of what custodians hold: files in, raw values out, nothing normalised yet.
//!
//! A reader fills batches of rows and keeps no more than one of them in memory. Values stay bytes until they are used:
//! decoding is then part of the parallel work, and an undecodable byte belongs to one field of one row.
//! CSV is the first reader; others (parquet, uke, fhir …) fill the same batches.

mod batch;
mod csv;
mod encoding;

pub use self::batch::{RawBatch, RawRecord};
pub use self::csv::{CsvLayout, CsvSource};
pub use self::encoding::{Decoded, Encoding};

use crate::error::SourceError;

/// How many rows a batch holds when the caller does not say.
pub const BATCH_ROWS: usize = 4096;

/// Something that yields rows of raw values, one value per field of a linkage schema.
pub trait Source {
    /// Replaces the contents of `batch` by up to `rows` further rows; false when there are none left.
    ///
    /// # Errors
    /// [`SourceError`] when the input cannot be read any further. Rows that are merely malformed are not errors: they
    /// are listed in [`RawBatch::malformed_rows`].
    fn read_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError>;
}
