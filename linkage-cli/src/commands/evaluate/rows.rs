//! Small tables of text: truth, labels and links, as CSV or Parquet.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// A table whose values are all text.
#[derive(Debug, Default)]
pub(super) struct Rows {
    header: Vec<String>,
    records: Vec<Vec<String>>,
}

impl Rows {
    /// A table without rows.
    pub(super) fn with_header(names: &[&str]) -> Self {
        Self { header: names.iter().map(|name| (*name).to_owned()).collect(), records: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, record: Vec<String>) {
        self.records.push(record);
    }

    /// Reads a file: Parquet when its name ends so, otherwise CSV with a header.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let rows = if is_parquet(path) { Self::parquet(path) } else { Self::csv(path) };
        rows.with_context(|| format!("{}", path.display()))
    }

    fn csv(path: &Path) -> anyhow::Result<Self> {
        let mut reader = csv::Reader::from_path(path)?;
        let header = reader.headers()?.iter().map(|name| name.trim_start_matches('\u{FEFF}').trim().to_owned());
        let header = header.collect();
        let mut records = Vec::new();
        for record in reader.records() {
            records.push(record?.iter().map(|value| value.trim().to_owned()).collect());
        }
        Ok(Self { header, records })
    }

    fn parquet(path: &Path) -> anyhow::Result<Self> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
        let header = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut rows = Self { header, records: Vec::new() };
        for batch in builder.build()? {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().map(|column| array_value_to_string(column, row));
                rows.records.push(values.collect::<Result<_, _>>()?);
            }
        }
        Ok(rows)
    }

    /// The place of a column by the first of its names that is there.
    pub(super) fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column == name))
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[String]> {
        self.records.iter().map(Vec::as_slice)
    }
}

pub(super) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}
