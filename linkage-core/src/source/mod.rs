//! Readers of what custodians hold: files in, raw values out, nothing normalised yet.
//!
//! A reader fills batches of rows and keeps no more than one of them in memory. Values stay bytes until they are used:
//! decoding is then part of the parallel work, and an undecodable byte belongs to one field of one row.
//! One file per format: [`CsvSource`] with a header (and Parquet with the same layout, a cargo feature), [`UkeSource`] for
//! receipts, [`KenshinSource`] for checkups, [`FhirSource`] for Patients, [`Ssmix2Source`] for SS-MIX2. Two formats have
//! their names in a second file: [`KaigoRegister`] beside [`KaigoClaims`], receipts beside [`DpcSummaries`].

mod batch;
mod column_names;
mod csv;
mod dpc;
mod encoding;
mod fhir;
mod kaigo;
mod kenshin;
mod limited;
mod lines;
mod mapping;
mod names;
#[cfg(feature = "parquet")]
mod parquet;
mod person;
mod position;
mod roster;
mod rows;
mod shape;
mod ssmix2;
mod uke;

pub use self::batch::{NEWNESS_BITS, NameNote, RawBatch, RawRecord};
pub use self::column_names::{Fit, Role, is_header};
pub use self::csv::{CsvLayout, CsvShape, CsvSource};
pub use self::dpc::DpcSummaries;
pub use self::encoding::{Decoded, Encoding};
pub use self::fhir::FhirSource;
pub use self::kaigo::{KaigoClaims, KaigoLayout, KaigoRegister};
pub use self::kenshin::{KenshinLayout, KenshinSource};
pub use self::mapping::{MAPPING_FORMAT, MappedColumn, Mapping};
#[cfg(feature = "parquet")]
pub use self::parquet::ParquetSource;
pub use self::person::PersonLayout;
pub use self::position::Positions;
pub use self::roster::Roster;
pub use self::rows::{CsvRow, CsvRows};
pub use self::shape::{DateOrder, Part, ValueShape};
pub use self::ssmix2::{Ssmix2Layout, Ssmix2Source};
pub use self::uke::{UkeColumn, UkeColumns, UkeKind, UkeLayout, UkeSource};

use crate::error::SourceError;

/// How many rows a batch holds when the caller does not say.
pub const BATCH_ROWS: usize = 4096;

/// Something that yields rows of raw values, one value per field of a linkage schema.
pub trait Source {
    /// Empties a batch for rows of this source's shape.
    fn start_batch(&self, batch: &mut RawBatch);

    /// Adds rows until the batch has `rows` of them; false when there was none left to add.
    ///
    /// A batch can be filled from several files one after the other, when their sources were opened alike.
    ///
    /// # Errors
    /// As [`Source::read_batch`].
    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError>;

    /// The number of the last row that was read.
    fn rows(&self) -> u64;

    /// Replaces the contents of `batch` by up to `rows` further rows; false when there are none left.
    ///
    /// # Errors
    /// [`SourceError`] when the input cannot be read any further. Rows that are merely malformed are not errors: they
    /// are listed in [`RawBatch::malformed_rows`].
    fn read_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        self.start_batch(batch);
        self.fill_batch(batch, rows)
    }
}
