//! Apache Parquet: columns of text, whole numbers and dates, found by name as in CSV.
//!
//! A file is read row group by row group, and of each only the columns that are needed, in batches. Memory: the current
//! page of each column and one batch.
//!
//! The decoder is the `parquet` crate's, which panics on some damaged files. Nothing of ours is in a half-made state when it
//! does, so the panic ends here, as an error, and nothing is printed of it.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::reader::ChunkReader;

use super::csv::Header;
use super::shape::Shaping;
use super::{CsvLayout, CsvShape, Encoding, RawBatch, Source};
use crate::error::SourceError;

/// Rows per batch of the decoder.
const BATCH_ROWS: usize = 4096;

/// The longest value in bytes; a longer one is no name, date or number, and its row is malformed.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// A Parquet file. Rows are counted from 1: there is no header.
pub struct ParquetSource {
    reader: ParquetRecordBatchReader,
    /// The columns of the record id, if any, and of the fields, among those that are read.
    columns: Vec<Option<usize>>,
    has_id: bool,
    shaping: Option<Shaping>,
    /// The current batch as text, and how many of its rows have been used.
    batch: Option<(Vec<Column>, usize, usize)>,
    row: u64,
}

/// One column of the current batch.
enum Column {
    Text(arrow::array::StringArray),
    Bytes(arrow::array::BinaryArray),
}

impl ParquetSource {
    /// The names of the columns that can hold a name, a date or a number of a person, in their order.
    ///
    /// # Errors
    /// [`SourceError::NotParquet`].
    pub fn column_names<C: ChunkReader + 'static>(file: C) -> Result<Vec<String>, SourceError> {
        let builder = caught(|| ParquetRecordBatchReaderBuilder::try_new(file).ok()).flatten();
        let schema = builder.ok_or(SourceError::NotParquet)?.schema().clone();
        let read = schema.fields().iter().filter(|field| is_read(field.data_type()));
        Ok(read.map(|field| field.name().trim().to_owned()).collect())
    }

    /// Reads the file's metadata and finds the columns. The layout's encoding counts for columns of bytes alone.
    ///
    /// # Errors
    /// [`SourceError`] when the file is not Parquet, a column is missing or there twice, or is of a type that no value of a
    /// person has.
    pub fn open<C: ChunkReader + 'static>(file: C, layout: &CsvLayout) -> Result<Self, SourceError> {
        Self::open_shaped(file, layout, &CsvShape::default())
    }

    /// The same for a file that a mapping describes: of its shape the marks for missing values and what is done to values
    /// count, because Parquet itself says where its columns are.
    ///
    /// # Errors
    /// As [`ParquetSource::open`].
    pub fn open_shaped<C: ChunkReader + 'static>(
        file: C,
        layout: &CsvLayout,
        shape: &CsvShape,
    ) -> Result<Self, SourceError> {
        caught(|| Self::open_trusting(file, layout, shape)).unwrap_or(Err(SourceError::NotParquet))
    }

    fn open_trusting<C: ChunkReader + 'static>(
        file: C,
        layout: &CsvLayout,
        shape: &CsvShape,
    ) -> Result<Self, SourceError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|_| SourceError::NotParquet)?;
        let schema = builder.schema().clone();
        let header = Header::new(schema.fields().iter().map(|field| field.name().trim().to_owned()).collect());
        let (id, fields) = header.find(layout)?;
        let has_id = id.is_some();
        let wanted: Vec<Option<usize>> = id.map(Some).into_iter().chain(fields).collect();
        let mut roots: Vec<usize> = wanted.iter().flatten().copied().collect();
        roots.sort_unstable();
        roots.dedup();
        for &root in &roots {
            let field = schema.field(root);
            if !is_read(field.data_type()) {
                let (column, kind) = (field.name().clone(), field.data_type().to_string());
                return Err(SourceError::ColumnType { column, kind });
            }
        }
        let columns = wanted.iter().map(|root| root.and_then(|root| roots.binary_search(&root).ok())).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let reader =
            builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|_| SourceError::NotParquet)?;
        Ok(Self { reader, columns, has_id, shaping: Shaping::new(layout, shape), batch: None, row: 0 })
    }

    /// Decodes the next batch; false when there is none.
    fn next_batch(&mut self) -> Result<bool, SourceError> {
        let row = self.row + 1;
        let reader = &mut self.reader;
        let decoded = caught(|| {
            let Some(batch) = reader.next() else { return Some(None) };
            // The error may quote a value, so it goes no further.
            let batch = batch.ok()?;
            let columns = (0..batch.num_columns()).map(|column| text(&batch, column));
            Some(Some((columns.collect::<Option<Vec<_>>>()?, batch.num_rows(), 0)))
        });
        match decoded.flatten() {
            Some(batch) => {
                self.batch = batch;
                Ok(self.batch.is_some())
            }
            // The reader is not used again: every caller ends at an error.
            None => Err(SourceError::DamagedParquet { row }),
        }
    }
}

impl Source for ParquetSource {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.columns.len() - usize::from(self.has_id), self.has_id);
    }

    fn rows(&self) -> u64 {
        self.row
    }

    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.len() + batch.malformed_rows().len();
        while batch.len() + batch.malformed_rows().len() < rows {
            let Some((columns, length, used)) = &mut self.batch else {
                if self.next_batch()? {
                    continue;
                }
                break;
            };
            if *used == *length {
                self.batch = None;
                continue;
            }
            let at = *used;
            *used += 1;
            self.row += 1;
            let value = |column: &Option<usize>| column.map_or(&[][..], |column| columns[column].value(at));
            if self.columns.iter().any(|column| value(column).len() > MAX_VALUE_BYTES) {
                batch.push_malformed(self.row);
                continue;
            }
            let (id, fields) = self.columns.split_at(usize::from(self.has_id));
            let (id, fields) = (id.iter().map(value), fields.iter().map(value));
            match &self.shaping {
                None => batch.push(self.row, id.chain(fields)),
                Some(shaping) => batch.push(self.row, id.chain(shaping.apply(fields).iter().map(AsRef::as_ref))),
            }
        }
        Ok(batch.len() + batch.malformed_rows().len() > already)
    }
}

impl Column {
    /// One value; empty when it is null.
    fn value(&self, at: usize) -> &[u8] {
        match self {
            Self::Text(column) if column.is_valid(at) => column.value(at).as_bytes(),
            Self::Bytes(column) if column.is_valid(at) => column.value(at),
            _ => &[],
        }
    }
}

thread_local! {
    /// Whether a panic of this thread ends in [`caught`].
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What a piece of decoding came to; none when it panicked.
///
/// What a panic says can quote a value, and what ends as an error need not be told twice. So the program's panic hook hears of
/// every other panic, and not of these. It is wrapped once: a hook that the program sets after the first file hears of all.
fn caught<T>(decode: impl FnOnce() -> T) -> Option<T> {
    static WRAPPED: Once = Once::new();
    WRAPPED.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                hook(panic);
            }
        }));
    });
    IS_CAUGHT.set(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode)).ok();
    IS_CAUGHT.set(false);
    decoded
}

/// A column as text: dates as YYYY-MM-DD, numbers as digits.
fn text(batch: &RecordBatch, column: usize) -> Option<Column> {
    let column = batch.column(column);
    if matches!(column.data_type(), DataType::Binary | DataType::LargeBinary | DataType::BinaryView) {
        return Some(Column::Bytes(cast(column, &DataType::Binary).ok()?.as_binary_opt::<i32>()?.clone()));
    }
    Some(Column::Text(cast(column, &DataType::Utf8).ok()?.as_string_opt::<i32>()?.clone()))
}

/// Whether a column of this type can hold a name, a date or a number of a person.
fn is_read(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, kind) => is_read(kind),
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Binary => true,
        DataType::LargeBinary | DataType::BinaryView | DataType::Date32 | DataType::Date64 => true,
        DataType::Timestamp(_, None) | DataType::Decimal128(_, 0) => true,
        kind => kind.is_integer(),
    }
}

#[cfg(test)]
mod tests;
