//! DPC: the discharge summaries (様式1, FF1), which carry birth date, sex and postal code but no name, beside the DPC
//! receipts, which carry the name.
//!
//! The two are joined on facility and data id (データ識別番号): the summaries are read first, into a [`Roster`], and then
//! each receipt of one of their patients is a row, to which the summary adds what the receipt has not. Memory: one line,
//! and the roster.

use std::io::Read;

use unicode_normalization::UnicodeNormalization;

use super::lines::{Lines, cell};
use super::person::{Column, Person, newness_of_date};
use super::roster::{Brief, Detail};
use super::{Encoding, RawBatch, Roster, Source, UkeLayout};
use crate::error::SourceError;
use crate::schema::FieldKind;

/// The row of a summary that tells of the patient (患者属性).
const PATIENT: &[u8] = b"A000010";

/// A patient's row reaches to the postal code.
const PATIENT_COLUMNS: usize = 11;

/// What the first column of a header begins with, in CP932 and in UTF-8: 施設.
const HEADERS: [&[u8]; 2] = [b"\x8E\x7B\x90\xDD", "施設".as_bytes()];

/// A file of discharge summaries. It has no rows of its own: its patients go into a roster.
pub struct DpcSummaries<R> {
    lines: Lines<R>,
    fields: usize,
    roster: Roster,
}

impl<R: Read> DpcSummaries<R> {
    /// Looks at the first line.
    ///
    /// # Errors
    /// [`SourceError`] when the file is empty or its first line is none of a summary.
    pub fn open(reader: R, layout: &UkeLayout, roster: Roster) -> Result<Self, SourceError> {
        let mut lines = Lines::new(reader);
        if !lines.next()? {
            return Err(SourceError::NoRows);
        }
        let first = cell(lines.line(), b'\t', 1);
        if !HEADERS.iter().any(|header| first.starts_with(header)) {
            if !lines.line().contains(&b'\t') || !is_number(first) {
                let hint =
                    "様式1 begins with 施設コード and is separated by tabs; give the file of summaries, or a folder";
                return Err(SourceError::NoSuchRecord { hint });
            }
            lines.hold();
        }
        Ok(Self { lines, fields: layout.person.fields.len(), roster })
    }
}

impl<R: Read> Source for DpcSummaries<R> {
    fn start_batch(&self, batch: &mut RawBatch) {
        batch.reset(Encoding::Utf8, self.fields, true);
    }

    fn rows(&self) -> u64 {
        self.lines.row()
    }

    /// Reads the file to its end, unless so many lines are malformed.
    fn fill_batch(&mut self, batch: &mut RawBatch, rows: usize) -> Result<bool, SourceError> {
        let already = batch.malformed_rows().len();
        while batch.len() + batch.malformed_rows().len() < rows && self.lines.next()? {
            let (line, row) = (self.lines.line(), self.lines.row());
            let columns = line.split(|&byte| byte == b'\t').count();
            if columns >= 6 && cell(line, b'\t', 6) != PATIENT {
                continue;
            }
            let [facility, id] = [1, 2].map(|column| cell(line, b'\t', column));
            if columns < PATIENT_COLUMNS || !is_number(facility) || id.is_empty() {
                batch.push_malformed(row);
                continue;
            }
            let text = |column| String::from_utf8_lossy(cell(line, b'\t', column)).into_owned();
            let [facility, id] = [facility, id].map(|cell| canonical(&String::from_utf8_lossy(cell)));
            let detail = Detail {
                birth_date: Brief::new(FieldKind::Date, &text(9)),
                sex: Brief::new(FieldKind::Sex, &text(10)),
                postal_code: Brief::new(FieldKind::PostalCode, &text(11)),
                newness: newness_of_date(&text(3)),
            };
            self.roster.add([&facility, &id], batch.number(row), detail)?;
        }
        Ok(batch.malformed_rows().len() > already)
    }
}

/// Adds to a receipt what the summary of the same stay knows; false when there is none.
///
/// `facility` is the ten digits of an IR record, which has the points table in the middle where a summary has not.
pub(super) fn add_summary(roster: &Roster, facility: &str, chart: &str, person: &mut Person) -> bool {
    let (Some(prefecture), Some(code)) = (facility.get(..2), facility.get(3..)) else { return false };
    let (facility, id) = (canonical(&format!("{prefecture}{code}")), canonical(chart));
    let Some(detail) = roster.find([&facility, &id]) else { return false };
    person.set(Column::RecordId, &format!("{facility}:{id}"), false);
    let values =
        [(Column::BirthDate, detail.birth_date), (Column::Sex, detail.sex), (Column::PostalCode, detail.postal_code)];
    for (column, value) in values {
        if person.get(column).trim().is_empty() {
            person.set(column, value.as_str(), false);
        }
    }
    true
}

/// A facility or data id in the one form in which both files have it: half-width, without leading zeros.
fn canonical(id: &str) -> String {
    let id: String = id.nfkc().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect();
    id.trim_start_matches('0').to_owned()
}

fn is_number(cell: &[u8]) -> bool {
    !cell.is_empty() && cell.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
