//! CSV with a header, in any of the declared encodings.
//!
//! The file is split before it is decoded: neither `,` nor `"` nor a line end occurs as the second byte of a CP932
//! character, so the split is the same, and decoding can be done field by field by many threads.

use std::io::Read;

use csv::ByteRecord;

use super::column_names::is_header;
use super::person::check_map;
use super::rows::CsvRows;
use super::shape::Shaping;
use super::{Encoding, RawBatch, Source, ValueShape};
use crate::error::SourceError;

/// Which columns of a file hold which fields of a schema.
#[derive(Debug, Clone, Default)]
pub struct CsvLayout {
    /// How the file is encoded.
    pub encoding: Encoding,
    /// The fields of the schema, in its order. A field is read from the column of the same name …
    pub fields: Vec<String>,
    /// … unless a pair (field, column) says otherwise. An empty column name says that the file has no such column, and
    /// the field is missing in every row.
    pub map: Vec<(String, String)>,
    /// The column that identifies a row within its database, when there is one.
    pub id_column: Option<String>,
}

/// What sets a file apart from plain CSV with a header; a [`super::Mapping`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvShape {
    /// The byte between two values: `,`, tab or `;`, which no character of CP932 contains, or `|` in UTF-8.
    pub delimiter: u8,
    /// Whether a header names the columns. Without one, columns are named by their positions: `1`, `2`, …
    pub header: bool,
    /// Rows before the header, or before the first record, that are passed over.
    pub skip_rows: u64,
    /// Values that stand for "missing", besides the empty one.
    pub missing: Vec<String>,
    /// What is done to the values of a field; fields that are not listed are taken as they are.
    pub values: Vec<(String, ValueShape)>,
}

impl Default for CsvShape {
    fn default() -> Self {
        Self { delimiter: b',', header: true, skip_rows: 0, missing: Vec::new(), values: Vec::new() }
    }
}

/// A CSV file, read row by row. The header is row 1, the first record row 2; empty lines are not counted.
pub struct CsvSource<R> {
    rows: CsvRows<R>,
    encoding: Encoding,
    places: Places,
    /// The row that was read when the file was opened.
    record: ByteRecord,
    row: u64,
    /// It is the first record of a file without a header, read to learn its width, and still to be used.
    held: bool,
}

impl<R: Read> CsvSource<R> {
    /// Reads the header and finds the columns.
    ///
    /// # Errors
    /// [`SourceError`] when the file is empty, its header cannot be decoded, or a column is missing or there twice.
    pub fn open(reader: R, layout: &CsvLayout) -> Result<Self, SourceError> {
        Self::open_shaped(reader, layout, &CsvShape::default())
    }

    /// The same for a file that is not plain CSV with a header.
    ///
    /// # Errors
    /// As [`CsvSource::open`].
    pub fn open_shaped(reader: R, layout: &CsvLayout, shape: &CsvShape) -> Result<Self, SourceError> {
        let mut rows = CsvRows::new(reader, shape.delimiter);
        let mut record = ByteRecord::new();
        for _ in 0..=shape.skip_rows {
            if !rows.read(&mut record)? {
                return Err(SourceError::Empty);
            }
        }
        let header = match shape.header {
            true => Header::decode(&record, layout.encoding)?,
            false => Header::new((1..=record.len()).map(|position| position.to_string()).collect()),
        };
        let (id, columns) = header.find(layout)?;
        Ok(Self {
            row: if shape.header { rows.row() } else { rows.row() - 1 },
            rows,
            encoding: layout.encoding,
            places: Places { id, columns, width: record.len(), shaping: Shaping::new(layout, shape) },
            record,
            held: !shape.header,
        })
    }
}

impl<R: Read> Source for CsvSource<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(self.encoding, self.places.columns.len(), self.places.id.is_some());
    }

    fn rows(&self) -> u64 {
        self.row
    }

    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let mut read_any = false;
        while batch.len() + batch.malformed_rows().len() < rows {
            let Self { rows: source, record, places, row: number, held, .. } = self;
            if std::mem::take(held) {
                places.push_to(batch, *number + 1, record.len(), |column| &record[column]);
            } else if let Some(row) = source.next_row()? {
                places.push_to(batch, *number + 1, row.len(), |column| row.value(column));
            } else {
                break;
            }
            read_any = true;
            *number += 1;
        }
        Ok(read_any)
    }
}

/// Where in a row the values are, and what is done to them.
struct Places {
    id: Option<usize>,
    columns: Vec<Option<usize>>,
    /// Columns of a whole row.
    width: usize,
    shaping: Option<Shaping>,
}

impl Places {
    /// Adds a row of so many values to a batch, if it is whole.
    #[inline]
    fn push_to<'a>(&self, batch: &mut RawBatch, number: u64, len: usize, value: impl Fn(usize) -> &'a [u8]) {
        if len != self.width {
            return batch.push_malformed(number);
        }
        let id = self.id.map(&value).into_iter();
        let values = self.columns.iter().map(|column| column.map_or(&[][..], &value));
        match &self.shaping {
            None => batch.push(number, id.chain(values)),
            Some(shaping) => batch.push(number, id.chain(shaping.apply(values).iter().map(AsRef::as_ref))),
        }
    }
}

/// The decoded names of the columns.
pub(super) struct Header {
    names: Vec<String>,
    /// Whether they stand in the file's first row, which may be somebody's data.
    from_row: bool,
}

impl Header {
    /// Names that are surely no values.
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, from_row: false }
    }

    fn decode(record: &ByteRecord, encoding: Encoding) -> Result<Self, SourceError> {
        if record.as_slice().starts_with(b"\xff\xfe") || record.as_slice().starts_with(b"\xfe\xff") {
            return Err(SourceError::Utf16);
        }
        let mut scratch = String::new();
        let names = record.iter().map(|name| {
            let decoded = encoding.decode(name, &mut scratch);
            match decoded.damaged {
                true => Err(SourceError::HeaderEncoding { encoding }),
                false => Ok(decoded.text.trim().to_owned()),
            }
        });
        Ok(Self { names: names.collect::<Result<_, _>>()?, from_row: true })
    }

    /// The column of the record id, and that of each field.
    pub(super) fn find(&self, layout: &CsvLayout) -> Result<(Option<usize>, Vec<Option<usize>>), SourceError> {
        check_map(&layout.fields, &layout.map)?;
        let id = match layout.id_column.as_deref() {
            Some(column) => Some(self.column(column)?.ok_or_else(|| SourceError::MissingIdColumn {
                column: column.to_owned(),
                header: self.describe(layout),
            })?),
            None => None,
        };
        let columns = layout.fields.iter().map(|field| {
            match layout.map.iter().find(|(mapped, _)| mapped == field).map_or(field.as_str(), |(_, column)| column) {
                "" => Ok(None),
                column => match self.column(column)? {
                    Some(at) => Ok(Some(at)),
                    None => Err(SourceError::MissingColumn {
                        field: field.clone(),
                        column: column.to_owned(),
                        header: self.describe(layout),
                    }),
                },
            }
        });
        let columns: Vec<Option<usize>> = columns.collect::<Result<_, _>>()?;
        // A caller that asks for no field wants the record ids alone.
        if !columns.is_empty() && columns.iter().all(Option::is_none) {
            return Err(SourceError::NoFields);
        }
        Ok((id, columns))
    }

    /// Where the column of this name is, if there is one.
    fn column(&self, column: &str) -> Result<Option<usize>, SourceError> {
        let mut found = self.names.iter().enumerate().filter(|(_, name)| *name == column).map(|(at, _)| at);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(SourceError::ColumnTwice { column: column.to_owned() }),
            (first, None) => Ok(first),
        }
    }

    /// The names, for a person to choose from; but not when the first row may be somebody's data.
    fn describe(&self, layout: &CsvLayout) -> String {
        let columns = layout.map.iter().map(|(_, column)| column).chain(&layout.fields).chain(&layout.id_column);
        let wanted = |name: &str| columns.clone().any(|column| column == name);
        if !self.from_row || is_header(&self.names, wanted) {
            let listed: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
            format!("the header has {}", listed.join(", "))
        } else {
            let count = self.names.len();
            format!(
                "the first row must be a header; of its {count} values too few are known names of columns to show them"
            )
        }
    }
}

#[cfg(test)]
mod tests;
