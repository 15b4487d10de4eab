//! The rows of a CSV file before anything is known of its columns, none longer than a row can be.

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};

use super::limited::Limited;
use crate::error::SourceError;

/// The longest row in bytes. A longer one is a quotation mark that was never closed, which would swallow the file.
const MAX_ROW_BYTES: usize = 1 << 20;

/// The most line ends inside one row, for the same reason.
const MAX_ROW_LINES: usize = 64;

/// Reads a CSV file row by row, of any width and in any encoding. Empty lines are passed over.
pub struct CsvRows<R> {
    reader: csv::Reader<Limited<R>>,
    row: u64,
}

impl<R: Read> CsvRows<R> {
    /// A reader of rows whose values this byte separates.
    pub fn new(reader: R, delimiter: u8) -> Self {
        let limited = Limited { inner: reader, budget: MAX_ROW_BYTES };
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(delimiter).buffer_capacity(1 << 16);
        Self { reader: builder.from_reader(limited), row: 0 }
    }

    /// The number of the row that was read last, from 1.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// Reads the next row; false at the end of the file.
    ///
    /// # Errors
    /// [`SourceError::RowTooLong`] when it has more than 1 MiB or 64 lines, [`SourceError::Io`] when it cannot be read.
    pub fn read(&mut self, record: &mut ByteRecord) -> Result<bool, SourceError> {
        let Self { reader, row } = self;
        let row_after = *row + 1;
        reader.get_mut().budget = MAX_ROW_BYTES;
        let more = reader.read_byte_record(record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(source) if reader.get_ref().budget > 0 => SourceError::Io { row: row_after, source },
            // The other kinds come from options that are not used here: UTF-8 checks, equal lengths, serde.
            _ => SourceError::RowTooLong { row: row_after },
        })?;
        let bytes = record.as_slice();
        if bytes.len() > MAX_ROW_LINES && bytes.iter().filter(|&&byte| byte == b'\n').count() > MAX_ROW_LINES {
            return Err(SourceError::RowTooLong { row: row_after });
        }
        *row += u64::from(more);
        Ok(more)
    }
}
