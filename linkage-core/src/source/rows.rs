//! The rows of a CSV file before anything is known of its columns, none longer than a row can be.
//!
//! Nearly all rows hold no quotation mark: where one ends, and each of its values, is found eight bytes at a time, and its
//! values are used where they were read. Whatever else a row can be, `csv_core` reads.

use std::io::{self, Read};

use csv::ByteRecord;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::error::SourceError;

/// The longest row in bytes. A longer one is a quotation mark that was never closed, which would swallow the file.
const MAX_ROW_BYTES: usize = 1 << 20;

/// The most line ends inside one row, for the same reason.
const MAX_ROW_LINES: usize = 64;

/// How much is read at a time.
const BUFFER_BYTES: usize = 1 << 17;

/// Reads a CSV file row by row, of any width and in any encoding. Empty lines are passed over.
pub struct CsvRows<R> {
    input: Input<R>,
    delimiter: u8,
    /// For rows that are not plain. It is at the beginning of a row whenever one has been read.
    core: Reader,
    /// The values of such a row, without quotation marks, and room for more.
    text: Vec<u8>,
    /// Where the values of the last row end, and room for more.
    ends: Vec<usize>,
    row: u64,
}

/// What has been read from a file and not yet used.
struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the file has no more.
    is_over: bool,
}

/// The values of one row, as bytes.
#[derive(Clone, Copy)]
pub struct CsvRow<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
    /// Bytes between two values.
    gap: usize,
}

impl<R: Read> CsvRows<R> {
    /// A reader of rows whose values this byte separates.
    pub fn new(reader: R, delimiter: u8) -> Self {
        let input = Input { reader, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, is_over: false };
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        Self { input, delimiter, core, text: vec![0; 1024], ends: vec![0; 64], row: 0 }
    }

    /// The number of the row that was read last, from 1.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// Reads the next row; false at the end of the file.
    ///
    /// # Errors
    /// As [`Self::next_row`].
    pub fn read(&mut self, record: &mut ByteRecord) -> Result<bool, SourceError> {
        record.clear();
        let row = self.next_row()?;
        row.iter().flat_map(CsvRow::iter).for_each(|value| record.push_field(value));
        Ok(row.is_some())
    }

    /// Reads the next row; `None` at the end of the file.
    ///
    /// # Errors
    /// [`SourceError::RowTooLong`] when it has more than 1 MiB or 64 lines, [`SourceError::Io`] when it cannot be read.
    pub fn next_row(&mut self) -> Result<Option<CsvRow<'_>>, SourceError> {
        // The first row may begin with a mark of UTF-8, which `csv_core` knows.
        if self.row > 0
            && let Some(line) = self.plain_row()?
        {
            self.row += 1;
            let bytes = &self.input.buffer[line.start..line.end];
            return Ok(Some(CsvRow { bytes, ends: &self.ends[..line.values], gap: 1 }));
        }
        let Some((bytes, values)) = self.any_row()? else { return Ok(None) };
        self.row += 1;
        Ok(Some(CsvRow { bytes: &self.text[..bytes], ends: &self.ends[..values], gap: 0 }))
    }

    /// The next row if it is plain and whole in the buffer.
    fn plain_row(&mut self) -> Result<Option<Line>, SourceError> {
        loop {
            let Self { input, delimiter, ends, .. } = self;
            let unused = &input.buffer[..input.end];
            while unused.get(input.start).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
                input.start += 1;
            }
            match plain_line(&unused[input.start..], *delimiter, ends) {
                Found::Line { end, after, values } => {
                    let start = input.start;
                    input.start += after;
                    return Ok(Some(Line { start, end: start + end, values }));
                }
                Found::More if input.can_grow() => {
                    let row = self.row + 1;
                    self.input.fill().map_err(|source| SourceError::Io { row, source })?;
                }
                Found::More | Found::Other => return Ok(None),
            }
        }
    }

    /// The next row, whatever it is: how many bytes its values have, and how many values there are.
    fn any_row(&mut self) -> Result<Option<(usize, usize)>, SourceError> {
        let row = self.row + 1;
        let (mut bytes, mut values, mut used) = (0, 0, 0);
        // `csv_core` looks for a mark of UTF-8 in the first piece alone, and takes an empty one for the end.
        while self.row == 0 && self.input.end < 4 && !self.input.is_over {
            self.input.fill().map_err(|source| SourceError::Io { row, source })?;
        }
        loop {
            let Self { input, core, text, ends, .. } = self;
            if input.start == input.end && !input.is_over {
                input.fill().map_err(|source| SourceError::Io { row, source })?;
            }
            let unused = &input.buffer[input.start..input.end];
            let (result, read, written, ended) = core.read_record(unused, &mut text[bytes..], &mut ends[values..]);
            input.start += read;
            (bytes, values, used) = (bytes + written, values + ended, used + read);
            if used > MAX_ROW_BYTES {
                return Err(SourceError::RowTooLong { row });
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => text.resize(text.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        let text = &self.text[..bytes];
        if bytes > MAX_ROW_LINES && text.iter().filter(|&&byte| byte == b'\n').count() > MAX_ROW_LINES {
            return Err(SourceError::RowTooLong { row });
        }
        Ok(Some((bytes, values)))
    }
}

impl<R: Read> Input<R> {
    /// Whether there may be more, and room for it.
    fn can_grow(&self) -> bool {
        !self.is_over && (self.start > 0 || self.end < self.buffer.len())
    }

    /// Reads more behind what is unused.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let read = loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.end += read;
        self.is_over = read == 0;
        Ok(())
    }
}

impl<'a> CsvRow<'a> {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One value, by its place from 0.
    ///
    /// # Panics
    /// When there are not so many values.
    #[inline]
    pub fn value(&self, place: usize) -> &'a [u8] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] + self.gap };
        &self.bytes[start..self.ends[place]]
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(|place| self.value(place))
    }
}

/// Shows how much there is, never what.
impl std::fmt::Debug for CsvRow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvRow").field("values", &self.len()).finish_non_exhaustive()
    }
}

/// Where in the buffer a plain row lies, and how many values it has.
struct Line {
    start: usize,
    end: usize,
    values: usize,
}

/// What a text begins with.
enum Found {
    /// A plain row: its end, the beginning of the next one, and its number of values, whose ends have been written.
    Line { end: usize, after: usize, values: usize },
    /// A row whose end has not been read.
    More,
    /// A row with a quotation mark, or with a line end of its own kind.
    Other,
}

/// Looks for the end of a plain row, and of each of its values.
fn plain_line(text: &[u8], delimiter: u8, ends: &mut Vec<usize>) -> Found {
    let marks = [delimiter, b'\n', b'\r', b'"'].map(|byte| u64::from_le_bytes([byte; 8]));
    let mut values = 0;
    // What the marks among eight bytes say, the first of which is at `at`.
    let mut look = |word: u64, at: usize, in_text: u64| {
        let mut found = marks.iter().fold(0, |found, mark| found | zero_bytes(word ^ mark)) & in_text;
        while found != 0 {
            let end = at + (found.trailing_zeros() / 8) as usize;
            found &= found - 1;
            if values == ends.len() {
                ends.resize(values * 2, 0);
            }
            ends[values] = end;
            values += 1;
            match text[end] {
                byte if byte == delimiter => {}
                b'\n' => return Some(Found::Line { end, after: end + 1, values }),
                b'\r' if text.get(end + 1) == Some(&b'\n') => return Some(Found::Line { end, after: end + 2, values }),
                _ => return Some(Found::Other),
            }
        }
        None
    };
    let (chunks, rest) = text.as_chunks::<8>();
    for (chunk, at) in chunks.iter().zip((0..).step_by(8)) {
        if let Some(found) = look(u64::from_le_bytes(*chunk), at, u64::MAX) {
            return found;
        }
    }
    let word = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    look(word, text.len() - rest.len(), (1 << (8 * rest.len())) - 1).unwrap_or(Found::More)
}

/// The highest bit of every byte that is zero, and no other bit.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    // No byte's sum reaches into the next byte.
    !(((word & LOW) + LOW) | word | LOW)
}

#[cfg(test)]
mod tests;
