//! The rows of a CSV file in UTF-8 with a header, for lists and for what another program reads: all must be whole.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, StringRecord};
use linkage_core::source::CsvRows;

use crate::output::at;

/// Reads such a file row by row. Its errors name rows, never a value.
pub(crate) struct TextRows {
    path: PathBuf,
    rows: CsvRows<File>,
    header: StringRecord,
}

impl TextRows {
    /// Reads the header, which is row 1; it is empty when the file is.
    ///
    /// # Errors
    /// When the file cannot be read, or its first row does not end or is not UTF-8.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).map_err(|error| at(path, error))?;
        let mut rows = Self { path: path.to_owned(), rows: CsvRows::new(file, b','), header: StringRecord::new() };
        rows.header = rows.read()?.unwrap_or_default();
        Ok(rows)
    }

    /// The first row, without a mark of UTF-8 before it.
    pub(crate) fn header(&self) -> impl Iterator<Item = &str> {
        self.header.iter().map(|name| name.trim_start_matches('\u{FEFF}'))
    }

    /// The next row, or nothing at the end of the file.
    ///
    /// # Errors
    /// When it cannot be read, does not end, is not UTF-8, or has another number of values than the header.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<StringRecord>> {
        let row = self.read()?;
        if row.as_ref().is_some_and(|row| row.len() != self.header.len()) {
            let what = format!("row {} has another number of values than the header", self.rows.row());
            return Err(at(&self.path, format!("{what}\nhint: is a comma missing, or one not in quotation marks?")));
        }
        Ok(row)
    }

    fn read(&mut self) -> anyhow::Result<Option<StringRecord>> {
        let mut record = ByteRecord::new();
        if !self.rows.read(&mut record).map_err(|error| at(&self.path, error))? {
            return Ok(None);
        }
        let not_text =
            |_| at(&self.path, format!("row {} is not UTF-8\nhint: save the file as UTF-8", self.rows.row()));
        StringRecord::from_byte_record(record).map(Some).map_err(not_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> anyhow::Result<(Vec<String>, Vec<StringRecord>)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("in.csv");
        std::fs::write(&path, bytes)?;
        let mut rows = TextRows::open(&path)?;
        let header = rows.header().map(str::to_owned).collect();
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(row);
        }
        Ok((header, all))
    }

    #[test]
    fn rows_come_as_they_are_and_what_is_wrong_is_named_by_its_row() {
        let (header, rows) = read("\u{FEFF}a,b\n1,\"2\n3\"\n".as_bytes()).unwrap();
        assert_eq!((header, rows), (vec!["a".to_owned(), "b".to_owned()], vec![StringRecord::from(vec!["1", "2\n3"])]));
        assert_eq!(read(b"").unwrap(), (Vec::new(), Vec::new()));
        let endless = [&b"a,b\n1,\"CANARY"[..], &b"x,y\n".repeat(100)].concat();
        for (bytes, what) in [
            (&endless[..], "row 2 does not end"),
            (b"a,b\n1,2\nCANARY\n", "row 3 has another number of values"),
            (b"a,b\n1,CANARY\xff\n", "row 2 is not UTF-8"),
        ] {
            let message = format!("{:#}", read(bytes).unwrap_err());
            assert!(message.contains(what) && message.contains("hint: ") && !message.contains("CANARY"), "{message}");
        }
    }
}
