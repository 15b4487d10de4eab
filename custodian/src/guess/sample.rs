//! The first rows of an extract of unknown layout, and what the values of each column look like.

use std::collections::HashSet;
#[cfg(feature = "parquet")]
use std::fs::File;

use linkage_core::normalise::normalise;
use linkage_core::schema::FieldKind;
use linkage_core::source::{Encoding, is_header};
#[cfg(feature = "parquet")]
use linkage_core::{
    error::SourceError,
    source::{CsvLayout, ParquetSource, RawBatch, Source},
};

/// How much of the extract is looked at.
pub(crate) const SAMPLE_BYTES: usize = 4 << 20;
const SAMPLE_ROWS: usize = 20_000;

/// Texts that people write for "missing"; no other value is ever copied into a mapping.
const MARKS: [&str; 12] = ["NULL", "null", "N/A", "n/a", NAME, "NaN", "None", "-", "未登録", "なし", "無し", "未入力"];

/// The one that people are called by: 娜.
const NAME: &str = "NA";

/// The first rows of an extract.
pub(crate) struct Sample {
    /// Encoding and delimiter of a text; Parquet has neither.
    pub(super) text: Option<(Encoding, u8)>,
    /// The names of the columns; without a header there are none, and the first row is data.
    pub(super) header: Option<Vec<String>>,
    pub(super) columns: Vec<Vec<String>>,
    pub(super) rows: usize,
}

impl Sample {
    /// Cuts the start of a file into columns. `None` when there is no row in it.
    pub(crate) fn read(bytes: &[u8], encoding: Option<Encoding>) -> Option<Self> {
        let bytes = &bytes[..bytes.iter().rposition(|&byte| byte == b'\n').map_or(bytes.len(), |at| at + 1)];
        let encoding = encoding.unwrap_or(match std::str::from_utf8(bytes) {
            Ok(_) => Encoding::Utf8,
            Err(_) => Encoding::Cp932,
        });
        let first_line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let count = |byte: u8| first_line.iter().filter(|&&found| found == byte).count();
        let delimiters: &[u8] = if encoding == Encoding::Utf8 { b",\t;|" } else { b",\t;" };
        // The first of equals, so that a file of one column is CSV.
        let delimiter = delimiters.iter().rev().copied().max_by_key(|&byte| count(byte)).unwrap_or(b',');
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(bytes);
        let mut scratch = String::new();
        let mut rows = reader.byte_records().map_while(Result::ok).take(SAMPLE_ROWS).map(|record| {
            let values = record.iter().map(|value| encoding.decode(value, &mut scratch).text.trim().to_owned());
            values.collect::<Vec<_>>()
        });
        let first = rows.next()?;
        let width = first.len();
        let mut sample =
            Self { text: Some((encoding, delimiter)), header: None, columns: vec![Vec::new(); width], rows: 0 };
        for row in rows.filter(|row| row.len() == width) {
            sample.push(row);
        }
        // A mark at the start of the file is no part of the first name.
        let names: Vec<String> = first.iter().map(|name| name.trim_start_matches('\u{FEFF}').to_owned()).collect();
        if is_header(&names, |_| false) {
            sample.header = Some(names);
        } else {
            sample.push(first);
        }
        (sample.rows > 0).then_some(sample)
    }

    /// The first rows of a Parquet file. `None` when there is none in it.
    ///
    /// # Errors
    /// When the file is not Parquet or is damaged.
    #[cfg(feature = "parquet")]
    pub(crate) fn read_parquet(file: &File) -> Result<Option<Self>, SourceError> {
        let again = || file.try_clone().map_err(|source| SourceError::Io { row: 1, source });
        let names = ParquetSource::column_names(again()?)?;
        let layout = CsvLayout { fields: names.clone(), ..CsvLayout::default() };
        let mut source = ParquetSource::open(again()?, &layout)?;
        let mut sample = Self { text: None, columns: vec![Vec::new(); names.len()], header: Some(names), rows: 0 };
        let (mut batch, mut scratch) = (RawBatch::new(), String::new());
        while sample.rows < SAMPLE_ROWS && source.read_batch(&mut batch, SAMPLE_ROWS)? {
            for record in batch.records() {
                let fields = 0..sample.columns.len();
                let row =
                    fields.map(|field| record.decoded_field(field, &mut scratch).text.trim().to_owned()).collect();
                sample.push(row);
            }
        }
        Ok((sample.rows > 0).then_some(sample))
    }

    fn push(&mut self, row: Vec<String>) {
        self.columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
        self.rows += 1;
    }

    /// The marks for missing values that occur; the one that is also a name must do so in one of the columns of `nameless`.
    pub(super) fn marks(&self, nameless: &[usize]) -> Vec<&'static str> {
        let has = |column: &Vec<String>, mark: &str| column.iter().any(|value| value == mark);
        let occurs = |mark: &&str| match *mark {
            NAME => nameless.iter().any(|&column| has(&self.columns[column], NAME)),
            mark => self.columns.iter().any(|column| has(column, mark)),
        };
        MARKS.into_iter().filter(occurs).collect()
    }

    /// The values of a column that say something.
    fn values(&self, column: usize) -> impl Iterator<Item = &String> {
        self.columns[column].iter().filter(|value| !value.is_empty() && !MARKS.contains(&value.as_str()))
    }

    /// The share of the values for which something holds; 0 when there is none.
    pub(super) fn share(&self, column: usize, holds: impl Fn(&str) -> bool) -> f64 {
        let (mut all, mut held) = (0_u32, 0_u32);
        for value in self.values(column) {
            all += 1;
            held += u32::from(holds(value));
        }
        if all == 0 { 0.0 } else { f64::from(held) / f64::from(all) }
    }

    /// The share of the values that normalisation accepts as a kind.
    pub(super) fn accepts(&self, column: usize, kind: FieldKind) -> f64 {
        self.share(column, |value| matches!(normalise(kind, value), Ok(Some(_))))
    }

    /// Whether nearly every row has a value of its own.
    pub(super) fn identifies(&self, column: usize) -> bool {
        let distinct: HashSet<&String> = self.values(column).collect();
        distinct.len() * 100 >= self.rows * 99
    }

    pub(super) fn is_empty(&self, column: usize) -> bool {
        self.values(column).next().is_none()
    }
}
