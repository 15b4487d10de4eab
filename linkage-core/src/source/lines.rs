//! The lines of a file, none longer than a record can be.

use std::io::{self, BufRead, BufReader, Read};

use crate::error::SourceError;

/// The longest line in bytes. The longest records of these formats are comments of a few hundred.
const MAX_LINE_BYTES: usize = 1 << 16;

/// Reads a file line by line, with one line in memory.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    row: u64,
    /// Whether the current line is to be given out once more.
    held: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(1 << 16, reader), line: Vec::new(), row: 0, held: false }
    }

    /// The current line, without its end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The number of the current line, from 1; empty lines count.
    pub(super) fn row(&self) -> u64 {
        self.row
    }

    /// Gives the current line out once more.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Reads the next line that is not empty; false at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is longer than a record can be.
    pub(super) fn next(&mut self) -> Result<bool, SourceError> {
        if std::mem::take(&mut self.held) {
            return Ok(true);
        }
        loop {
            self.line.clear();
            let row = self.row + 1;
            let limit = MAX_LINE_BYTES as u64;
            let read = (&mut self.reader)
                .take(limit)
                .read_until(b'\n', &mut self.line)
                .map_err(|source: io::Error| SourceError::Io { row, source })?;
            if read == 0 {
                return Ok(false);
            }
            if read == MAX_LINE_BYTES && self.line.last() != Some(&b'\n') {
                return Err(SourceError::LineTooLong { row });
            }
            self.row = row;
            // Files from older systems end with the mark of an end of file, 1A.
            let end = self.line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0x1A)).map_or(0, |at| at + 1);
            self.line.truncate(end);
            if self.row == 1 && self.line.starts_with(b"\xEF\xBB\xBF") {
                self.line.drain(..3);
            }
            if !self.line.is_empty() {
                return Ok(true);
            }
        }
    }
}

/// One cell of a line, counted from 1, without the quotation marks that some programs write around it.
///
/// Neither `,` nor a tab nor `"` occurs inside a character of CP932 or UTF-8, so bytes can be split before they are
/// decoded.
pub(super) fn cell(line: &[u8], separator: u8, column: usize) -> &[u8] {
    let cell = line.split(|&byte| byte == separator).nth(column.wrapping_sub(1)).unwrap_or_default();
    let cell = cell.strip_prefix(b"\"").unwrap_or(cell);
    cell.strip_suffix(b"\"").unwrap_or(cell)
}
