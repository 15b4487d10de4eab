//! Small tables of text: truth, labels and links, as CSV or Parquet.

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
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
        let rows = open(path).and_then(|file| if is_parquet(path) { Self::parquet(file) } else { Self::csv(file) });
        let rows = rows.with_context(|| format!("{}", path.display()))?;
        let mut seen = HashMap::new();
        // pandas writes columns without a name. Names are not shown: without a header they are somebody's values.
        for (at, name) in rows.header.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            if let Some(first) = seen.insert(name, at) {
                let columns = format!("columns {} and {} have one name", first + 1, at + 1);
                bail!("{}: {columns}\nhint: the first row must be a header; rename one of them", path.display());
            }
        }
        Ok(rows)
    }

    fn csv(file: File) -> anyhow::Result<Self> {
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.headers().map_err(|error| in_house_style(error, &[]))?;
        let header = header.iter().map(|name| name.trim_start_matches('\u{FEFF}').trim().to_owned());
        let header: Vec<String> = header.collect();
        let mut records = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| in_house_style(error, &header))?;
            records.push(record.iter().map(|value| value.trim().to_owned()).collect());
        }
        Ok(Self { header, records })
    }

    fn parquet(file: File) -> anyhow::Result<Self> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(|error| anyhow!("{error}\nhint: is it whole, and Parquet as its name says?"))?;
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

/// Opens a file to read it. Whoever calls says which one.
pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("no such file\nhint: is the path right? Those of a suite lie beside it"),
        _ => anyhow!("{error}\nhint: may it be read?"),
    })?;
    // A folder can be opened, and only fails when it is read.
    if file.metadata()?.is_dir() {
        bail!("a folder\nhint: name the file in it");
    }
    Ok(file)
}

/// What is wrong, by row and column; the header is row 1.
fn in_house_style(error: csv::Error, header: &[String]) -> anyhow::Error {
    let row = error.position().map_or(1, |position| position.record() + 1);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { len, expected_len, .. } => anyhow!(
            "row {row}: {len} values where the header names {expected_len} columns\nhint: does a value hold a comma and have no quotes?"
        ),
        csv::ErrorKind::Utf8 { err, .. } => {
            let column = header.get(err.field()).map_or(String::new(), |name| format!(", column `{name}`"));
            anyhow!("row {row}{column}: not UTF-8\nhint: save the file as UTF-8")
        }
        _ => error.into(),
    }
}

pub(super) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}
